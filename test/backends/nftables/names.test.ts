/** Names of chains and sets (nftables spec section 5). */
import { describe, expect, it } from 'vitest';
import { endpointNames, servicePortChains } from '../../../src/backends/nftables/names.js';
import type { Endpoint, ServicePortPlan } from '../../../src/index.js';
import { hashedName } from '../../property/nft-model.js';

/** A plan of which only the name counts: `ns1/svc1/tcp/p80`. */
function named(text: string): ServicePortPlan {
  const [namespace, service, protocol = '', portName] = text.split('/');
  return { namespace, service, protocol: protocol.toUpperCase(), portName } as unknown as ServicePortPlan;
}

const endpoint = (address: string, port: number) => ({ source: { address }, port }) as unknown as Endpoint;

describe('the names of a service port', () => {
  // From kube-proxy's own tests.
  it.each(['ULMVA6XW-ns1/svc1/tcp/p80', '42NFTM6N-ns2/svc2/tcp/p80', 'P4ZYZVCF-testing/service/tcp/http'])(
    '%s',
    (name) => {
      expect(servicePortChains(named(name.slice(9)))).toEqual({
        service: `service-${name}`,
        local: `local-${name}`,
        external: `external-${name}`,
        firewall: `firewall-${name}`,
      });
    },
  );

  it('end with the slash without a port name', () => {
    expect(servicePortChains(named('ns1/svc1/udp/')).service).toMatch(/^service-[A-Z2-7]{8}-ns1\/svc1\/udp\/$/);
  });
});

describe('the names of an endpoint', () => {
  it.each([
    ['5OJB2KTY-ns1/svc1/tcp/p80', '10.180.0.1', '10.180.0.1', 80],
    ['U7E2ET36-testing/service/tcp/http', 'fd80:abcd:12::a1b2:c3d4:e5f6:9999', 'fd80.abcd.12..a1b2.c3d4.e5f6.9999', 80],
  ])('%s of %s', (start, address, written, port) => {
    expect(endpointNames(named(start.slice(9)), endpoint(address, port))).toEqual({
      chain: `endpoint-${start}__${written}/${port}`,
      affinitySet: `affinity-${start}__${written}/${port}`,
    });
  });

  it('of 240 characters stay whole, longer ones are cut to 237 and three dots', () => {
    const address = 'fd80:abcd:1234:5678:a1b2:c3d4:e5f6:9999';
    const written = address.replaceAll(':', '.');
    for (const length of [239, 240, 241, 251]) {
      const rest = `${'n'.repeat(63)}/${'s'.repeat(63)}/sctp/`;
      const end = `__${written}/65535`;
      const base = `${rest}${'p'.repeat(length - 9 - rest.length - end.length)}${end}`;
      const [servicePort = ''] = base.split('__');
      const { chain, affinitySet } = endpointNames(named(servicePort), endpoint(address, 65535));
      const whole = `${hashedName(base).slice(0, 9)}${base}`;
      expect(whole).toHaveLength(length);
      expect(chain).toBe(`endpoint-${length <= 240 ? whole : `${whole.slice(0, 237)}...`}`);
      expect(affinitySet).toBe(chain.replace('endpoint-', 'affinity-'));
      expect(chain.length).toBeLessThanOrEqual(255);
    }
  });

  it('are different where only what is cut off differs', () => {
    const port = named(`${'n'.repeat(63)}/${'s'.repeat(63)}/sctp/${'p'.repeat(63)}`);
    const address = 'fd80:abcd:1234:5678:a1b2:c3d4:e5f6:9999';
    const [one, two] = [60001, 60002].map((number) => endpointNames(port, endpoint(address, number)).chain);
    expect(one).toMatch(/\.\.\.$/);
    expect(one).not.toBe(two);
  });
});

/** What `explain` says, held against what follows from the objects. */
import { describe, expect, it } from 'vitest';
import { explanationText } from '../../src/cli/explain-text.js';
import {
  type CompileOptions,
  type Decision,
  type ExplainContext,
  explain,
  explainContext,
  type LineExplanation,
  loadCluster,
  type NameExplanation,
  readObjects,
  type ServiceExplanation,
} from '../../src/index.js';

const OBJECTS = `
kind: Node
apiVersion: v1
metadata: { name: here, labels: { topology.kubernetes.io/zone: a } }
status: { addresses: [{ type: InternalIP, address: 192.168.0.11 }] }
---
kind: Service
apiVersion: v1
metadata: { name: hinted, namespace: shop }
spec: { clusterIP: 10.96.0.1, ports: [{ port: 80 }] }
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: { name: hinted-1, namespace: shop, labels: { kubernetes.io/service-name: hinted } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints:
- { addresses: [10.0.1.1], nodeName: here, hints: { forZones: [{ name: a }] } }
- { addresses: [10.0.2.1], nodeName: there, hints: { forZones: [{ name: b }] } }
---
kind: Service
apiVersion: v1
metadata: { name: half-hinted, namespace: shop }
spec: { clusterIP: 10.96.0.2, ports: [{ port: 80 }] }
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: { name: half-hinted-1, namespace: shop, labels: { kubernetes.io/service-name: half-hinted } }
addressType: IPv4
ports: [{ port: 8080 }]
endpoints:
- { addresses: [10.0.1.2], nodeName: here, hints: { forZones: [{ name: a }] } }
- { addresses: [10.0.2.2], nodeName: there }
---
kind: Service
apiVersion: v1
metadata: { name: local, namespace: shop }
spec:
  type: NodePort
  clusterIP: 10.96.0.3
  internalTrafficPolicy: Local
  externalTrafficPolicy: Local
  ports: [{ name: http, port: 80, nodePort: 30080 }]
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: { name: local-1, namespace: shop, labels: { kubernetes.io/service-name: local } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints: [{ addresses: [10.0.2.3], nodeName: there }]
---
kind: Service
apiVersion: v1
metadata: { name: leaving, namespace: shop }
spec: { clusterIP: 10.96.0.4, ports: [{ name: http, port: 80 }, { name: dns, protocol: UDP, port: 53 }] }
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: { name: leaving-1, namespace: shop, labels: { kubernetes.io/service-name: leaving } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints:
- { addresses: [10.0.2.4], nodeName: there, conditions: { ready: false, serving: true, terminating: true } }
- { addresses: [10.0.2.5], nodeName: there, conditions: { ready: false, serving: false, terminating: true } }
- { addresses: [10.0.2.6], nodeName: there, conditions: { ready: false } }
---
kind: Service
apiVersion: v1
metadata: { name: other, namespace: shop, labels: { service.kubernetes.io/service-proxy-name: istio } }
spec: { clusterIP: 10.96.0.5, ports: [{ port: 80 }] }
---
kind: Service
apiVersion: v1
metadata: { name: six, namespace: shop }
spec: { clusterIP: 'fd00::5', ipFamilies: [IPv6], ports: [{ port: 80 }] }
---
kind: Service
apiVersion: v1
metadata: { name: web, namespace: shop }
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.6
  loadBalancerSourceRanges: [198.51.100.0/24]
  sessionAffinity: ClientIP
  ports: [{ name: https, port: 443, nodePort: 30443 }]
status: { loadBalancer: { ingress: [{ ip: 203.0.113.10 }] } }
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: { name: web-1, namespace: shop, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: https, port: 8443 }]
endpoints:
- { addresses: [10.0.1.7], nodeName: here }
- { addresses: [10.0.2.7], nodeName: there }
- { addresses: [10.0.2.8], nodeName: there, conditions: { ready: false } }
---
kind: Service
apiVersion: v1
metadata: { name: web, namespace: test }
spec: { clusterIP: 10.96.0.7, ports: [{ port: 80 }] }
`;

const { objects } = readObjects([{ name: 'objects.yaml', text: OBJECTS }]);
const { state } = loadCluster(objects);

function context(options: CompileOptions = {}): ExplainContext {
  const { context: made } = explainContext(state, { node: 'here', ...options });
  if (made === undefined) throw new Error('no context');
  return made;
}

function service(what: string, options?: CompileOptions): ServiceExplanation {
  const { explanation, diagnostics } = explain(what, context(options));
  if (explanation?.kind !== 'service') throw new Error(`${what}: ${diagnostics[0]?.message}`);
  return explanation;
}

function name(what: string, options?: CompileOptions): NameExplanation['meanings'][number] {
  const { explanation } = explain(what, context(options), 'name');
  if (explanation?.kind !== 'name' || explanation.meanings[0] === undefined) throw new Error(what);
  return explanation.meanings[0];
}

function line(what: string, options?: CompileOptions): LineExplanation {
  const { explanation } = explain(what, context(options));
  if (explanation?.kind !== 'line') throw new Error(what);
  return explanation;
}

/** What is said of each of several lines. */
function lines(what: string, options?: CompileOptions): readonly LineExplanation[] {
  const { explanation } = explain(what, context(options), 'line');
  if (explanation?.kind === 'line') return [explanation];
  if (explanation?.kind !== 'lines') throw new Error(what);
  return explanation.lines;
}

function decision(what: string, about: Decision['about'], options?: CompileOptions): string {
  const found = service(what, options).ports[0]?.decisions.filter((each) => each.about === about) ?? [];
  return found.map(({ text }) => text).join(' | ');
}

describe('a Service', () => {
  it('whose endpoints all have hints uses those of the zone', () => {
    const [port] = service('shop/hinted').ports;
    expect(port?.endpoints.map(({ endpoint, cluster }) => [endpoint, cluster])).toEqual([
      ['10.0.1.1:8080', true],
      ['10.0.2.1:8080', false],
    ]);
    expect(port?.endpoints[1]?.reason).toBe('not under policy Cluster: it is hinted for zone b, not a');
    expect(decision('shop/hinted', 'topology')).toContain('the 1 hinted for a.');
  });

  it('says why hints are ignored', () => {
    expect(decision('half-hinted', 'topology')).toBe('hints are ignored: 1 of 2 ready endpoints have none.');
    expect(service('half-hinted').ports[0]?.endpoints.every(({ cluster }) => cluster)).toBe(true);
  });

  it.each([
    ['iptables', 'dropped', 'dropped'],
    ['nftables', 'dropped', 'dropped'],
    // It has a node port, for which IPVS keeps the endpoints of policy Cluster.
    ['ipvs', 'unlike the other modes IPVS sends it to the 1', 'unlike the other modes IPVS sends it to the 1'],
  ] as const)('under policy Local without an endpoint here, in mode %s', (mode, internal, external) => {
    expect(decision('local', 'internal traffic', { mode })).toContain(internal);
    expect(decision('local', 'external traffic', { mode })).toContain(external);
    expect(service('local').ports[0]?.endpoints[0]?.reason).toBe(
      'used under policy Cluster; not under policy Local: it is not on this node',
    );
  });

  it('falls back to what is terminating', () => {
    const { endpoints, decisions } = service('shop/leaving:80').ports[0] ?? { endpoints: [], decisions: [] };
    expect(endpoints.map(({ state: each, reason }) => [each, reason])).toEqual([
      ['terminating, still serving', 'used under policy Cluster: no ready endpoint is left'],
      ['terminating', 'not used: it is terminating and does not serve any more'],
      ['not ready', 'not used: it is not ready'],
    ]);
    expect(decisions[0]?.text).toContain('the only endpoint, 10.0.2.4:8080');
  });

  it('can be asked for by port, name or number', () => {
    expect(service('leaving').ports.map(({ port }) => port)).toEqual([53, 80]);
    expect(service('leaving:dns').ports.map(({ port }) => port)).toEqual([53]);
    expect(service('leaving:53').ports[0]?.decisions[0]?.outcome).toBe('reject');
  });

  it('has no rules where another proxy serves it, or the node has not its family', () => {
    expect(service('other').noRules).toContain('to another proxy, istio');
    expect(service('six').noRules).toBe('its cluster IP is ipv6, but the node is ipv4.');
    expect(service('six', { family: 'ipv6' }).noRules).toBeUndefined();
  });

  it('says whom source ranges let in, and how affinity is kept', () => {
    const { addresses } = service('shop/web').ports[0] ?? { addresses: [] };
    expect(addresses.map(({ kind, address }) => `${kind} ${address}`)).toEqual([
      'cluster IP 10.96.0.6:443',
      'load-balancer IP 203.0.113.10:443',
      'node port 30443',
    ]);
    expect(addresses[1]?.note).toContain('198.51.100.0/24 only');
    expect(decision('shop/web', 'session affinity')).toContain('10800 seconds');
    expect(decision('shop/web', 'masquerade')).toContain('all external traffic');
  });

  it('has as many lines as its objects count', () => {
    for (const mode of ['iptables', 'ipvs', 'nftables'] as const) {
      const [port] = service('shop/web', { mode }).ports;
      const counted = port?.objects.reduce((sum, { count }) => sum + count, 0);
      const rules = port?.lines.filter(({ text }) => !/^(:|-A -t|add (chain|set) )/.test(text));
      expect(counted, mode).toBe(rules?.length);
    }
  });

  it('has names and variables', () => {
    const { records, variables } = service('shop/web');
    expect(records.map(({ name: owner, type }) => `${owner} ${type}`)).toEqual([
      'web.shop.svc.cluster.local. A',
      '_https._tcp.web.shop.svc.cluster.local. SRV',
    ]);
    expect(variables).toContainEqual({ name: 'WEB_SERVICE_PORT_HTTPS', value: '443' });
    // The Service of the same name in the other namespace has its own.
    expect(variables).toContainEqual({ name: 'WEB_SERVICE_HOST', value: '10.96.0.6' });
  });

  it.each([
    ['web', 'there is a Service "web" in the namespaces shop, test.'],
    ['shop/web:http', 'Service "shop/web:http" has no such port.'],
    ['shop/lokal', 'there is no Service "shop/lokal", and no chain or set is named so.'],
    ['a b c', 'there is no Service "a b c", and no chain or set is named so.'],
    ['', 'there is no Service "", and no chain or set is named so.'],
  ])('that is not known: %s', (what, message) => {
    const { explanation, diagnostics } = explain(what, context());
    expect(explanation).toBeUndefined();
    expect(diagnostics.map((each) => [each.code, each.message])).toEqual([['unknown-service', message]]);
  });

  it('is found in a namespace that is given', () => {
    const { explanation } = explain('web', context(), undefined, 'test');
    expect(explanation).toMatchObject({ kind: 'service', service: 'test/web' });
    expect(explain('shop/lokal', context()).diagnostics[0]?.hint).toBe('Like it: shop/local.');
  });

  it.each([
    ['10.96.0.6', 'It is an address: cluster IP of shop/web. trace follows packets to it.'],
    ['10.96.0.6:80', 'It is an address: cluster IP of shop/web. trace follows packets to it.'],
    ['10.0.1.1', 'It is an address: endpoint of shop/hinted. trace follows packets to it.'],
  ])('that is named by its address: %s', (what, hint) => {
    expect(explain(what, context()).diagnostics[0]?.hint).toBe(hint);
  });
});

describe('a name', () => {
  const endpointChain = (endpoint: string): string =>
    service('shop/web').ports[0]?.objects.find(({ purpose }) => purpose === `endpoint ${endpoint}`)?.name ?? '';

  it('of an endpoint chain', () => {
    expect(name(endpointChain('10.0.2.7:8443'))).toMatchObject({
      owner: 'kube-proxy',
      servicePort: 'shop/web:https',
      endpoint: '10.0.2.7:8443',
      present: true,
    });
  });

  it('that this node does not have now', () => {
    const chain = service('local').ports[0]?.objects.find(({ name: each }) => each.startsWith('KUBE-EXT-'))?.name ?? '';
    // No endpoint is local, so there is nothing to spread over.
    expect(name(chain.replace('EXT', 'SVL'))).toMatchObject({ servicePort: 'shop/local:http', present: false });
  });

  it.each([
    ['KUBE-SEP-AAAAAAAAAAAAAAAA', 'unknown', 'belongs to no Service of this input'],
    ['KUBE-FIREWALL', 'kubelet', 'CVE-2020-8558'],
    ['KUBE-KUBELET-CANARY', 'kubelet', 'flushed'],
    ['KUBE-PROXY-CANARY', 'kube-proxy', 'flushed'],
    ['PREROUTING', 'kernel', 'come first'],
    ['cali-INPUT', 'foreign', 'some other program'],
    ['KUBE-XLB-AAAAAAAAAAAAAAAA', 'foreign', 'before v1.24'],
    ['KUBE-LOOP-BACK', 'kube-proxy', 'reaches itself'],
    ['KUBE-6-LOAD-BALANCER-SOURCE-CID', 'kube-proxy', 'who may use them'],
    ['service-AAAAAAAA-shop/web/tcp/https', 'unknown', 'its hash is not that of the rest'],
    ['service-ips', 'kube-proxy', 'finds the chain'],
  ])('%s', (what, owner, text) => {
    expect(name(what).owner).toBe(owner);
    expect(name(what).text).toContain(text);
  });

  it('means what it means in the mode at hand', () => {
    const texts = (mode: 'iptables' | 'ipvs'): string => name('KUBE-SERVICES', { mode }).text;
    expect(texts('iptables')).toContain('addresses of all service ports');
    expect(texts('ipvs')).toContain('the translation is done by IPVS');
    expect(name('KUBE-IPVS-FILTER', { mode: 'nftables' })).toMatchObject({ modes: ['ipvs'], present: false });
  });

  it('of an nft chain tells its Service, also of one that is not there', () => {
    const own =
      service('shop/web', { mode: 'nftables' }).ports[0]?.objects.filter(({ kind }) => kind === 'chain') ?? [];
    expect(own.length).toBeGreaterThan(3);
    for (const { name: chain } of own) {
      const meaning = name(chain, { mode: 'nftables' });
      expect(meaning).toMatchObject({ owner: 'kube-proxy', servicePort: 'shop/web:https', present: true });
    }
    const [chain = ''] = own.map((each) => each.name);
    const { context: empty } = explainContext(loadCluster([]).state, { mode: 'nftables' });
    const found = empty && explain(chain, empty).explanation;
    expect(found).toMatchObject({ meanings: [{ owner: 'unknown', servicePort: 'shop/web:https', present: false }] });
  });
});

describe('a line', () => {
  it('of iptables-save, which spells it otherwise than we do', () => {
    const found = line(
      '-A KUBE-SERVICES -d 10.96.0.6/32 -p tcp -m comment --comment "shop/web:https cluster IP" -m tcp --dport 443 ' +
        `-j ${service('shop/web').ports[0]?.objects.find(({ name: each }) => each.startsWith('KUBE-SVC-'))?.name}`,
    );
    expect(found.written).toBe(true);
    expect(found.reason).toBe('cluster IP of shop/web:https');
    expect(found.matches).toEqual(['to 10.96.0.6/32', 'TCP', 'port 443']);
  });

  it('that is not written', () => {
    const found = line('-A KUBE-SERVICES -d 10.96.9.9/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA');
    expect(found.written).toBe(false);
    expect(found.reason).toBe('no Service of this input has this address');
    expect(found.names.map(({ meanings }) => meanings[0]?.owner)).toEqual(['kube-proxy', 'unknown']);
  });

  it.each([
    ['-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT', 'accepts the packet', ''],
    ['-A FORWARD -m bpf --bytecode "1,2" -j NFQUEUE --queue-num 1', 'not known', ''],
    ['-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000', 'sets the mark', 'marks a packet'],
    ['[12:720] -A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP', 'drops the packet', 'forwarded'],
    [':KUBE-SERVICES - [0:0]', 'declares the chain', ''],
    ['-A -t 10.96.0.6:443 -s rr -p 10800', 'by scheduler rr', 'cluster IP of shop/web:https'],
    ['-a -t 10.96.0.6:443 -r 10.0.1.7:8443 -m -w 0', 'takes no new connections', 'endpoint of shop/web:https'],
    ['-a -t 10.96.0.6:443 -r 10.9.9.9:1 -m -w 1', 'translates to 10.9.9.9:1', 'no endpoint of this input'],
    ['add KUBE-NODE-PORT-TCP 30443', 'puts 30443', 'node port of shop/web:https'],
    ['add KUBE-LOOP-BACK 10.0.1.7,tcp:8443,10.0.1.7', 'puts 10.0.1.7', 'endpoint of shop/web:https on node here'],
    ['add rule ip kube-proxy services jump nowhere', 'goes through chain nowhere', ''],
    ['add rule inet other input accept', "which is not kube-proxy's", ''],
    [
      'add element ip kube-proxy service-nodeports { tcp . 30443 : goto x }',
      'for tcp . 30443',
      'node port of shop/web',
    ],
  ])('%s', (text, effect, reason) => {
    const found = line(text);
    expect(found.effect).toContain(effect);
    expect(found.reason).toContain(reason);
  });

  it.each(['-A', '-A ', ':x', 'add', 'add rule', 'create x', '-A -t', '-a -t nonsense -r', '-A X -m', '"', '-A X "'])(
    'that is broken does no harm: %s',
    (text) => {
      expect(() => explain(text, context(), 'line')).not.toThrow();
    },
  );
});

describe('a line of nft', () => {
  const nft = { mode: 'nftables' } as const;
  const chainOf = (kind: string): string =>
    service('shop/web', nft).ports[0]?.objects.find(({ name: each }) => each.startsWith(`${kind}-`))?.name ?? '';

  it('is found in the listing that has handles, counters and tabs', () => {
    const [found, ...more] = lines(
      '\t\tct state new counter packets 3 bytes 120 jump firewall-check # handle 12\n',
      nft,
    );
    expect(more).toEqual([]);
    expect(found).toMatchObject({ written: true, matches: ['the state of the connection is new'] });
    expect(found?.what).toBe('rule of chains filter-output-pre-dnat, filter-prerouting-pre-dnat');
  });

  it('is the same in the spellings of a script and of a listing', () => {
    const [port] = service('shop/web', nft).ports;
    const own = port?.lines.find(({ text }) => text.includes('endpoint-') && text.includes('dnat to'))?.text ?? '';
    const [, chain = '', rule = ''] = /^add rule ip kube-proxy (\S+) (.*)$/.exec(own) ?? [];
    const listed = rule.replace('meta l4proto tcp dnat', 'meta l4proto 6 dnat');
    const [found] = lines(`\t\t${listed} # handle 9`, nft);
    expect(found).toMatchObject({ what: `rule of chain ${chain}`, written: true });
    expect(found?.reason).toMatch(/^endpoint 10\.0\.\d\.7:8443 of shop\/web:https$/);
  });

  it('of elements, in a list that goes on and by itself', () => {
    const external = chainOf('external');
    const list = `elements = { 10.96.0.6 . tcp . 443 : goto ${chainOf('service')}, 203.0.113.10 . tcp . 443 : goto ${external},`;
    const found = lines(
      `table ip kube-proxy {\n\tmap service-ips {\n\t\t${list}\n\t\t\t     10.96.0.99 . tcp . 80 : drop }\n\t}\n}`,
      nft,
    );
    expect(found.map(({ what, reason, written }) => [what, reason, written])).toEqual([
      ['table', '', true],
      ['map service-ips', '', true],
      ['element of service-ips', 'cluster IP of shop/web:https', true],
      ['element of service-ips', 'load-balancer IP of shop/web:https', true],
      ['element of service-ips', 'no Service of this input has this', false],
    ]);
    const [alone] = lines(`\t\t\t     203.0.113.10 . tcp . 443 : goto ${external},`, nft);
    expect(alone).toMatchObject({ what: 'element of service-ips', written: true });
  });

  it('that was changed has the right one beside it', () => {
    const [element] = lines(`10.96.0.6 . tcp . 443 : goto ${chainOf('external')}`, nft);
    expect(element).toMatchObject({
      written: false,
      reason: 'cluster IP of shop/web:https',
      nearest: `add element ip kube-proxy service-ips { 10.96.0.6 . tcp . 443 : goto ${chainOf('service')} }`,
    });
    const [rule] = lines(`chain ${chainOf('endpoint')} {\n meta l4proto tcp dnat to 10.0.9.9:8443`, nft).slice(1);
    expect(rule?.written).toBe(false);
    expect(rule?.nearest).toMatch(/ meta l4proto tcp dnat to 10\.0\.\d\.7:8443$/);
    expect(rule?.names[0]?.meanings[0]?.servicePort).toBe('shop/web:https');
  });

  it('about clients, counters and other tables claims nothing', () => {
    const [client] = lines('10.0.5.5 expires 2h59m59s', nft);
    expect(client).toMatchObject({ written: undefined });
    expect(client?.effect).toContain('session affinity');
    const [, other] = lines('table inet firewall {\n\tchain input {\n', nft);
    expect(other).toMatchObject({ what: 'line of table inet firewall', written: undefined });
    // No object tells which ranges of cluster IPs there are.
    const [drop] = lines('chain cluster-ips-check {\nip daddr 10.96.0.0/16 drop comment "Drop"', nft).slice(1);
    expect(drop?.written).toBeUndefined();
    // Compiled in another mode, there is nothing to compare with.
    expect(lines('jump services', { mode: 'iptables' })[0]?.written).toBeUndefined();
  });

  it('of chains that hang in a hook', () => {
    const base = 'type nat hook output priority -100; policy accept;';
    expect(lines(base, nft)[0]).toMatchObject({ what: 'hook of a chain', written: true });
    expect(lines(`chain nat-prerouting {\n${base}`, nft)[1]).toMatchObject({ written: false });
    expect(lines('type filter hook input priority 0; policy drop;', nft)[0]?.written).toBe(false);
  });

  it.each([
    'add chain ip kube-proxy services { comment "x" ; }',
    'add chain ip kube-proxy gone',
    'add set ip kube-proxy x { }',
  ])('of a script that makes something else: %s', (text) => expect(line(text, nft).written).toBe(false));
});

describe('a line of ipvsadm or ipset', () => {
  const ipvs = { mode: 'ipvs' } as const;

  it('is compared by what it says', () => {
    expect(line('-A -t 10.96.0.6:443 -p 10800 -s rr', ipvs).written).toBe(true);
    expect(line('-a -t 10.96.0.6:443 -r 10.0.1.7:8443 -w 1 -m', ipvs).written).toBe(true);
    expect(line('add KUBE-CLUSTER-IP 10.96.0.6,TCP:443 timeout 0', ipvs).written).toBe(true);
    expect(
      line('create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 64 maxelem 65536 initval 0x1', ipvs).written,
    ).toBe(true);
    expect(line('create KUBE-CLUSTER-IP hash:ip,port family inet maxelem 5', ipvs)).toMatchObject({
      written: false,
      nearest: expect.stringContaining('create KUBE-CLUSTER-IP hash:ip,port'),
    });
  });

  it('that was changed has the right one beside it', () => {
    expect(line('-a -t 10.96.0.6:443 -r 10.0.1.7:8443 -m -w 0', ipvs)).toMatchObject({
      written: false,
      nearest: '-a -t 10.96.0.6:443 -r 10.0.1.7:8443 -m -w 1',
    });
    expect(line('-A -t 10.96.0.6:443 -s lc -p 10800', ipvs).nearest).toBe('-A -t 10.96.0.6:443 -s rr -p 10800');
  });

  it('of listings', () => {
    const listed = [
      'Prot LocalAddress:Port Scheduler Flags',
      'TCP  10.96.0.6:443 rr persistent 10800',
      '  -> 10.0.1.7:8443                Masq    1      0          0         ',
      'TCP  10.96.0.99:443 mh (mh-port) persistent 10800',
      '  -> 10.0.1.7:8443                Masq    1      0          0         ',
      'FWM  10 rr',
    ].join('\n');
    expect(lines(listed, ipvs).map(({ what, written }) => [what, written])).toEqual([
      ['heading of ipvsadm -L', undefined],
      ['virtual server', true],
      ['real server', true],
      ['virtual server', false],
      ['real server', false],
      ['virtual server', false],
    ]);
    // One endpoint may be that of several virtual servers.
    const [alone] = lines('  -> 10.0.1.7:8443   Masq    1      0          0', ipvs);
    expect(alone).toMatchObject({
      what: 'real server',
      reason: 'endpoint of shop/web:https on node here',
      written: true,
    });
  });

  it('of members', () => {
    const listed = 'Name: KUBE-CLUSTER-IP\nType: hash:ip,port\nMembers:\n10.96.0.6,tcp:443\n10.96.0.66,tcp:443\n';
    expect(lines(listed, ipvs).map(({ what, written }) => [what, written])).toEqual([
      ['set KUBE-CLUSTER-IP', true],
      ['property of set KUBE-CLUSTER-IP', undefined],
      ['property of set KUBE-CLUSTER-IP', undefined],
      ['entry of a set', true],
      ['entry of a set', false],
    ]);
    expect(line('10.96.0.6,tcp:443', ipvs)).toMatchObject({
      effect: 'puts 10.96.0.6,tcp:443 into KUBE-CLUSTER-IP',
      written: true,
    });
  });
});

it('the nearest line shares what hardly any other has, and in a large cluster is found in few comparisons', () => {
  const nearestOf = (services: number, text: string) => {
    const objects = Array.from({ length: services }, (_, i) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `s${i}` },
      spec: { clusterIP: `10.96.${i >> 8}.${i & 255}`, ports: [{ port: 8443 }] },
    }));
    const { context: made } = explainContext(loadCluster(objects.map((object) => ({ object }))).state);
    const explanation = made && explain(text, made).explanation;
    return explanation?.kind === 'line' ? explanation.nearest : undefined;
  };
  const line = (address: string) => `-A KUBE-SERVICES -d ${address} -m tcp -p tcp --dport 8443 -j REJECT`;
  expect(nearestOf(3, line('192.0.2.1'))).toContain('-d 10.96.0.0 ');
  // Of a port that everybody has nothing follows; an address is found all the same.
  expect(nearestOf(101, line('192.0.2.1'))).toBeUndefined();
  expect(nearestOf(101, `${line('10.96.0.77')} --reject-with tcp-reset`)).toContain('-d 10.96.0.77 ');
});

it.each(['nonsense', '!!', '}', 'eat my shorts'])('what is no line says so: %s', (text) => {
  const { explanation, diagnostics } = explain(text, context(), 'line');
  if (text === '}') {
    expect(diagnostics.map(({ code }) => code)).toEqual(['usage']);
    expect(explanation).toBeUndefined();
  } else {
    expect(explanation).toMatchObject({ what: 'unknown' });
  }
});

it('JSON of nft that cannot be read is no answer', () => {
  expect(explain('{"nftables": [1', context(), 'line').diagnostics).toMatchObject([{ code: 'unreadable-rules' }]);
});

it('a terminal gets colour and lines of its width', () => {
  const explanation = service('shop/web');
  const { setting } = context();
  const plain = explanationText(explanation, setting, { rules: false, terminal: undefined });
  const narrow = explanationText(explanation, setting, { rules: false, terminal: { width: 80, color: false } });
  const colored = explanationText(explanation, setting, { rules: false, terminal: { width: 80, color: true } });
  expect(plain).not.toContain('\u001b');
  expect(narrow.replace(/\s+/g, ' ')).toBe(plain.replace(/\s+/g, ' '));
  const lengths = narrow.split('\n').map((each) => each.length);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(80);
  expect(Math.max(...lengths)).toBeGreaterThan(70);
  expect(colored.replaceAll('\u001b[1m', '').replaceAll('\u001b[22m', '')).toBe(narrow);
  expect(colored).not.toBe(narrow);
});

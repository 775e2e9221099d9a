import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endpointChain, servicePortChains } from '../../../src/backends/iptables/names.js';
import { probability } from '../../../src/backends/iptables/probability.js';

describe('chain names', () => {
  // From published dumps of clusters and kube-proxy's own tests.
  it.each([
    ['default/kubernetes:https', 'tcp', 'NPX46M4PTMTKRN6Y'],
    ['kube-system/kube-dns:dns', 'udp', 'TCOU7JCQXEZGVUNU'],
    ['kube-system/kube-dns:dns-tcp', 'tcp', 'ERIFXISQEP7F7OF4'],
    ['ns1/svc1:p80', 'tcp', 'XPGD46QRK7WJZT7O'],
    ['ns1/svc1:p80', 'udp', 'OJWW7NSBVZTDHXNW'],
    ['ns1/svc1:p80', 'sctp', 'GFCIFIA5VTFSTMSM'],
    ['default/web', 'tcp', 'LOLE4ISW44XBNF3G'],
  ])('of %s %s have the hash %s', (name, protocol, hash) => {
    expect(servicePortChains(name, protocol)).toEqual({
      svc: `KUBE-SVC-${hash}`,
      svl: `KUBE-SVL-${hash}`,
      ext: `KUBE-EXT-${hash}`,
      fw: `KUBE-FW-${hash}`,
    });
  });

  it.each([
    ['10.180.0.1:80', 'SXIVWICOYRO3J4NJ'],
    ['[fd00:10:180::1]:80', 'OGYCNMB4EMRUSJ6N'],
  ])('of endpoint %s', (endpoint, hash) => {
    expect(endpointChain('ns1/svc1:p80', 'tcp', endpoint)).toBe(`KUBE-SEP-${hash}`);
  });

  it('are the base32 text of SHA-256, for texts of any length', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 2000 }), (text) => {
        const bits = Array.from(createHash('sha256').update(text).digest(), (byte) =>
          byte.toString(2).padStart(8, '0'),
        ).join('');
        const expected = Array.from(
          { length: 16 },
          (_, i) => alphabet[Number.parseInt(bits.slice(i * 5, i * 5 + 5), 2)],
        ).join('');
        expect(endpointChain('', '', text)).toBe(`KUBE-SEP-${expected}`);
      }),
    );
  });
});

describe('probability', () => {
  it.each([
    [2, '0.5000000000'],
    [3, '0.3333333333'],
    [6, '0.1666666667'],
    [7, '0.1428571429'],
    // The exact value is 0.00048828125: half way, so to the even digit.
    [2048, '0.0004882812'],
    [100000, '0.0000100000'],
    [100001, '0.0000099999'],
  ])('of 1/%i is %s', (n, text) => {
    expect(probability(n)).toBe(text);
  });
});

import { expect, it } from 'vitest';
import { loadCluster, type RawObject } from '../../src/index.js';

const serviceCIDR = (cidrs: unknown, apiVersion = 'networking.k8s.io/v1'): RawObject => ({
  apiVersion,
  kind: 'ServiceCIDR',
  metadata: { name: 'kubernetes' },
  spec: cidrs === undefined ? {} : { cidrs },
});

const codes = (object: RawObject) => loadCluster([{ object }]).diagnostics.map(({ code }) => code);

it('takes one CIDR, or one of each family', () => {
  for (const cidrs of [
    ['10.96.0.0/12'],
    ['fd00::/108'],
    ['10.96.0.0/12', 'fd00::/108'],
    ['fd00::/108', '10.96.0.0/12'],
  ]) {
    expect(codes(serviceCIDR(cidrs))).toEqual([]);
  }
});

it.each([
  ['none', undefined, 'invalid-field'],
  ['an empty list', [], 'invalid-field'],
  ['two of one family', ['10.96.0.0/12', '172.30.0.0/16'], 'invalid-field'],
  ['three', ['10.96.0.0/12', 'fd00::/108', '172.30.0.0/16'], 'invalid-field'],
  ['host bits', ['10.96.0.5/12'], 'invalid-address'],
  ['capitals', ['FD00::/108'], 'invalid-address'],
  ['an address', ['10.96.0.1'], 'invalid-address'],
  ['no text', [7], 'invalid-field'],
])('refuses %s, as the API server does', (_what, cidrs, code) => {
  expect(codes(serviceCIDR(cidrs))).toEqual([code]);
});

it('passes over beta versions, as only one rule of one mode is missing without', () => {
  const { diagnostics } = loadCluster([{ object: serviceCIDR(['10.96.0.0/12'], 'networking.k8s.io/v1beta1') }]);
  expect(diagnostics).toMatchObject([{ code: 'skipped-kinds', severity: 'note' }]);
});

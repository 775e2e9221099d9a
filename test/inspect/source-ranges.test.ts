import { describe, expect, it } from 'vitest';
import { normalRanges, shareInRanges } from '../../src/inspect/source-ranges.js';
import { parseCidr } from '../../src/net/ip.js';

const cidrs = (texts: readonly string[]) => texts.flatMap((text) => parseCidr(text) ?? []);

describe('the fewest networks with the same addresses', () => {
  it.each([
    ['nothing', [], []],
    ['one', ['203.0.113.0/24'], ['203.0.113.0/24']],
    [
      'order and repetition',
      ['203.0.113.0/24', '198.51.100.0/24', '203.0.113.0/24'],
      ['198.51.100.0/24', '203.0.113.0/24'],
    ],
    ['one inside another', ['10.1.0.0/16', '10.0.0.0/8'], ['10.0.0.0/8']],
    ['two halves', ['203.0.113.128/25', '203.0.113.0/25'], ['203.0.113.0/24']],
    ['halves of halves', ['10.0.0.0/10', '10.64.0.0/10', '10.128.0.0/9'], ['10.0.0.0/8']],
    ['neighbours that are no halves', ['203.0.113.64/26', '203.0.113.128/26'], ['203.0.113.128/26', '203.0.113.64/26']],
    ['everything in two', ['0.0.0.0/1', '128.0.0.0/1'], ['0.0.0.0/0']],
    ['IPv6', ['2001:db8:8000::/33', '2001:db8::/33', '2001:db8::1/128'], ['2001:db8::/32']],
  ])('%s', (_name, ranges, expected) => {
    expect(normalRanges(cidrs(ranges))).toEqual(expected);
  });
});

it.each([
  ['10.244.1.0/24', ['10.244.0.0/16'], 'all'],
  ['10.244.0.0/16', ['10.244.1.0/24'], 'some'],
  ['10.244.0.0/16', ['203.0.113.0/24'], 'none'],
] as const)('%s in %s: %s', (network, ranges, share) => {
  const [cidr] = cidrs([network]);
  expect(cidr && shareInRanges(cidr, cidrs(ranges))).toBe(share);
});

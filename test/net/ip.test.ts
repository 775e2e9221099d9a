import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import { cidrContains, ipBytes, isCanonicalIpv4, joinHostPort, parseCidr, parseIp } from '../../src/net/ip.js';

describe('parseIp', () => {
  // The lenient forms are those that kube-proxy's parser takes (ParseIPSloppy); addresses are from the documentation ranges.
  it.each([
    ['192.0.2.1', 'ipv4', '192.0.2.1'],
    ['172.30.0.041', 'ipv4', '172.30.0.41'],
    ['010.000000.00.010', 'ipv4', '10.0.0.10'],
    ['2001:DB8::00a1', 'ipv6', '2001:db8::a1'],
    ['2001:00db8:0:0:1:0:0:1', 'ipv6', '2001:db8::1:0:0:1'],
    ['::', 'ipv6', '::'],
    ['1::', 'ipv6', '1::'],
    ['1:2:3:4:5:6:7::', 'ipv6', '1:2:3:4:5:6:7:0'],
    ['::ffff:192.0.2.1', 'ipv4', '192.0.2.1'],
    ['0:0:0:0:0:FFFF:c000:201', 'ipv4', '192.0.2.1'],
    ['::192.0.2.1', 'ipv6', '::c000:201'],
    ['64:ff9b::192.0.2.033', 'ipv6', '64:ff9b::c000:221'],
    ['1:0:0:2:0:0:3:4', 'ipv6', '1::2:0:0:3:4'],
    ['1:0:2:3:4:5:6:7', 'ipv6', '1:0:2:3:4:5:6:7'],
  ])('reads %s', (text, family, canonical) => {
    expect(parseIp(text)).toEqual({ family, text: canonical });
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '1.2.3.4 ',
    ' 1.2.3.4',
    '1.2.3.-4',
    '1.2.3.0x4',
    '1..2.3',
    '1.2.3.',
    ':',
    ':::',
    '1:2',
    '1::2::3',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1:2:3:4::5:6:7:8',
    'fe80::1%eth0',
    '[::1]',
    '12345::',
    'g::',
    '1.2.3.4::',
    '::1.2.3',
    '1:2:3:4:5:6:7:1.2.3.4',
    '10.0.0.1; rm -rf /',
  ])('refuses %j', (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  it('prints IPv6 as RFC 5952 says, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 0, 1, 255), { minLength: 16, maxLength: 16 }), (bytes) => {
        const address = new ipaddr.IPv6(bytes);
        if (address.isIPv4MappedAddress()) return;
        const read = parseIp(address.toNormalizedString());
        expect(read?.text).toBe(address.toRFC5952String());
        expect(read && ipBytes(read)).toEqual(bytes);
      }),
    );
  });

  it('agrees with an address library on everything that both call an IPv6 address', () => {
    const word = fc.constantFrom('0', '1', 'ab', 'ffff', '', ':', '0001');
    fc.assert(
      fc.property(fc.array(word, { maxLength: 9 }), (words) => {
        const text = words.join(':');
        if (!ipaddr.IPv6.isValid(text) || ipaddr.IPv6.parse(text).isIPv4MappedAddress()) return;
        expect(parseIp(text)?.text).toBe(ipaddr.IPv6.parse(text).toRFC5952String());
      }),
      { numRuns: 1000 },
    );
  });
});

describe('isCanonicalIpv4', () => {
  it('is true of exactly the texts that parse to themselves', () => {
    const part = fc.oneof(fc.integer({ min: 0, max: 300 }).map(String), fc.constantFrom('', '00', '01', 'x', ' 1'));
    fc.assert(
      fc.property(fc.array(part, { minLength: 2, maxLength: 5 }), (parts) => {
        const text = parts.join('.');
        const ip = parseIp(text);
        expect(isCanonicalIpv4(text)).toBe(ip?.family === 'ipv4' && ip.text === text);
      }),
      { numRuns: 1500 },
    );
    expect(isCanonicalIpv4('0.0.0.0')).toBe(true);
    expect(isCanonicalIpv4('255.255.255.255')).toBe(true);
  });
});

describe('parseCidr', () => {
  it.each([
    ['10.244.0.0/16', '10.244.0.0/16', 16, false],
    ['10.0.0.1/8', '10.0.0.0/8', 8, true],
    ['203.0.113.000/025', '203.0.113.0/25', 25, false],
    ['192.0.2.255/31', '192.0.2.254/31', 31, true],
    ['fd00:244:0::/64', 'fd00:244::/64', 64, false],
    ['2001:db8::1/32', '2001:db8::/32', 32, true],
    ['::/0', '::/0', 0, false],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8', 8, false],
    ['::ffff:10.1.2.3/96', '0.0.0.0/0', 0, true],
    ['::ffff:10.0.0.0/80', '::/80', 80, true],
  ])('reads %s as %s', (text, canonical, prefixLength, hadHostBits) => {
    expect(parseCidr(text)).toMatchObject({ text: canonical, prefixLength, hadHostBits });
  });

  it.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/+8',
    '10.0.0.0/ 8',
    ' 10.0.0.0/8',
    '::/129',
    '/8',
    '10.0.0.0/8/8',
  ])('refuses %j', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });
});

describe('cidrContains', () => {
  it.each([
    ['10.244.0.0/16', '10.244.255.1', true],
    ['10.244.0.0/16', '10.245.0.0', false],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['::/0', '203.0.113.9', false],
  ])('%s, %s: %s', (network, address, inside) => {
    const cidr = parseCidr(network);
    const ip = parseIp(address);
    expect(cidr && ip && cidrContains(cidr, ip)).toBe(inside);
  });
});

it('joins address and port as endpoints are written', () => {
  expect(joinHostPort('10.0.0.1', 'ipv4', 80)).toBe('10.0.0.1:80');
  expect(joinHostPort('fd00::1', 'ipv6', 8080)).toBe('[fd00::1]:8080');
});

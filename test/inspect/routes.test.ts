/** What `trace --to` makes of names and URLs: which addresses, and how it got there. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { dnsZones, findRoute, indexPods, loadCluster, type Route, readObjects, readPods } from '../../src/index.js';
import { dnsAnswer } from '../../src/inspect/dns.js';
import { NAMES, routesCluster } from './route-names.js';

const around = routesCluster();

interface Asked {
  readonly from?: string | undefined;
  readonly to: string;
  readonly family?: 'ipv4' | 'ipv6';
  readonly zone?: string;
  readonly ingressClass?: string;
}

/** The route, or the messages and hints of errors. */
function routeOf({ from, family, ...rest }: Asked): Route | string {
  const routed = findRoute({ from, family, ...rest }, around);
  if (!Array.isArray(routed)) return routed as Route;
  return routed.map(({ message, hint }) => `${message} ${hint}`).join('\n');
}

function good(asked: Asked): Route {
  const route = routeOf(asked);
  if (typeof route === 'string') throw new Error(route);
  return route;
}

/** `10.96.0.30:6379/tcp`, several addresses of one destination with a comma. */
const reached = ({ destinations }: Route) =>
  destinations.map(
    ({ addresses, port, protocol }) => `${addresses.map(({ text }) => text).join()}:${port}/${protocol}`,
  );

const CLIENT = 'shop/client';

describe('names', () => {
  it.each(NAMES)('%s -> %s', (from, to, destinations, tried, _why) => {
    const route = good({ from, to });
    expect(reached(route)).toEqual(destinations);
    expect(route.lookup?.tried.length ?? 0).toBe(tried);
  });

  it('the search list is that of the sender', () => {
    const tried = (asked: Asked) => good(asked).lookup?.tried;
    expect(tried({ from: CLIENT, to: 'redis.default.svc' })).toEqual([
      'redis.default.svc.shop.svc.cluster.local.',
      'redis.default.svc.svc.cluster.local.',
      'redis.default.svc.cluster.local.',
    ]);
    expect(tried({ from: 'kube-system/searching', to: 'cart' })).toEqual([
      'cart.kube-system.svc.cluster.local.',
      'cart.svc.cluster.local.',
      'cart.cluster.local.',
      'cart.shop.svc.cluster.local.',
    ]);
    expect(tried({ from: CLIENT, to: 'cart', zone: 'Example.Org.' })).toEqual(['cart.shop.svc.example.org.']);
  });

  it('whom a Service selects is in its namespace', () => {
    const text =
      readFileSync('examples/shop/services.yaml', 'utf8') +
      readFileSync('examples/shop/endpointslices.yaml', 'utf8').replace(/^/, '---\n');
    const { objects } = readObjects([{ name: 'shop', text }]);
    const { state } = loadCluster(objects);
    const shop = { ...around, state, objects, pods: indexPods(objects) };
    const routed = findRoute({ from: '10.244.1.7', to: 'cache', family: undefined }, shop) as Route;
    expect(reached(routed)).toEqual(['10.96.0.20:6379/tcp']);
    expect(routed.lookup?.resolver.of).toBe('a pod of namespace shop');
    expect(routed.notes).toEqual([]);
  });

  it('what is said besides', () => {
    const notes = (asked: Asked) => good(asked).notes.join(' ');
    expect(notes({ from: CLIENT, to: 'web:http' })).toBe('');
    expect(notes({ from: CLIENT, to: 'web:9999' })).toBe(
      'Service shop/web has no port 9999/tcp: it has the ports http 80/tcp, admin 8080/tcp.',
    );
    expect(notes({ from: CLIENT, to: 'redis.default' })).toContain('both are followed');
    expect(notes({ from: CLIENT, to: 'redis.default', family: 'ipv6' })).toBe('');
    expect(reached(good({ from: CLIENT, to: 'redis.default', family: 'ipv6' }))).toEqual(['fd00:96::30:6379/tcp']);
    expect(notes({ from: 'client-4', to: 'redis' })).toContain(
      'not followed, as the sender has no address of that family: fd00:96::30',
    );
    expect(notes({ from: CLIENT, to: 'db' })).toContain('DNS gives 2 addresses and the client picks one');
    expect(notes({ from: CLIENT, to: 'db:5432' })).toContain('Nothing translates the ports of a headless Service');
    expect(notes({ from: CLIENT, to: 'db:5432' }).match(/Nothing translates/g)).toHaveLength(1);
    expect(notes({ from: CLIENT, to: 'db:22' })).not.toContain('Nothing translates');
    expect(notes({ from: '203.0.113.9', to: 'redis' })).toContain('looked up as by a pod of namespace default');
    expect(notes({ from: '203.0.113.9', to: 'web.shop:80' })).toBe('');
    expect(notes({ from: 'node', to: 'redis' })).toContain('redis is taken as Service default/redis');
  });

  it('a name outside the cluster ends before the rules', () => {
    const route = good({ from: CLIENT, to: 'outside:5432' });
    expect(route.destinations).toEqual([]);
    expect(route.lookup?.records.map(({ type, data }) => `${type} ${data}`)).toEqual(['CNAME db.example.com.']);
    expect(route.ends.join()).toContain('db.example.com, which is outside the cluster');
  });

  const errors: readonly (readonly [from: string | undefined, to: string, words: readonly string[]])[] = [
    [
      CLIENT,
      'rediss:6379',
      ['rediss.shop.svc.cluster.local, rediss.svc.cluster.local, rediss.cluster.local', 'rediss is outside'],
    ],
    [CLIENT, 'redis:6379', ['no address in DNS', 'There is redis.default.']],
    [CLIENT, 'rediss.default.svc.cluster.local.:6379', ['no address in DNS for rediss.default.svc.cluster.local.']],
    [CLIENT, 'example.com:443', ['example.com is outside cluster.local', 'by its address']],
    [CLIENT, 'nobody:80', ['Service shop/nobody: no ready endpoint']],
    [CLIENT, 'ring:80', ['ring.shop.svc.cluster.local is an alias of ring.shop.svc.cluster.local']],
    [CLIENT, 'gone:80', ['gone.shop.svc.cluster.local is an alias of nothing.shop.svc.cluster.local']],
    [CLIENT, 'db-7.db:sql', ['no address in DNS for db-7.db.shop.svc.cluster.local']],
    [CLIENT, 'web', ['several such ports', 'http 80/tcp, admin 8080/tcp']],
    [CLIENT, 'web:metrics', ['has the ports http 80/tcp, admin 8080/tcp']],
    [CLIENT, 'web:70000', ['has the ports http 80/tcp']],
    [CLIENT, 'db:metrics', ['an endpoint of Service shop/db has the port sql 5433/tcp']],
    [CLIENT, 'kube-dns.kube-system:53', ['dns 53/udp, dns-tcp 53/tcp']],
    [CLIENT, '10-244-1-61.default.pod.cluster.local', ['ADDRESS:PORT']],
    [CLIENT, '10-244-1-99.default.pod.cluster.local:22', ['no address in DNS']],
    [CLIENT, 'we b:80', ['"we b" is no name that DNS could have']],
    [CLIENT, ':80', ['neither an address with a port, nor a name']],
    [CLIENT, 'shop/nothing', ['neither an address with a port, nor a name']],
    [CLIENT, 'alias:metrics', ['Service default/redis has the port client 6379/tcp']],
    ['shop/of-node', 'web:http', ['pod shop/of-node has dnsPolicy Default', 'namespace/name:port']],
    ['shop/of-node', 'redis:client', ['pod shop/of-node has dnsPolicy Default']],
    ['shop/on-host', 'web:http', ['pod shop/on-host is on the host network']],
    ['shop/elsewhere', 'web:http', ['dnsPolicy None', '192.0.2.53 is not known']],
    ['node', 'web.shop:http', ['this node has a resolv.conf of its own']],
    ['fd00:10:244:1::99', 'cart.shop', ['no IP family in common']],
    [undefined, 'redis:6379', ['--from is missing']],
    ['nobody', 'redis:6379', ['--from "nobody" is not understood']],
  ];

  it.each(errors)('%s -> %s is an error', (from, to, words) => {
    const text = routeOf({ from, to });
    expect(typeof text).toBe('string');
    for (const word of words) expect(text).toContain(word);
  });
});

describe('URLs', () => {
  /** What of the Ingress class, if any, leads where. */
  const found: readonly (readonly [asked: Asked, reached: readonly string[], why: string])[] = [
    [{ to: 'https://shop.example' }, ['10.96.0.40:80/tcp'], 'no path is /'],
    [{ to: 'https://shop.example/cart' }, ['10.96.0.40:8080/tcp'], 'Exact; a port by name'],
    [{ to: 'https://shop.example/cart/1?x=/y#z' }, ['10.96.0.41:80/tcp'], 'Prefix; a port by number; no query'],
    [{ to: 'HTTPS://Shop.Example.:8443/cart/' }, ['10.96.0.41:80/tcp'], 'no case, no final dot, no port'],
    [{ to: 'https://shop.example/db' }, ['10.244.1.50:5433/tcp', '10.244.2.50:5433/tcp'], 'a headless Service'],
    [{ to: 'https://shop.example/number' }, ['10.96.0.40:9999/tcp'], 'a port that the Service does not have'],
    [{ to: 'http://a.shop.example/api/x' }, ['10.96.0.40:80/tcp'], 'a wildcard'],
    [{ to: 'http://two.example/' }, ['10.96.0.40:80/tcp', '10.96.0.41:80/tcp'], 'two claims are equal'],
    [
      { to: 'http://both.example/' },
      ['10.96.0.30,fd00:96::30:6379/tcp', '10.96.0.40:80/tcp'],
      'two classes, one of them by annotation',
    ],
    [{ to: 'http://both.example/', ingressClass: 'inner' }, ['10.96.0.30,fd00:96::30:6379/tcp'], 'one of them'],
    [{ from: CLIENT, to: 'http://web/x' }, ['10.96.0.40:80/tcp'], 'a name of the cluster: no Ingress'],
    [{ from: CLIENT, to: 'http://web:8080' }, ['10.96.0.40:8080/tcp'], 'with a port'],
    [{ from: CLIENT, to: 'https://web.shop.svc.cluster.local./' }, ['10.96.0.40:443/tcp'], 'https is 443'],
    [{ from: CLIENT, to: 'http://10.96.0.40/' }, ['10.96.0.40:80/tcp'], 'an address'],
    [{ from: 'node', to: 'http://[fd00:96::30]:6379/' }, ['fd00:96::30:6379/tcp'], 'an IPv6 address'],
    [
      { from: 'node', to: 'http://two.example' },
      ['10.96.0.40:80/tcp', '10.96.0.41:80/tcp'],
      'the node as a controller',
    ],
  ];

  it.each(found)('%j', (asked, destinations, _why) => {
    const route = good(asked);
    expect(reached(route)).toEqual(destinations);
    expect(route.ends).toEqual([]);
  });

  it('what ends before the rules', () => {
    const ends = (to: string) => {
      const route = good({ to });
      expect(route.destinations).toEqual([]);
      expect(route.ends).toHaveLength(1);
      return route.ends[0];
    };
    expect(ends('http://b.shop.example/x')).toContain('the backend is "Bucket errors", no Service');
    expect(ends('https://shop.example/old')).toContain('Service shop/old is not there');
    expect(ends('https://shop.example/out')).toContain('db.example.com, which is outside the cluster');
    expect(ends('https://shop.example/port')).toContain('port metrics, which Service shop/web does not have');
    expect(ends('https://shop.example/nobody')).toContain('Service shop/nobody has neither');
    const ofNode = good({ from: 'node', to: 'http://redis:6379/', ingressClass: 'inner' });
    expect(ofNode.ends.join()).toContain('no Ingress claims this request');
    expect(ofNode.notes.join()).toContain('so redis was not looked up there');
    const nowhere = good({ to: 'http://nowhere.example/', ingressClass: 'inner' });
    expect(nowhere.ends.join()).toContain('no Ingress claims this request');
    expect(nowhere.ingress.map(({ matches, elsewhere }) => [matches.length, elsewhere])).toEqual([[0, 1]]);
  });

  it('the sender is the controller: a free address among the pods, or who is named', () => {
    const assumed = good({ to: 'https://shop.example/' });
    expect(assumed.sender.addresses.map(({ text }) => text)).toEqual(['10.244.1.2', 'fd00:10:244:1::2']);
    expect(assumed.notes.join()).toContain('10.244.1.2, a free address among this node’s pods, stands for it');
    const named = good({ from: CLIENT, to: 'https://shop.example/' });
    expect(named.sender.name).toBe('pod shop/client');
    expect(named.notes.join()).toContain('--from is taken for it');
    const ambiguous = good({ to: 'https://both.example/' });
    expect(ambiguous.notes.join()).toContain('(inner, nginx)');
    expect(good({ to: 'https://shop.example/number' }).notes.join()).toContain('most controllers answer with 503');
  });

  const errors: readonly (readonly [asked: Asked, words: string])[] = [
    [{ to: 'ftp://shop.example/' }, 'http:// or https://'],
    [{ to: 'http://' }, 'It has no host'],
    [{ to: 'http:///x' }, 'It has no host'],
    [{ to: 'http://user@shop.example/' }, 'more than a host and a port'],
    [{ to: 'http://user:pw@shop.example/' }, 'more than a host and a port'],
    [{ to: 'http://shop.example:x/' }, 'Its port'],
    [{ to: 'http://shop.example:0/' }, 'Its port'],
    [{ to: 'http://shop.example:65536/' }, 'Its port'],
    [{ to: 'http://shop.example/a/../b' }, 'without . and ..'],
    [{ to: 'http://shop.example/ä' }, 'as it is sent'],
    [{ to: 'http://shöp.example/' }, 'It has no host, or more'],
    [{ to: 'http://shop.example/', ingressClass: 'traefik' }, 'Their classes: inner, nginx.'],
    [{ to: 'http://10.96.0.40/' }, '--from is missing'],
    [{ to: 'http://redis:6379/' }, '--from is missing'],
    [{ from: 'nobody', to: 'http://shop.example/' }, '--from "nobody"'],
    [
      { from: CLIENT, to: 'http://web.nowhere.svc.cluster.local/' },
      'no address in DNS for web.nowhere.svc.cluster.local',
    ],
    [{ to: 'http://web.nowhere.svc.cluster.local/' }, '--from is missing'],
    [{ from: 'node', to: 'http://web.shop.svc.cluster.local/' }, 'this node has a resolv.conf of its own'],
  ];

  it.each(errors)('%j is an error', (asked, words) => {
    expect(routeOf(asked)).toContain(words);
  });
});

it('one name is looked up as the whole zone has it', () => {
  for (const file of ['test/inspect/routes.yaml', 'test/inspect/names.yaml', 'golden/dual-stack/objects.yaml']) {
    const { objects } = readObjects([{ name: file, text: readFileSync(file, 'utf8') }]);
    const { state } = loadCluster(objects);
    const pods = readPods(objects, []);
    const [zone] = dnsZones(state, { pods }).zones;
    const domain = { zone: 'cluster.local.', ttl: 30 };
    const ofPods = (namespace: string) => pods.filter((pod) => pod.namespace === namespace);
    const names = new Set(zone?.records.map(({ name }) => name));
    expect(names.size).toBeGreaterThan(5);
    for (const name of names) {
      const own = zone?.records.filter((each) => each.name === name && each.source !== 'zone') ?? [];
      const records = dnsAnswer(state, name, domain, ofPods).records.filter(({ source }) => source !== 'zone');
      if (name !== 'dns-version.cluster.local.') expect(records).toEqual(own);
    }
  }
});

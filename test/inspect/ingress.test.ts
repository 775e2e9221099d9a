/** Which path of which Ingress a request gets. The rows about paths are those of the Kubernetes documentation, and more. */
import { describe, expect, it } from 'vitest';
import { type Diagnostic, located } from '../../src/index.js';
import { decideIngress, type HttpRequest, type IngressClaim } from '../../src/inspect/ingress.js';
import { readIngresses } from '../../src/kube/ingress.js';

/** `HOST PATH TYPE` of a path, `*` for any host and `-` for no path; its backend is a Service of its number: `s0`. */
type Path = string;

interface GivenIngress {
  readonly name?: string;
  readonly className?: string;
  readonly paths?: readonly Path[];
  readonly tls?: readonly unknown[];
  /** The Service of spec.defaultBackend. */
  readonly fallback?: string;
}

const service = (name: string) => ({ service: { name, port: { number: 80 } } });

function ruleOf(text: Path, i: number, name: string) {
  const [host, path, pathType] = text.split(' ');
  const http = path === '-' ? undefined : { paths: [{ path, pathType, backend: service(`${name}${i}`) }] };
  return { host: host === '*' ? undefined : host, http };
}

function decide(url: string, given: readonly GivenIngress[]) {
  const objects = given.map(({ name = 's', className = 'c', paths = [], tls, fallback }) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'shop' },
    spec: {
      ingressClassName: className === '' ? undefined : className,
      rules: paths.map((path, i) => ruleOf(path, i, name)),
      defaultBackend: fallback === undefined ? undefined : service(fallback),
      tls,
    },
  }));
  const diagnostics: Diagnostic[] = [];
  const ingresses = readIngresses(located(objects), diagnostics);
  expect(diagnostics).toEqual([]);
  const [, scheme = '', host = '', path = ''] = /^(https?):\/\/([^/]*)(.*)$/.exec(url) ?? [];
  return decideIngress(ingresses, { scheme: scheme as HttpRequest['scheme'], host, path });
}

const backends = (claims: readonly IngressClaim[]) => claims.map(({ backend }) => backend?.name);

/** Of one class: the Services that may get the request. */
function chosen(url: string, ...given: readonly GivenIngress[]) {
  const [decision] = decide(url, given);
  return backends(decision?.matches ?? []);
}

describe('paths', () => {
  const rows: readonly (readonly [paths: readonly string[], asked: string, chosen: number | undefined])[] = [
    // As kubernetes.io lists them.
    [['/ Prefix'], '/', 0],
    [['/ Prefix'], '/any/thing', 0],
    [['/foo Exact'], '/foo', 0],
    [['/foo Exact'], '/bar', undefined],
    [['/foo Exact'], '/foo/', undefined],
    [['/foo/ Exact'], '/foo', undefined],
    [['/foo Prefix'], '/foo', 0],
    [['/foo Prefix'], '/foo/', 0],
    [['/foo/ Prefix'], '/foo', 0],
    [['/foo/ Prefix'], '/foo/', 0],
    [['/aaa/bb Prefix'], '/aaa/bbb', undefined],
    [['/aaa/bbb Prefix'], '/aaa/bbb', 0],
    [['/aaa/bbb/ Prefix'], '/aaa/bbb', 0],
    [['/aaa/bbb Prefix'], '/aaa/bbb/', 0],
    [['/aaa/bbb Prefix'], '/aaa/bbb/ccc', 0],
    [['/aaa/bbb Prefix'], '/aaa/bbbxyz', undefined],
    [['/ Prefix', '/aaa Prefix'], '/aaa/ccc', 1],
    [['/ Prefix', '/aaa Prefix', '/aaa/bbb Prefix'], '/aaa/bbb', 2],
    [['/ Prefix', '/aaa Prefix', '/aaa/bbb Prefix'], '/ccc', 0],
    [['/aaa Prefix'], '/ccc', undefined],
    [['/foo Prefix', '/foo Exact'], '/foo', 1],
    // And what follows from the rules.
    [['/foo Prefix', '/foo Exact'], '/foo/bar', 0],
    [['/foo/ Prefix', '/foo Exact'], '/foo', 1],
    [['/aaa/bbb Prefix', '/aaa Prefix'], '/aaa/bbb/ccc', 0],
    [['/foo Exact'], '/Foo', undefined],
    [['/Foo Prefix'], '/foo/x', undefined],
    [['/ Exact'], '/', 0],
    [['/ Exact'], '/foo', undefined],
    [['/foo ImplementationSpecific'], '/foo/bar', 0],
    [['/foo ImplementationSpecific', '/foo Exact'], '/foo', 1],
    [['/a%20b Prefix'], '/a%20b/c', 0],
    [['/foo Prefix'], '/foo//bar', 0],
  ];

  it.each(rows)('%j: %s', (paths, asked, index) => {
    const expected = index === undefined ? [] : [`s${index}`];
    expect(chosen(`https://shop.example${asked}`, { paths: paths.map((path) => `shop.example ${path}`) })).toEqual(
      expected,
    );
    // The order of the rules makes no difference.
    const turned = paths.map((path) => `shop.example ${path}`).reverse();
    const mirrored = index === undefined ? [] : [`s${paths.length - 1 - index}`];
    expect(chosen(`https://shop.example${asked}`, { paths: turned })).toEqual(mirrored);
  });
});

describe('hosts', () => {
  const rows: readonly (readonly [paths: readonly string[], url: string, chosen: number | undefined])[] = [
    [['shop.example / Prefix'], 'http://shop.example/', 0],
    [['shop.example / Prefix'], 'http://other.example/', undefined],
    [['shop.example / Prefix'], 'http://www.shop.example/', undefined],
    [['*.foo.com / Prefix'], 'http://bar.foo.com/', 0],
    [['*.foo.com / Prefix'], 'http://baz.bar.foo.com/', undefined],
    [['*.foo.com / Prefix'], 'http://foo.com/', undefined],
    [['*.foo.com / Prefix'], 'http://barfoo.com/', undefined],
    [['* / Prefix'], 'http://any.thing/', 0],
    [['* / Prefix', '*.foo.com / Prefix', 'bar.foo.com / Prefix'], 'http://bar.foo.com/', 2],
    [['* / Prefix', '*.foo.com / Prefix', 'bar.foo.com / Prefix'], 'http://qux.foo.com/', 1],
    [['* / Prefix', '*.foo.com / Prefix', 'bar.foo.com / Prefix'], 'http://foo.com/', 0],
    // A host is chosen before a path is.
    [['* /long/path Prefix', 'bar.foo.com /long Prefix'], 'http://bar.foo.com/long/path', 1],
    [['* /x Exact', '*.foo.com / Prefix'], 'http://bar.foo.com/x', 1],
  ];

  it.each(rows)('%j: %s', (paths, url, index) => {
    expect(chosen(url, { paths })).toEqual(index === undefined ? [] : [`s${index}`]);
  });

  it('where no path of the most specific host fits, the less specific ones are named, not taken', () => {
    const [decision] = decide('http://bar.foo.com/x', [{ paths: ['* / Prefix', 'bar.foo.com /y Prefix'] }]);
    expect(decision?.matches).toEqual([]);
    expect(decision?.notes.join()).toContain('any host / of Ingress shop/s would');
    expect(decision?.others.map(({ why }) => why)).toEqual(['its host is less specific', 'its path is another']);
  });
});

describe('default backends', () => {
  const url = 'http://shop.example/x';

  it('get what no path claims', () => {
    expect(chosen(url, { fallback: 'rest' })).toEqual(['rest']);
    expect(chosen(url, { fallback: 'rest', paths: ['shop.example / Prefix'] })).toEqual(['s0']);
    expect(chosen(url, { fallback: 'rest', paths: ['shop.example /y Prefix'] })).toEqual(['rest']);
    expect(chosen(url, { fallback: 'rest', paths: ['other.example / Prefix'] })).toEqual(['rest']);
    expect(chosen(url, { fallback: 'rest', paths: ['shop.example -'] })).toEqual(['rest']);
    expect(chosen(url, { paths: ['shop.example -'] })).toEqual([]);
  });

  it('that of the Ingress that has the host goes before others', () => {
    const own = { name: 'own', fallback: 'mine', paths: ['shop.example /y Prefix'] };
    expect(chosen(url, { name: 'all', fallback: 'rest' }, own)).toEqual(['mine']);
    expect(chosen('http://else.example/', { name: 'all', fallback: 'rest' }, own)).toEqual(['rest', 'mine']);
  });
});

describe('several Ingresses', () => {
  const url = 'https://shop.example/cart';
  const tls = [{ hosts: ['shop.example'] }];

  it('of one class are one table', () => {
    const a = { name: 'a', tls, paths: ['shop.example / Prefix'] };
    const b = { name: 'b', paths: ['shop.example /cart Prefix'] };
    expect(chosen(url, a, b)).toEqual(['b0']);
    expect(chosen(url, b, a)).toEqual(['b0']);
    expect(decide(url, [a, b])[0]?.notes).toEqual([]);
  });

  it('that claim the same with different backends are all told', () => {
    const [decision, ...rest] = decide(url, [
      { name: 'b', tls, paths: ['shop.example /cart Prefix'] },
      { name: 'a', paths: ['shop.example /cart Prefix', 'shop.example / Prefix'] },
    ]);
    expect(rest).toEqual([]);
    expect(backends(decision?.matches ?? [])).toEqual(['a0', 'b0']);
    expect(decision?.notes.join()).toContain('leaves it to the controller');
  });

  it('that claim the same with one backend are no ambiguity', () => {
    const same = ['shop.example /cart Prefix', 'shop.example /cart Prefix'];
    const [decision] = decide(url, [{ name: 'a', tls, paths: same, fallback: 'a0' }]);
    expect(backends(decision?.matches ?? [])).toEqual(['a0', 'a1']);
    const fallback = { fallback: 'rest', tls };
    const [once] = decide(url, [
      { name: 'a', ...fallback },
      { name: 'b', ...fallback },
    ]);
    expect(backends(once?.matches ?? [])).toEqual(['rest']);
    expect(once?.notes).toEqual([]);
  });

  it('of several classes are decided apart, by name, those without a class first', () => {
    const decisions = decide(url, [
      { name: 'x', className: 'nginx', paths: ['shop.example /cart Prefix'] },
      { name: 'y', className: '', paths: ['shop.example / Prefix'] },
      { name: 'z', className: 'haproxy', paths: ['else.example / Prefix'] },
    ]);
    expect(decisions.map(({ className, matches }) => [className, ...backends(matches)])).toEqual([
      [undefined, 'y0'],
      ['haproxy'],
      ['nginx', 'x0'],
    ]);
  });

  it('why the others do not count', () => {
    const [decision] = decide(url, [
      {
        tls,
        paths: [
          'shop.example /cart Prefix',
          'shop.example / Prefix',
          'shop.example /cart Exact',
          'shop.example /other Prefix',
          '* /cart Exact',
          'else.example / Prefix',
        ],
      },
    ]);
    expect(backends(decision?.matches ?? [])).toEqual(['s2']);
    expect(decision?.others.map(({ claim, why }) => `${claim.place}: ${why}`)).toEqual([
      'spec.rules[0].http.paths[0]: an Exact path goes before',
      'spec.rules[1].http.paths[0]: its path is shorter',
      'spec.rules[3].http.paths[0]: its path is another',
      'spec.rules[4].http.paths[0]: its host is less specific',
    ]);
    expect(decision?.elsewhere).toBe(1);
  });
});

describe('tls', () => {
  const rows: readonly (readonly [url: string, hosts: readonly unknown[] | undefined, note: string | undefined])[] = [
    ['https://shop.example/', undefined, 'no Ingress of the class has a tls entry for shop.example'],
    ['https://shop.example/', [{ hosts: ['shop.example'] }], undefined],
    ['https://shop.example/', [{ hosts: ['*.example'] }], undefined],
    ['https://shop.example/', [{ hosts: ['else.example'] }], 'no Ingress of the class has a tls entry'],
    ['https://shop.example/', [{ secretName: 'x' }], undefined],
    ['http://shop.example/', undefined, undefined],
    ['http://shop.example/', [{ hosts: ['shop.example'] }], 'redirect to https'],
  ];

  it.each(rows)('%s with %j', (url, tls, note) => {
    const [decision] = decide(url, [{ paths: ['shop.example / Prefix'], ...(tls === undefined ? {} : { tls }) }]);
    expect(decision?.notes.length).toBe(note === undefined ? 0 : 1);
    expect(decision?.notes.join()).toContain(note ?? '');
  });

  it('a note says that ImplementationSpecific means what the controller makes of it', () => {
    const [decision] = decide('http://shop.example/', [{ paths: ['shop.example /x ImplementationSpecific'] }]);
    expect(decision?.notes.join()).toContain('up to the controller');
  });
});

/** Ingresses and the DNS settings of Pods as they are read, and what is said of wrong ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Diagnostic, located, type RawObject } from '../../src/index.js';
import { decideIngress } from '../../src/inspect/ingress.js';
import { printPath } from '../../src/kube/diagnostics.js';
import { readIngresses } from '../../src/kube/ingress.js';
import { readPodDns } from '../../src/kube/pod-dns.js';

function ingress(spec: unknown, metadata: object = { name: 'web', namespace: 'shop' }): RawObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata, spec };
}

const SERVICE = { service: { name: 'web', port: { number: 80 } } };

const withPath = (fields: object) =>
  ingress({ rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend: SERVICE, ...fields }] } }] });

const withPort = (port: unknown) => ingress({ defaultBackend: { service: { name: 'web', port } } });

const said = (diagnostics: readonly Diagnostic[]) =>
  diagnostics.map(({ code, object, path, message }) => `${code} ${object} ${printPath(path ?? [])}: ${message}`);

function problems(...objects: readonly RawObject[]): readonly string[] {
  const diagnostics: Diagnostic[] = [];
  readIngresses(located(objects as never), diagnostics);
  return said(diagnostics);
}

const AT = 'Ingress shop/web';
const PATH = 'spec.rules[0].http.paths[0]';

describe('wrong Ingresses', () => {
  const rows: readonly (readonly [object: RawObject, expected: string])[] = [
    [ingress(undefined), `invalid-field ${AT} spec: it must hold rules or a defaultBackend.`],
    [ingress({ rules: [] }), `invalid-field ${AT} spec: it must hold rules`],
    [ingress('x'), `invalid-field ${AT} spec: "x" is not a mapping.`],
    [ingress({ rules: {} }), `invalid-field ${AT} spec.rules: a mapping is not a list.`],
    [ingress({ rules: ['x'] }), `invalid-field ${AT} spec.rules[0]: "x" is not a mapping.`],
    [ingress({ rules: [{ host: 7 }] }), `invalid-field ${AT} spec.rules[0].host: 7 is not a string.`],
    [ingress({ rules: [{ host: '10.0.0.1' }] }), `invalid-name ${AT} spec.rules[0].host: "10.0.0.1" is no host name.`],
    [ingress({ rules: [{ host: 'Shop.example' }] }), `invalid-name ${AT} spec.rules[0].host`],
    [ingress({ rules: [{ host: '*' }] }), `invalid-name ${AT} spec.rules[0].host: "*" is no host name.`],
    [ingress({ rules: [{ host: 'a.*.example' }] }), `invalid-name ${AT} spec.rules[0].host`],
    [ingress({ rules: [{ host: 'shop.example:80' }] }), `invalid-name ${AT} spec.rules[0].host`],
    [ingress({ rules: [{ host: 'a\u001b[2J' }] }), `invalid-name ${AT} spec.rules[0].host: "a\\u001b[2J" is no`],
    [ingress({ rules: [{ http: 'x' }] }), `invalid-field ${AT} spec.rules[0].http: "x" is not a mapping.`],
    [ingress({ rules: [{ http: {} }] }), `invalid-field ${AT} spec.rules[0].http.paths: it must hold a path.`],
    [ingress({ rules: [{ http: { paths: [null] } }] }), `invalid-field ${AT} ${PATH}: null is not a mapping.`],
    [withPath({ pathType: undefined }), `invalid-field ${AT} ${PATH}.pathType: it is missing.`],
    [withPath({ pathType: 'prefix' }), `invalid-field ${AT} ${PATH}.pathType: "prefix" is unknown.`],
    [withPath({ path: 'x' }), `invalid-field ${AT} ${PATH}.path: "x" does not begin with "/".`],
    [withPath({ path: undefined }), `invalid-field ${AT} ${PATH}.path: "" does not begin with "/".`],
    [withPath({ path: 7 }), `invalid-field ${AT} ${PATH}.path: 7 is not a string.`],
    [withPath({ path: '/a//b' }), `invalid-field ${AT} ${PATH}.path: "/a//b" has "//"`],
    [withPath({ path: '/a/../b' }), `invalid-field ${AT} ${PATH}.path: "/a/../b" has`],
    [withPath({ path: '/a/.' }), `invalid-field ${AT} ${PATH}.path: "/a/." has`],
    [withPath({ path: '/a%2Fb' }), `invalid-field ${AT} ${PATH}.path: "/a%2Fb" has`],
    [withPath({ backend: undefined }), `invalid-field ${AT} ${PATH}.backend: undefined is not a mapping.`],
    [withPath({ backend: {} }), `invalid-field ${AT} ${PATH}.backend: it must hold either a service or a resource.`],
    [withPath({ backend: { ...SERVICE, resource: {} } }), `invalid-field ${AT} ${PATH}.backend: it must hold either`],
    [withPath({ backend: { resource: { kind: 'Bucket' } } }), `invalid-field ${AT} ${PATH}.backend.resource.name`],
    [withPath({ backend: { service: { name: 'a/b' } } }), `invalid-name ${AT} ${PATH}.backend.service.name: "a/b" is`],
    [withPath({ backend: { service: {} } }), `invalid-field ${AT} ${PATH}.backend.service.name: undefined is not`],
    [withPort(undefined), `invalid-field ${AT} spec.defaultBackend.service.port: it must hold either the name or`],
    [withPort({}), `invalid-field ${AT} spec.defaultBackend.service.port: it must hold either the name or the number`],
    [withPort({ number: 0 }), `invalid-field ${AT} spec.defaultBackend.service.port: it must hold either the name or`],
    [withPort({ name: 'a', number: 1 }), `invalid-field ${AT} spec.defaultBackend.service.port: it must hold either`],
    [withPort({ number: '80' }), `invalid-port ${AT} spec.defaultBackend.service.port.number: "80" is no port`],
    [withPort({ number: 65536 }), `invalid-port ${AT} spec.defaultBackend.service.port.number: 65536 is no port`],
    [
      withPort({ name: 'A_b' }),
      `invalid-name ${AT} spec.defaultBackend.service.port.name: "A_b" is no name of a port.`,
    ],
    [ingress({ rules: [{}], tls: 'x' }), `invalid-field ${AT} spec.tls: "x" is not a list.`],
    [ingress({ rules: [{}], tls: [{ hosts: ['x y'] }] }), `invalid-name ${AT} spec.tls[0].hosts[0]: "x y" is no host`],
    [ingress({ rules: [{}], ingressClassName: {} }), `invalid-field ${AT} spec.ingressClassName: a mapping is not`],
    [ingress({ rules: [{}] }, { name: 'A' }), 'invalid-name Ingress default/"A" metadata.name: "A" is no valid name'],
    [
      ingress({ rules: [{}] }, { name: 'a', annotations: { 'kubernetes.io/ingress.class': 1 } }),
      'invalid-field Ingress',
    ],
  ];

  it.each(rows)('%j', (object, expected) => {
    const [first, ...more] = problems(object);
    expect(first?.slice(0, expected.length)).toBe(expected);
    expect(more).toEqual([]);
  });

  it('two of one name', () => {
    const object = ingress({ rules: [{}] });
    expect(problems(object, object)).toEqual([
      `duplicate-object ${AT} metadata.name: Ingress shop/web is given twice.`,
    ]);
  });

  it('other versions and kinds of that name are others’', () => {
    expect(problems({ ...ingress('x'), apiVersion: 'networking.k8s.io/v1beta1' })).toEqual([]);
    expect(problems({ ...ingress('x'), apiVersion: 'config.example/v1' })).toEqual([]);
  });
});

it('whatever stands in an Ingress or a Pod is read or reported', () => {
  const keys = [
    'rules',
    'host',
    'http',
    'paths',
    'path',
    'pathType',
    'backend',
    'service',
    'port',
    'name',
    'tls',
    'hosts',
  ];
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom<unknown>(null, '', '/', 'Prefix', 'web', 80, -1, true, '*.a', '__proto__'),
      fc.array(tie('any'), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom(...keys, 'number', 'resource', 'dnsConfig', 'options'), tie('any'), { maxKeys: 4 }),
    ),
  })).any;
  fc.assert(
    fc.property(value, value, (spec, annotations) => {
      const diagnostics: Diagnostic[] = [];
      const object = ingress(spec, { name: 'web', namespace: 'shop', annotations });
      const ingresses = readIngresses(located([object] as never), diagnostics);
      decideIngress(ingresses, { scheme: 'http', host: 'a.b', path: '/x' });
      readPodDns({ object: { ...object, kind: 'Pod' } }, diagnostics);
      for (const { code } of diagnostics) expect(code).toMatch(/^(invalid-(field|name|port|address)|lenient-address)$/);
    }),
    { numRuns: 300 },
  );
});

describe('right ones', () => {
  const read = (object: RawObject) => {
    const diagnostics: Diagnostic[] = [];
    const [first] = readIngresses(located([object] as never), diagnostics);
    expect(diagnostics).toEqual([]);
    return first;
  };

  it('the class is that of the field, else of the annotation', () => {
    const annotations = { 'kubernetes.io/ingress.class': 'old' };
    const metadata = { name: 'web', annotations };
    expect(read(ingress({ rules: [{}], ingressClassName: 'new' }, metadata))?.className).toBe('new');
    expect(read(ingress({ rules: [{}] }, metadata))?.className).toBe('old');
    expect(read(ingress({ rules: [{}] }))?.className).toBeUndefined();
  });

  it('an ImplementationSpecific path may be missing, and hold what others may not', () => {
    const pathType = 'ImplementationSpecific';
    expect(read(withPath({ pathType, path: undefined }))?.rules[0]?.paths[0]?.path).toBe('');
    expect(read(withPath({ pathType, path: '/a//.*' }))?.rules[0]?.paths[0]?.path).toBe('/a//.*');
  });

  it('a resource is named by its kind', () => {
    const resource = { apiGroup: 'storage.example', kind: 'Bucket', name: 'files' };
    expect(read(ingress({ defaultBackend: { resource } }))?.defaultBackend).toEqual({
      kind: 'resource',
      name: 'Bucket files',
    });
  });
});

describe('how Pods look names up', () => {
  function read(spec: unknown) {
    const diagnostics: Diagnostic[] = [];
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', namespace: 'shop' }, spec };
    const dns = readPodDns({ object }, diagnostics);
    return { dns, problems: said(diagnostics) };
  }

  it('with the defaults', () => {
    const nothing = { nameservers: [], searches: [], ndots: undefined, hostNetwork: false, policy: 'ClusterFirst' };
    expect(read({})).toEqual({ dns: nothing, problems: [] });
    expect(read(undefined)).toEqual({ dns: nothing, problems: [] });
  });

  it.each([
    [[{ name: 'ndots', value: '2' }], 2],
    [[{ name: 'ndots', value: '99' }], 15],
    [[{ name: 'ndots' }], 0],
    [[{ name: 'ndots', value: 'x' }], 0],
    [[{ name: 'timeout', value: '2' }], undefined],
  ])('options %j', (options, ndots) => {
    const { dns, problems: found } = read({ dnsConfig: { options } });
    expect(found).toEqual([]);
    expect(dns.ndots).toBe(ndots);
  });

  it('searches end in a dot and may have underscores', () => {
    const { dns, problems: found } = read({ dnsConfig: { searches: ['My_corp.example', 'a.b.', '.'] } });
    expect(found).toEqual([]);
    expect(dns.searches).toEqual(['my_corp.example.', 'a.b.', '.']);
  });

  it.each([
    [{ dnsPolicy: 'Cluster' }, 'invalid-field Pod shop/a spec.dnsPolicy: "Cluster" is unknown.'],
    [{ dnsPolicy: 'None' }, 'invalid-field Pod shop/a spec.dnsConfig.nameservers: with dnsPolicy None it must hold'],
    [{ hostNetwork: 'yes' }, 'invalid-field Pod shop/a spec.hostNetwork: "yes" is not true or false.'],
    [{ dnsConfig: [] }, 'invalid-field Pod shop/a spec.dnsConfig: a list is not a mapping.'],
    [{ dnsConfig: { nameservers: ['x'] } }, 'invalid-address Pod shop/a spec.dnsConfig.nameservers[0]: "x" is no IP'],
    [{ dnsConfig: { nameservers: [1] } }, 'invalid-field Pod shop/a spec.dnsConfig.nameservers[0]: 1 is not a string.'],
    [{ dnsConfig: { searches: ['a b'] } }, 'invalid-name Pod shop/a spec.dnsConfig.searches[0]: "a b" is no DNS name.'],
    [{ dnsConfig: { options: ['x'] } }, 'invalid-field Pod shop/a spec.dnsConfig.options[0]: "x" is not a mapping.'],
  ])('wrong: %j', (spec, expected) => {
    const [first, ...more] = read(spec).problems;
    expect(first?.slice(0, expected.length)).toBe(expected);
    expect(more).toEqual([]);
  });
});

/** `kuberules dns` and `kuberules env`: what they refuse, and where they write. test/transcripts shows what they print. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { folderWith, kuberules } from '../support/cli.js';
import { schemaProblems } from '../support/json-schema.js';

const NAMES = 'test/inspect/names.yaml';
const PODS = 'test/inspect/pods.yaml';

const file = (text: string): string => join(folderWith({ 'objects.yaml': text }), 'objects.yaml');
const service = (spec: string): string =>
  file(`apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ${spec}\n`);
const slice = (endpoint: string): string =>
  file(`apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints:
- addresses: [10.0.0.1]
  ${endpoint}
`);

describe('dns', () => {
  it('writes a file a zone, and prints nothing', async () => {
    const folder = join(folderWith({}), 'new');
    const { code, out } = await kuberules('dns', '-f', NAMES, '-o', folder);
    expect({ code, out }).toEqual({ code: 0, out: '' });
    expect(readdirSync(folder).sort()).toEqual(['cluster.local.zone', 'in-addr.arpa.zone', 'ip6.arpa.zone']);
    for (const [part, name] of [
      ['forward', 'cluster.local.zone'],
      ['in-addr.arpa', 'in-addr.arpa.zone'],
      ['ip6.arpa', 'ip6.arpa.zone'],
    ] as const) {
      const printed = await kuberules('dns', '-f', NAMES, '--part', part);
      expect(readFileSync(join(folder, name), 'utf8')).toBe(printed.out);
    }
  });

  it('prints the zone of names alone unless others are asked for', async () => {
    const printed = await kuberules('dns', '-f', NAMES);
    expect(printed).toEqual(await kuberules('dns', '-f', NAMES, '--part', 'forward'));
    expect(printed.out).not.toMatch(/arpa|^;/m);
  });

  it('prints nothing of a family without addresses', async () => {
    const objects = service('clusterIP: 10.0.0.1\n  ports: [{port: 80}]');
    expect(await kuberules('dns', '-f', objects, '--part', 'ip6.arpa')).toEqual({ code: 0, out: '', err: '' });
  });

  it('takes only the objects of a namespace with -n', async () => {
    const { out } = await kuberules('dns', '-f', NAMES, '-n', 'edge');
    expect(out).toContain('front.edge.svc.');
    expect(out).not.toContain('shop');
  });

  it('writes nothing where there is an error, and says so in JSON too', async () => {
    const folder = join(folderWith({}), 'new');
    const wrong = service('clusterIP: 10.0.0.256\n  ports: [{port: 80}]');
    const { code, out } = await kuberules('dns', '-f', wrong, '-o', folder, '--output', 'json');
    expect(code).toBe(2);
    expect(existsSync(folder)).toBe(false);
    const result = JSON.parse(out) as { zones: unknown[]; diagnostics: { code: string }[] };
    expect(schemaProblems(result, 'dns.json')).toEqual([]);
    expect([result.zones, result.diagnostics.map((each) => each.code)]).toEqual([[], ['invalid-address']]);
  });

  it('says where it cannot write', async () => {
    const folder = folderWith({});
    mkdirSync(join(folder, 'cluster.local.zone'));
    const { code, out, err } = await kuberules('dns', '-f', NAMES, '-o', folder);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('[unwritable-output]');
    expect(readdirSync(folder)).toEqual(['cluster.local.zone']);
  });

  it.each([
    [['--ttl', '3601'], 'It must be a number from 0 to 3600.'],
    [['--ttl', '1e3'], 'It must be a number from 0 to 3600.'],
    [['--serial', '0'], 'It must be a number from 1 to 4294967295.'],
    [['--serial', '4294967296'], 'It must be a number from 1 to 4294967295.'],
    [['--part', 'reverse'], 'Allowed choices are forward, in-addr.arpa, ip6.arpa, all.'],
    [['--zone', 'a_b'], '"a_b" cannot be the zone: it is no DNS name.'],
    [['--zone', '$ORIGIN .'], '"$ORIGIN ." cannot be the zone: it is no DNS name.'],
    [['--mode', 'iptables'], "unknown option '--mode'"],
  ])('refuses %j', async (args, message) => {
    const { code, out, err } = await kuberules('dns', '-f', NAMES, ...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err).toContain('[usage]');
  });

  it('says of Pods that they are skipped, unless it reads them', async () => {
    expect((await kuberules('dns', '-f', NAMES, PODS)).err).toContain('note: skipped 3 Pod. [skipped-kinds]');
    const { out, err } = await kuberules('dns', '-f', NAMES, PODS, '--pods');
    expect(err).not.toContain('skipped');
    expect(out).toContain('10-244-1-7.shop.pod.cluster.local. 30 IN A 10.244.1.7\n');
  });
});

describe('names that nobody checked', () => {
  it.each([
    ["hostname: 'a.b'", 'endpoints[0].hostname: "a.b" is no DNS label', 'invalid-name'],
    ["hostname: 'A'", 'endpoints[0].hostname: "A" is no DNS label', 'invalid-name'],
    ["hostname: ''", 'endpoints[0].hostname: "" is no DNS label', 'invalid-name'],
    ["hostname: '*'", 'endpoints[0].hostname: "*" is no DNS label', 'invalid-name'],
    ["hostname: 'a\\n$INCLUDE /etc/passwd'", 'is no DNS label', 'invalid-name'],
    ['hostname: 7', 'endpoints[0].hostname: 7 is not a string', 'invalid-field'],
  ])('of endpoints: %s', async (endpoint, message, code) => {
    const result = await kuberules('dns', '-f', slice(endpoint));
    expect({ code: result.code, out: result.out }).toEqual({ code: 2, out: '' });
    expect(result.err).toMatch(new RegExp(`objects\\.yaml:7: error: EndpointSlice default/web-1: .*\\[${code}\\]\\n$`));
    expect(result.err).toContain(message);
  });

  it('of Endpoints', async () => {
    const objects = file(`apiVersion: v1
kind: Endpoints
metadata: {name: web}
subsets:
- addresses:
  - ip: 10.0.0.1
    hostname: a b
  ports: [{port: 80}]
`);
    const { code, err } = await kuberules('dns', '-f', objects);
    expect(code).toBe(2);
    expect(err).toContain(
      'objects.yaml:7: error: Endpoints default/web: subsets[0].addresses[0].hostname: "a b" is no',
    );
  });

  it.each([
    ['', 'needs an externalName. Write the DNS name that the Service stands for. [invalid-field]'],
    ["externalName: ''", 'needs an externalName. Write the DNS name that the Service stands for. [invalid-field]'],
    ['externalName: 7', 'spec.externalName: 7 is not a string. [invalid-field]'],
    ['externalName: a b', '"a b" is no DNS name.'],
    ["externalName: 'a..'", '"a.." is no DNS name.'],
    ['externalName: Example.com', '"Example.com" is no DNS name.'],
    ['externalName: "a\\n. 1 IN NS evil"', 'is no DNS name.'],
    ['externalName: "fd00::1"', '"fd00::1" is no DNS name.'],
  ])('of outside: %s', async (field, message) => {
    const { code, out, err } = await kuberules('dns', '-f', service(`type: ExternalName\n  ${field}`));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('env', () => {
  it.each([
    [
      ['--pod', 'web-0', '-n', 'nowhere'],
      'there is no Pod "web-0" in namespace "nowhere". There are no Pods here. --simulate',
    ],
    [
      ['--pod', 'nothing'],
      'there is no Pod "nothing". Here: edge/web-0, shop/quiet, shop/web-0. --simulate adds those',
    ],
    [['--pod', 'web'], 'there is no Pod "web". Like it: edge/web-0, shop/web-0.'],
    [['--pod', 'web-0'], 'there is a Pod "web-0" in the namespaces edge, shop. Choose one with -n. [unknown-pod]'],
  ])('%j is told which there are', async (args, message) => {
    const { code, out, err } = await kuberules('env', '-f', NAMES, PODS, ...args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
  });

  it('names five Pods and counts the others', async () => {
    const deployment = file(`apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 8
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, image: db}]}}
`);
    const { err } = await kuberules('env', '-f', deployment, '--simulate', '--pod', 'db-9');
    expect(err).toContain(
      'Like it: default/db-0, default/db-1, default/db-2, default/db-3, default/db-4 and 3 more. [unknown-pod]',
    );
  });

  it('takes namespace and name together, as trace --from does', async () => {
    const [together, apart] = [
      ['--pod', 'shop/web-0'],
      ['--pod', 'web-0', '-n', 'shop'],
    ];
    const { code, out } = await kuberules('env', '-f', NAMES, PODS, ...together);
    expect([code, out]).toEqual([0, (await kuberules('env', '-f', NAMES, PODS, ...apart)).out]);
    expect(out).toContain('WEB_');
    const { err } = await kuberules('env', '-f', NAMES, PODS, '--pod', 'shop/web-0', '-n', 'edge');
    expect(err).toContain('there is no Pod "shop/web-0" in namespace "edge".');
  });

  it('takes the namespace from the Pod where only one is of that name', async () => {
    const { code, out } = await kuberules('env', '-f', NAMES, PODS, '--pod', 'quiet');
    expect(code).toBe(0);
    expect(out).toMatch(/^KUBERNETES_PORT=tcp:\/\/10\.96\.0\.1:443\n/);
    expect(out).not.toContain('WEB_');
  });

  it.each([
    ['spec: {enableServiceLinks: "no"}', 'spec.enableServiceLinks: "no" is not true or false. [invalid-field]'],
    ['spec: [a]', 'spec: a list is not a mapping. [invalid-field]'],
    ['status: {podIP: nowhere}', 'status.podIP: "nowhere" is no IP address. [invalid-address]'],
  ])('refuses a Pod with %s', async (field, message) => {
    const pod = file(`apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n${field}\n`);
    const { code, out, err } = await kuberules('env', '-f', pod, '--pod', 'a');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(`error: Pod default/a: ${message}`);
  });

  it('refuses two Pods of one name', async () => {
    const pod = 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n';
    const { code, err } = await kuberules('env', '-f', file(`${pod}---\n${pod}`), '--pod', 'a');
    expect(code).toBe(2);
    expect(err).toContain('Pod default/a: metadata.name: Pod default/a is given twice (first in ');
  });

  it('needs a Pod', async () => {
    const { code, err } = await kuberules('env', '-f', NAMES);
    expect(code).toBe(2);
    expect(err).toContain("required option '--pod <NAME>' not specified");
  });

  it('prints lines that a shell reads as they are', async () => {
    const { out } = await kuberules('env', '-f', NAMES, PODS, '--pod', 'web-0', '-n', 'shop');
    for (const line of out.trimEnd().split('\n')) expect(line).toMatch(/^[A-Z_][A-Z0-9_]*=[0-9a-z:/.[\]]+$/);
  });

  it('gives JSON by its schema where it fails', async () => {
    const { code, out } = await kuberules('env', '-f', NAMES, '--pod', 'a', '--output', 'json');
    expect(code).toBe(2);
    expect(schemaProblems(JSON.parse(out), 'env.json')).toEqual([]);
  });
});

it('the check of schemas sees what is wrong', () => {
  const good = { pod: 'a/b', variables: [{ name: 'A', value: '1', service: 'a/b' }], diagnostics: [] };
  expect(schemaProblems(good, 'env.json')).toEqual([]);
  const wrong: readonly [unknown, string][] = [
    [{ ...good, pod: 7 }, '/pod: 7 is no string,null'],
    [{ ...good, more: 1 }, 'has an unknown more'],
    [{ pod: null, variables: [] }, 'has no diagnostics'],
    [{ ...good, variables: [{ name: 'a b', value: '1', service: '' }] }, '/variables/0/name: "a b" is not'],
    [
      { ...good, diagnostics: [{ code: 'x', severity: 'bad', message: '' }] },
      '/diagnostics/0/severity: "bad" is none of',
    ],
    [
      { ...good, diagnostics: [{ code: 'x', severity: 'note', message: '', line: 0 }] },
      '/diagnostics/0/line: 0 is below 1',
    ],
  ];
  for (const [value, problem] of wrong) expect(schemaProblems(value, 'env.json').join()).toContain(problem);
});

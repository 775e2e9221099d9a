/**
 * Wrong input gets one line that names the object and the place, exit code 2, and nothing on stdout. Every case
 * changes one thing of a correct file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OutputError } from '../../src/cli/io.js';
import { run } from '../../src/cli/program.js';
import { folderWith, kuberules } from '../support/cli.js';

const GOOD = `apiVersion: v1
kind: Node
metadata:
  name: worker-1
spec:
  podCIDRs: [10.244.1.0/24]
status:
  addresses:
  - type: InternalIP
    address: 192.0.2.11
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.20
  clusterIPs: [10.96.0.20]
  ipFamilies: [IPv4]
  sessionAffinity: ClientIP
  externalIPs: [198.51.100.7]
  loadBalancerSourceRanges: [203.0.113.0/24]
  ports:
  - name: http
    protocol: TCP
    port: 80
    targetPort: 8080
    nodePort: 30080
status:
  loadBalancer:
    ingress:
    - ip: 198.51.100.8
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  namespace: shop
  labels:
    kubernetes.io/service-name: web
addressType: IPv4
ports:
- name: http
  port: 8080
endpoints:
- addresses: [10.244.1.7]
  conditions:
    ready: true
---
apiVersion: v1
kind: Service
metadata:
  name: other
  namespace: shop
spec:
  clusterIP: 10.96.0.21
  ports:
  - port: 81
`;

/** The file with one text replaced, and the line on which the replacement starts. */
function changed(from: string, to: string): { text: string; line: number } {
  const at = GOOD.indexOf(from);
  if (at < 0 || GOOD.indexOf(from, at + 1) >= 0) throw new Error(`not exactly once in the file: ${from}`);
  return { text: GOOD.replace(from, () => to), line: GOOD.slice(0, at).split('\n').length };
}

it('takes the file as it is', async () => {
  const folder = folderWith({ 'objects.yaml': GOOD });
  const { code, out, err } = await kuberules('compile', '--mode', 'iptables', '-f', join(folder, 'objects.yaml'));
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toContain('--to-destination 10.244.1.7:8080');
});

/** Where conflicts of two objects are reported. */
const CONFLICTS: Readonly<Record<string, string>> = {
  'cluster-ip-conflict': 'clusterIP: 10.96.0.20',
  'node-port-conflict': 'nodePort: 30080',
};

describe('one wrong value', () => {
  it.each([
    ['port: 80\n', 'port: 0\n', 'Service shop/web: spec.ports[0].port: 0 is no port', 'invalid-port'],
    ['port: 80\n', 'port: 70000\n', 'Service shop/web: spec.ports[0].port: 70000 is no port', 'invalid-port'],
    ['port: 80\n', 'port: http\n', 'Service shop/web: spec.ports[0].port: "http" is no port', 'invalid-port'],
    ['port: 80\n', 'port: "80"\n', 'Service shop/web: spec.ports[0].port: "80" is no port', 'invalid-port'],
    ['port: 80\n', 'port: 80.5\n', 'Service shop/web: spec.ports[0].port: 80.5 is no port', 'invalid-port'],
    ['port: 80\n', 'port: [80]\n', 'Service shop/web: spec.ports[0].port: a list is no port', 'invalid-port'],
    [
      'nodePort: 30080',
      'nodePort: 99999',
      'Service shop/web: spec.ports[0].nodePort: 99999 is no port',
      'invalid-port',
    ],
    ['targetPort: 8080', 'targetPort: "$(reboot)"', 'spec.ports[0].targetPort: "$(reboot)" is neither', 'invalid-port'],
    [
      'protocol: TCP',
      'protocol: ICMP',
      'spec.ports[0].protocol: "ICMP" is unknown. Write one of TCP, UDP, SCTP.',
      'invalid-field',
    ],
    ['type: LoadBalancer', 'type: Loadbalancer', 'spec.type: "Loadbalancer" is unknown', 'invalid-field'],
    [
      'sessionAffinity: ClientIP',
      'sessionAffinity: Sticky',
      'spec.sessionAffinity: "Sticky" is unknown',
      'invalid-field',
    ],
    [
      'clusterIP: 10.96.0.20\n',
      'clusterIP: 10.96.0.256\n',
      'spec.clusterIP: "10.96.0.256" is no IP',
      'invalid-address',
    ],
    ['ipFamilies: [IPv4]', 'ipFamilies: [IPv6]', 'spec.clusterIPs[0]: 10.96.0.20 is no IPv6', 'wrong-family'],
    ['clusterIPs: [10.96.0.20]', 'clusterIPs: [10.96.0.9]', 'spec.clusterIPs[0]: the first of', 'invalid-field'],
    ['[198.51.100.7]', '[lb.example.com]', 'spec.externalIPs[0]: "lb.example.com" is no IP', 'invalid-address'],
    ['[203.0.113.0/24]', '[203.0.113.0]', 'loadBalancerSourceRanges[0]: "203.0.113.0" is no CIDR', 'invalid-address'],
    ['ip: 198.51.100.8', 'ip: 198.51.100', 'status.loadBalancer.ingress[0].ip: "198.51.100" is no', 'invalid-address'],
    [
      '[10.244.1.7]',
      '[10.244.1]',
      'EndpointSlice shop/web-1: endpoints[0].addresses[0]: "10.244.1"',
      'invalid-address',
    ],
    ['[10.244.1.7]', '["fd00::7"]', 'endpoints[0].addresses[0]: fd00::7 is no IPv4 address', 'wrong-family'],
    ['[10.244.1.7]', '[]', 'endpoints[0].addresses: an endpoint needs an address', 'invalid-field'],
    ['addressType: IPv4', 'addressType: ipv4', 'addressType: "ipv4" is unknown', 'invalid-field'],
    ['ready: true', 'ready: "true"', 'endpoints[0].conditions.ready: "true" is not true or false', 'invalid-field'],
    ['port: 8080\nendpoints', 'port: 0x1ffff\nendpoints', 'ports[0].port: 131071 is no port', 'invalid-port'],
    ['name: other', 'name: web', 'Service shop/web is given twice', 'duplicate-object'],
    [
      'clusterIP: 10.96.0.21',
      'clusterIP: 10.96.0.20',
      'cluster IP 10.96.0.20 is claimed by Service',
      'cluster-ip-conflict',
    ],
    [
      'clusterIP: 10.96.0.21\n  ports:\n  - port: 81',
      'type: NodePort\n  clusterIP: 10.96.0.21\n  ports:\n  - port: 81\n    nodePort: 30080',
      'node port 30080 is claimed by Service',
      'node-port-conflict',
    ],
    ['name: other', 'name: "web; rm -rf /"', 'metadata.name: "web; rm -rf /" is no valid name', 'invalid-name'],
    ['name: other', `name: 'a" -j ACCEPT'`, 'is no valid name', 'invalid-name'],
    ['name: other', 'name: "other\\n-A INPUT -j DROP"', 'is no valid name', 'invalid-name'],
    [
      'name: http\n    protocol',
      `name: 'x"y'\n    protocol`,
      'spec.ports[0].name: "x\\"y" is no valid port',
      'invalid-name',
    ],
    [
      '  - port: 81',
      '  - {port: 81}\n  - {port: 82}',
      'spec.ports[0].name: a port of a Service with several',
      'invalid-name',
    ],
    [
      'apiVersion: discovery.k8s.io/v1',
      'apiVersion: discovery.k8s.io/v1beta1',
      'is read in version',
      'unsupported-version',
    ],
  ])('%j → %j', async (from, to, message, errorCode) => {
    const { text, line } = changed(from, to);
    const file = join(folderWith({ 'objects.yaml': text }), 'objects.yaml');
    const { code, out, err } = await kuberules('compile', '--mode', 'iptables', '-f', file);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    const errors = err.split('\n').filter((each) => each.includes('error: '));
    const [first = ''] = errors;
    expect(first).toContain(message);
    expect(first).toContain(`[${errorCode}]`);
    const place = Number(/objects\.yaml:(\d+): /.exec(first)?.[1]);
    // Of two objects that conflict the second by name is reported: shop/web, not the changed shop/other.
    const reported = CONFLICTS[errorCode];
    const expected = reported === undefined ? line : text.slice(0, text.indexOf(reported)).split('\n').length;
    expect(Math.abs(place - expected)).toBeLessThanOrEqual(2);
    if (from !== '  - port: 81') expect(errors).toHaveLength(1);
  });
});

describe('input that is no manifest', () => {
  it.each<[string, string | Uint8Array, string, string]>([
    ['broken YAML', 'kind: Service\n  metadata: {', ':2: error: ', 'invalid-yaml'],
    ['broken JSON', '{"kind": "Service",\n "metadata" 1}', ':2: error: ', 'invalid-json'],
    ['a text', 'hello', 'error: ', 'not-an-object'],
    ['a list', '- a\n- b\n', 'error: ', 'not-an-object'],
    ['no kind', 'apiVersion: v1\nmetadata: {name: x}\n', 'error: ', 'not-an-object'],
    ['zeros', new Uint8Array(1 << 20), 'error: ', 'binary-input'],
    ['no UTF-8', new Uint8Array([0x61, 0x3a, 0x20, 0xff, 0xfe]), 'error: ', 'binary-input'],
    [
      'an alias bomb',
      `a0: &a0 [x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`)}]\n`).join('')}`,
      'error: ',
      'invalid-yaml',
    ],
  ])('%s', async (_what, content, message, errorCode) => {
    const file = join(folderWith({ 'objects.yaml': content }), 'objects.yaml');
    const { code, out, err } = await kuberules('compile', '-f', file);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err.split('\n').filter((each) => each.includes('error: '))).toHaveLength(1);
    expect(err).toContain(message);
    expect(err).toContain(`[${errorCode}]`);
  });
});

it.each([
  ['trace', '--from', '10.244.1.7', '--to', '10.96.0.20:80', '--dump'],
  ['verify', '-f', 'examples/shop', '--dump'],
  ['explain', '-f', 'examples/shop', '--line-file'],
])('%s is not told to give YAML for a dump', async (...args) => {
  const file = join(folderWith({ dump: new Uint8Array(10) }), 'dump');
  const { code, out, err } = await kuberules(...args, file);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toContain('error: byte 1 is NUL: this is no text. Give what a program printed as text. [binary-input]');
});

it('what stands behind -f and its file is no question', async () => {
  const { err } = await kuberules('explain', '-f', 'examples/shop', 'shop/web');
  expect(err).toContain('there is nothing to explain.');
  expect(err).toContain('put "shop/web" first.');
});

describe('what is not there', () => {
  const file = () => join(folderWith({ 'objects.yaml': GOOD }), 'objects.yaml');
  it.each<[string, () => readonly string[], string]>([
    ['a missing file', () => ['-f', '/nonexistent/objects.yaml'], 'no such file or folder. [unreadable-input]'],
    [
      'an empty file',
      () => ['-f', join(folderWith({ 'objects.yaml': '# nothing\n---\n' }), 'objects.yaml')],
      '[no-objects]',
    ],
    ['an empty folder', () => ['-f', folderWith({})], 'holds no .json, .yaml or .yml file'],
    ['standard input twice', () => ['-f', '-', '-f', '-'], 'only once. [unreadable-input]'],
    [
      'an unknown node',
      () => ['-f', file(), '--node', 'worker-9'],
      'there is no node worker-9. Name one of: worker-1. [unknown-node]',
    ],
    ['a node name with quotes', () => ['-f', file(), '--node', 'a"b'], 'is no valid node name. [unknown-node]'],
    [
      'an unknown mode',
      () => ['-f', file(), '--mode', 'userspace'],
      'Allowed choices are iptables, ipvs, nftables. [usage]',
    ],
    ['an unknown flag', () => ['-f', file(), '--frobnicate'], "unknown option '--frobnicate' [usage]"],
    ['no -f', () => [], "no objects: give files with '-f, --filename <FILE...>', or --from-cluster [usage]"],
    ['--context of no cluster', () => ['-f', file(), '--context', 'test'], 'only with --from-cluster. [usage]'],
    [
      'files and a cluster',
      () => ['-f', file(), '--from-cluster'],
      '--from-cluster and -f exclude each other. [usage]',
    ],
    [
      'a missing configuration',
      () => ['-f', file(), '--config', '/nonexistent.yaml'],
      'no such file or folder. [unreadable-input]',
    ],
    [
      'an interface prefix with a space',
      () => [
        '-f',
        file(),
        '--detect-local-mode',
        'InterfaceNamePrefix',
        '--pod-interface-name-prefix',
        'veth -j ACCEPT',
      ],
      '[invalid-config]',
    ],
  ])('%s', async (_what, args, message) => {
    const { code, out, err } = await kuberules('compile', ...args());
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(message);
  });

  it('an output folder that cannot be made leaves nothing behind', async () => {
    const { code, out, err } = await kuberules('compile', '-f', file(), '-o', join(file(), 'inside'));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('[unwritable-output]');
  });
});

it('prints all diagnostics as JSON when asked, and no parts', async () => {
  const { text } = changed('port: 80\n', 'port: 0\n');
  const file = join(folderWith({ 'objects.yaml': text }), 'objects.yaml');
  const { code, out, err } = await kuberules('compile', '-f', file, '--output', 'json');
  expect({ code, err }).toEqual({ code: 2, err: '' });
  expect(JSON.parse(out)).toEqual({
    parts: {},
    diagnostics: [
      {
        code: 'invalid-port',
        severity: 'error',
        object: 'Service shop/web',
        path: 'spec.ports[0].port',
        file,
        line: 28,
        column: 11,
        message: '0 is no port: it must be a whole number from 1 to 65535.',
      },
    ],
  });
});

it('writes the same parts into a folder as to stdout', async () => {
  const folder = folderWith({ 'objects.yaml': GOOD });
  const file = join(folder, 'objects.yaml');
  const { code, out } = await kuberules('compile', '-f', file, '-o', join(folder, 'out/deep'));
  expect({ code, out }).toEqual({ code: 0, out: '' });
  const rules = readFileSync(join(folder, 'out/deep/iptables.ipv4.rules'), 'utf8');
  const setup = readFileSync(join(folder, 'out/deep/iptables.ipv4.setup'), 'utf8');
  expect((await kuberules('compile', '-f', file)).out).toBe(rules);
  expect((await kuberules('compile', '-f', file, '--part', 'setup')).out).toBe(setup);
  expect((await kuberules('compile', '-f', file, '--part', 'all')).out).toBe(
    `# iptables.ipv4.rules\n${rules}# iptables.ipv4.setup\n${setup}`,
  );
});

it.each([[['--version']], [['--help']], [['compile', '-f', 'examples/shop']]])(
  'says when the output of %j cannot be written',
  async (args) => {
    let err = '';
    const code = await run(args, {
      out: () => Promise.reject(new OutputError('no space left on device')),
      err: (text) => {
        err += text;
      },
      interactive: false,
      color: false,
    });
    expect(code).toBe(2);
    expect(err).toContain('error: the output cannot be written: no space left on device [unwritable-output]');
  },
);

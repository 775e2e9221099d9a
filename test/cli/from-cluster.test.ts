/** --from-cluster: against a server that answers as an API server does, with what a real one never says as well. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { readFromCluster } from '../../src/cli/from-cluster.js';
import { folderWith, kuberules } from '../support/cli.js';

const NODE = { metadata: { name: 'here' }, status: { addresses: [{ type: 'InternalIP', address: '192.0.2.11' }] } };
const service = (name: string, last: number, port: unknown = 80) => ({
  metadata: { name, namespace: 'shop' },
  spec: { clusterIP: `10.96.0.${last}`, clusterIPs: [`10.96.0.${last}`], ports: [{ port }] },
});
const slice = (name: string) => ({
  metadata: { name: `${name}-1`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  endpoints: [{ addresses: ['10.244.1.7'] }],
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
type Lists = Readonly<Record<string, readonly unknown[] | Answer>>;

const SERVICES = '/api/v1/services';
const SLICES = '/apis/discovery.k8s.io/v1/endpointslices';
const NODES = '/api/v1/nodes';
const PODS = '/api/v1/pods';
const CLUSTER: Lists = {
  [SERVICES]: [service('web', 20), service('api', 30), service('old', 40)],
  [SLICES]: [slice('web'), slice('api')],
  [NODES]: [NODE],
};
const KINDS: Readonly<Record<string, readonly [string, string]>> = {
  [SERVICES]: ['v1', 'ServiceList'],
  [SLICES]: ['discovery.k8s.io/v1', 'EndpointSliceList'],
  [NODES]: ['v1', 'NodeList'],
  [PODS]: ['v1', 'PodList'],
};

afterEach(() => vi.unstubAllEnvs());

/** Pages as an API server cuts them: `limit` objects, and a token for the rest. */
function listed(path: string, items: readonly unknown[], query: URLSearchParams): string {
  const start = Number(query.get('continue') ?? 0);
  const end = Math.min(items.length, start + Number(query.get('limit') ?? items.length));
  const [apiVersion, kind] = KINDS[path] ?? [];
  const metadata = { resourceVersion: '7', ...(end < items.length && { continue: String(end) }) };
  return JSON.stringify({ apiVersion, kind, metadata, items: items.slice(start, end) });
}

/** Starts a server; gives its kubeconfig and what it was asked. */
async function cluster(lists: Lists): Promise<{ kubeconfig: string; asked: string[]; server: string }> {
  const asked: string[] = [];
  const http = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://server');
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    const list = lists[url.pathname];
    if (typeof list === 'function') list(request, response);
    else if (list === undefined) response.writeHead(404).end('404 page not found');
    else response.end(listed(url.pathname, list, url.searchParams));
  });
  const server = `http://127.0.0.1:${await listen(http)}`;
  return { kubeconfig: join(folderWith({ config: kubeconfig(server) }), 'config'), asked, server };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

function kubeconfig(server: string, name = 'test', current = name): string {
  return JSON.stringify({
    clusters: [{ name, cluster: { server } }],
    users: [{ name, user: { token: `token-${name}` } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': current,
  });
}

const READING = { pods: false, ingresses: false, progress: () => {} };

/** An answer of the API server that refuses. */
const status =
  (code: number, message: string): Answer =>
  (_, response) => {
    response.writeHead(code).end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', message, code }));
  };

describe('reads', () => {
  it('Services, EndpointSlices and Nodes, as the user of the context; ServiceCIDRs need not be there', async () => {
    const { kubeconfig, asked } = await cluster(CLUSTER);
    const { code, out, err } = await kuberules('compile', '--from-cluster', '--kubeconfig', kubeconfig);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('-A KUBE-SERVICES -m comment --comment "shop/api cluster IP"');
    expect(out).toContain('shop/old has no endpoints');
    expect(asked.sort()).toEqual(
      [NODES, SERVICES, SLICES, '/apis/networking.k8s.io/v1/servicecidrs']
        .map((path) => `GET ${path}?limit=500 Bearer token-test`)
        .sort(),
    );
  });

  it('page by page, each of them a text of its own', async () => {
    const { kubeconfig, asked, server } = await cluster(CLUSTER);
    const { sources } = await readFromCluster({ kubeconfig }, { ...READING, pageSize: 2 });
    expect(sources.map(({ name }) => name)).toEqual([
      `${server}${SERVICES}`,
      `${server}${SERVICES} page 2`,
      `${server}${SLICES}`,
      `${server}${NODES}`,
    ]);
    expect(sources[1]?.text).toContain('"old"');
    expect(asked.filter((line) => line.includes('continue=2'))).toHaveLength(1);
  });

  it('everything at once when the token of the next page is too old', async () => {
    const expiring: Answer = (request, response) => {
      const query = new URL(request.url ?? '', 'http://server').searchParams;
      if (query.has('continue')) status(410, 'The provided continue parameter is too old')(request, response);
      else response.end(listed(SERVICES, CLUSTER[SERVICES] as readonly unknown[], query));
    };
    const { kubeconfig } = await cluster({ ...CLUSTER, [SERVICES]: expiring });
    const { sources } = await readFromCluster({ kubeconfig }, { ...READING, pageSize: 2 });
    expect(sources.filter(({ name }) => name.includes('/services'))).toHaveLength(1);
    expect(JSON.parse(sources[0]?.text ?? '').items).toHaveLength(3);
  });

  it('Pods for commands that need them', async () => {
    const pod = { metadata: { name: 'p', namespace: 'shop' }, spec: { containers: [{ name: 'c', image: 'i' }] } };
    const { kubeconfig } = await cluster({ ...CLUSTER, [PODS]: [pod] });
    const { code, out } = await kuberules('env', '--from-cluster', '--kubeconfig', kubeconfig, '--pod', 'p');
    expect(code).toBe(0);
    expect(out).toContain('WEB_SERVICE_HOST=10.96.0.20\n');
  });

  it('nothing on trust: what an API server would not say is an error with its place', async () => {
    const { kubeconfig, server } = await cluster({ ...CLUSTER, [SERVICES]: [service('web', 20, 70000)] });
    const { code, out, err } = await kuberules('compile', '--from-cluster', '--kubeconfig', kubeconfig);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(`${server}${SERVICES}:1: error: Service shop/web: spec.ports[0].port: 70000 is no port`);
  });
});

describe('finds the kubeconfig as kubectl does', () => {
  it('in the files of KUBECONFIG, of which some may be missing, the first of a name counts', async () => {
    const { asked, server } = await cluster(CLUSTER);
    const folder = folderWith({
      a: kubeconfig(server, 'first', ''),
      b: kubeconfig('http://192.0.2.1', 'first'),
      c: kubeconfig(server, 'second'),
    });
    vi.stubEnv('KUBECONFIG', ['none', 'a', 'b', 'c'].map((name) => join(folder, name)).join(':'));
    expect((await kuberules('compile', '--from-cluster')).code).toBe(0);
    expect(asked[0]).toContain('Bearer token-first');
    expect((await kuberules('compile', '--from-cluster', '--context', 'second')).code).toBe(0);
    expect(asked.at(-1)).toContain('Bearer token-second');
  });

  it('in the home folder', async () => {
    const { server } = await cluster(CLUSTER);
    const home = folderWith({});
    vi.stubEnv('KUBECONFIG', '');
    vi.stubEnv('HOME', home);
    const none = await kuberules('compile', '--from-cluster');
    expect(none).toMatchObject({ code: 2, out: '' });
    expect(none.err).toBe(
      `error: there is no kubeconfig: not ${home}/.kube/config. Name one with --kubeconfig. [no-kubeconfig]\n`,
    );
    mkdirSync(join(home, '.kube'));
    writeFileSync(join(home, '.kube', 'config'), kubeconfig(server));
    expect((await kuberules('compile', '--from-cluster')).code).toBe(0);
  });
});

describe('says in one line', () => {
  const refused = async (lists: Lists, ...more: readonly string[]) => {
    const { kubeconfig, server } = await cluster({ ...CLUSTER, ...lists });
    const { code, out, err } = await kuberules(
      'verify',
      '--live',
      '--from-cluster',
      '--kubeconfig',
      kubeconfig,
      ...more,
    );
    expect({ code, out }).toEqual({ code: 2, out: '' });
    return err.replaceAll(server, 'SERVER');
  };

  it('what is not allowed, and to whom', async () => {
    const message = 'nodes is forbidden: User "dev" cannot list resource "nodes" in API group "" at the cluster scope';
    expect(await refused({ [NODES]: status(403, message) })).toBe(
      `error: SERVER does not allow to list nodes (403): ${message}. Allow the verb list on nodes in all namespaces, or choose another user with --context. [cluster-refused]\n`,
    );
  });

  it('that the credentials are wrong', async () => {
    expect(await refused({ [NODES]: status(401, 'Unauthorized') })).toBe(
      'error: SERVER does not know who asks (401): Unauthorized. Log in once more, or choose another user with --context. [cluster-refused]\n',
    );
  });

  it('that a list is missing that must be there', async () => {
    expect(await refused({ [SLICES]: status(404, 'the server could not find the requested resource') })).toMatch(
      /^error: SERVER does not list endpointslices \(404\): .*v1\.21 or newer\? \[cluster-refused\]\n$/,
    );
  });

  it('that this is no API server', async () => {
    expect(await refused({ [NODES]: (_, response) => response.end('<html>') })).toMatch(
      /^error: SERVER\/api\/v1\/nodes answers with something that is no JSON\. .*\[cluster-refused\]\n$/,
    );
    expect(await refused({ [NODES]: (_, response) => response.destroy() })).toMatch(
      /^error: SERVER cannot be reached: the connection is cut off\. .*\[cluster-unreachable\]\n$/,
    );
  });

  it('which contexts there are', async () => {
    expect(await refused({}, '--context', 'prod')).toBe(
      'error: there is no context "prod". There are test. [no-kubeconfig]\n',
    );
  });

  it('that nobody answers', async () => {
    const gone = createTcpServer();
    await new Promise<void>((resolve) => gone.listen(0, '127.0.0.1', resolve));
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    const file = join(folderWith({ config: kubeconfig(`http://127.0.0.1:${port}`) }), 'config');
    const { code, err } = await kuberules('compile', '--from-cluster', '--kubeconfig', file);
    expect(code).toBe(2);
    expect(err).toMatch(/^error: http:\/\/127\.0\.0\.1:\d+ cannot be reached: the connection is refused\. .*\n$/);

    const silent = await cluster({ ...CLUSTER, [NODES]: () => {} });
    const { diagnostics } = await readFromCluster({ kubeconfig: silent.kubeconfig }, { ...READING, timeout: 50 });
    expect(diagnostics).toMatchObject([
      { code: 'cluster-unreachable', message: `${silent.server} does not answer within 0.05 s.` },
    ]);
  });

  it.each([
    ['is not there', undefined, 'no such file'],
    [
      'names a certificate that is not there',
      kubeconfig('https://a').replace('"server"', '"certificate-authority":"/no/ca.crt","server"'),
      'cannot be had: /no/ca.crt: there is no such file or folder.',
    ],
    ['is no YAML', '{', 'cannot be read'],
    ['is empty', '', 'cannot be read'],
    ['has no current context', kubeconfig('http://a', 'x', ''), 'no current context'],
    ['names an address that is none', kubeconfig('nowhere', 'x'), 'names no cluster with an address'],
    [
      'needs a program that is not there',
      kubeconfig('https://a').replace(
        '"token":"token-test"',
        '"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"/no/such/program"}',
      ),
      'credentials of the context "test" cannot be had',
    ],
  ])('that the kubeconfig %s', async (_, text, says) => {
    const file = join(folderWith(text === undefined ? {} : { config: text }), 'config');
    const { code, out, err } = await kuberules('compile', '--from-cluster', '--kubeconfig', file);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain(says);
    expect(err).toMatch(/^error: .* \[no-kubeconfig\]\n$/);
  });
});

it('the slow client is loaded by --from-cluster alone', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const importers = (what: RegExp) => files.filter((name) => what.test(readFileSync(join('src', name), 'utf8')));
  expect(importers(/^import (?!type ).*'@kubernetes\/client-node'/m)).toEqual(['cli/from-cluster.ts']);
  expect(importers(/^(import|export) .*from-cluster\.js'/m)).toEqual([]);
  expect(importers(/await import\('\.\/from-cluster\.js'\)/)).toEqual(['cli/cluster.ts']);
});

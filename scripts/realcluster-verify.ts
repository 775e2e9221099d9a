/**
 * npm run realcluster -- [--quick] [--mode iptables|ipvs|nftables] [CASE...]: verify against the real thing. Clusters of the
 * conformance corpus go into a real API server; the real kube-proxy writes their rules into a kernel, in each mode and
 * with each variant of iptables; `verify --from-cluster --live` must find nothing. Then kube-proxy is stopped, and damage
 * after damage done with iptables, ip6tables and nft, each of which must be found as scripts/realcluster-damages.ts says,
 * and nothing else.
 *
 * Exit status: 0 all as expected, or skipped (with the reason) where ../shared/realcluster is not built; 1 otherwise.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from '../src/cli/program.js';
import { PROXY_MODES, type ProxyMode } from '../src/kube/config.js';
import { isFields } from '../src/kube/fields.js';
import type { RawObject } from '../src/kube/objects.js';
import { readDocuments, readObjects } from '../src/kube/read.js';
import { FAMILIES } from '../src/net/family.js';
import { type ControlPlane, enterOwnNamespaces, eventually, KUBE_PROXY, startControlPlane } from './real-cluster.js';
import { type Damage, IPTABLES_DAMAGES, NFTABLES_DAMAGES } from './realcluster-damages.js';

const CORPUS = fileURLToPath(new URL('../../shared/conformance', import.meta.url));

/** Those that damage is done to. */
const DAMAGED = [...new Set([...IPTABLES_DAMAGES, ...NFTABLES_DAMAGES].map(({ cluster }) => cluster))];

/** Those of which verify must say nothing; all that API servers of today take. */
const CLUSTERS: readonly string[] = [
  ...DAMAGED,
  'cluster-ip-sctp',
  'detect-local-node-cidr',
  'external-ips-local',
  'headless',
  'internal-traffic-policy-local',
  'ipv6-node-port',
  'kube-dns',
  'load-balancer-local',
  'long-names',
  'masquerade-all',
  'multi-port',
  'node-port-addresses-cidr',
  'session-affinity-external-local',
  'terminating-fallback',
  'twelve-endpoints',
  'zone-hints',
  'random-1-003',
  'random-1-010',
  'random-1-020',
  'random-1-031',
  'random-1-045',
  'random-1-060',
];

/** Enough for every way of loading, writing and damaging, in less than a minute. */
const QUICK: readonly string[] = ['three-endpoints', 'dual-stack'];

/** One way in which kube-proxy writes rules. */
interface Way {
  readonly name: string;
  readonly mode: ProxyMode;
  /** Of the programs called iptables. */
  readonly variant: 'nft' | 'legacy';
  readonly damages: readonly Damage[];
  /** Fails where the kernel or a program is missing. */
  readonly probe: string;
}

const WAYS: readonly Way[] = [
  {
    name: 'iptables (nft)',
    mode: 'iptables',
    variant: 'nft',
    damages: IPTABLES_DAMAGES,
    probe: 'iptables-nft -t nat -S && ip6tables-nft -t nat -S',
  },
  {
    name: 'iptables (legacy)',
    mode: 'iptables',
    variant: 'legacy',
    damages: IPTABLES_DAMAGES,
    probe: 'iptables-legacy -t nat -S && ip6tables-legacy -t nat -S',
  },
  { name: 'nftables', mode: 'nftables', variant: 'nft', damages: NFTABLES_DAMAGES, probe: 'nft list ruleset' },
  { name: 'ipvs', mode: 'ipvs', variant: 'legacy', damages: [], probe: 'ipvsadm -L -n && ipset list -n' },
];

function shell(command: string, input = ''): string {
  return execFileSync('sh', ['-euc', command], { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Why a way cannot be gone here, or undefined. */
function obstacle({ probe }: Way): string | undefined {
  try {
    shell(`{ ${probe}; } 2>&1`);
    return undefined;
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
    return said.trim().split('\n')[0];
  }
}

/** A folder with the iptables programs of a variant, by the names that kube-proxy calls. */
function programs(dir: string, variant: Way['variant']): string {
  const folder = join(dir, `bin-${variant}`);
  if (existsSync(folder)) return folder;
  mkdirSync(folder);
  for (const family of ['iptables', 'ip6tables']) {
    for (const tool of ['', '-save', '-restore']) {
      symlinkSync(shell(`command -v ${family}-${variant}${tool}`).trim(), join(folder, `${family}${tool}`));
    }
  }
  return folder;
}

/** A cluster of the corpus. */
interface Cluster {
  readonly name: string;
  readonly objects: readonly RawObject[];
  /** Of kube-proxy. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly node: string;
}

function readCluster(name: string): Cluster {
  const folder = join(CORPUS, name.startsWith('random-') ? 'random' : 'named', name);
  const file = join(folder, 'objects.yaml');
  const { objects, diagnostics } = readObjects([{ name: file, text: readFileSync(file, 'utf8') }]);
  if (diagnostics.length > 0) throw new Error(`${file}: ${diagnostics[0]?.message}`);
  const [document] = readDocuments({ name: 'config', text: textOf(join(folder, 'config.yaml')) });
  const config = document !== undefined && 'value' in document && isFields(document.value) ? document.value : {};
  const first = objects.find(({ object }) => object.kind === 'Node')?.object;
  const node = typeof config.hostnameOverride === 'string' ? config.hostnameOverride : nameOf(first);
  return { name, objects: objects.map(({ object }) => object), config, node };
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
}

function metadataOf(object: RawObject | undefined): Metadata {
  return (object?.metadata as Metadata | undefined) ?? { name: '' };
}

function nameOf(object: RawObject | undefined): string {
  return metadataOf(object).name;
}

/** Where the objects of a kind are, and undefined for kinds that the API server has of its own. */
function pathOf(object: RawObject): string | undefined {
  const { namespace = 'default' } = metadataOf(object);
  switch (object.kind) {
    case 'Node':
      return '/api/v1/nodes';
    case 'Service':
      return `/api/v1/namespaces/${namespace}/services`;
    case 'EndpointSlice':
      return `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    default:
      return undefined;
  }
}

/** Lets the API server give out the cluster IPs of the random clusters, too. */
async function addServiceCIDR(plane: ControlPlane): Promise<void> {
  const ranges = '/apis/networking.k8s.io/v1/servicecidrs';
  await plane.ok('POST', ranges, { metadata: { name: 'random' }, spec: { cidrs: ['fd00:96::/112'] } });
  // Otherwise the work of a controller that does not run here.
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: '',
    message: '',
    lastTransitionTime: new Date().toISOString(),
  };
  await plane.ok(
    'PATCH',
    `${ranges}/random/status`,
    { status: { conditions: [ready] } },
    'application/merge-patch+json',
  );
  const probe = {
    metadata: { name: 'probe' },
    spec: { clusterIP: 'fd00:96::1234', ipFamilies: ['IPv6'], ports: [{ port: 80 }] },
  };
  const taken = await eventually(20, async () => {
    const { code } = await plane.call('POST', '/api/v1/namespaces/default/services?dryRun=All', probe);
    return code < 300 || undefined;
  });
  if (taken === undefined) throw new Error('the API server does not take the ServiceCIDR');
}

/** Creates the objects; without selectors, so that no controller writes EndpointSlices beside those given. */
async function createObjects(plane: ControlPlane, objects: readonly RawObject[]): Promise<void> {
  for (const namespace of new Set(objects.map((object) => metadataOf(object).namespace ?? 'default'))) {
    await plane.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  }
  for (const object of objects) {
    const path = pathOf(object);
    if (path === undefined) continue;
    const { selector: _, ...spec } = (object.spec ?? {}) as Record<string, unknown>;
    const slice = object.kind === 'EndpointSlice' && object.endpoints === null ? { endpoints: [] } : {};
    await plane.ok('POST', path, { ...object, ...(object.spec === undefined ? {} : { spec }), ...slice });
    if (object.status === undefined) continue;
    const { status } = object;
    await plane.ok('PATCH', `${path}/${nameOf(object)}/status`, { status }, 'application/merge-patch+json');
  }
}

async function deleteObjects(plane: ControlPlane, objects: readonly RawObject[]): Promise<void> {
  for (const object of objects) {
    const path = pathOf(object);
    if (path !== undefined) await plane.ok('DELETE', `${path}/${nameOf(object)}`);
  }
}

/** Gives the addresses of the Node object to an interface of this host. */
function setAddresses({ objects, node }: Cluster): void {
  const object = objects.find((each) => each.kind === 'Node' && nameOf(each) === node);
  const status = object?.status as { addresses?: { type: string; address: string }[] } | undefined;
  const addresses = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP');
  shell(
    // Not a dummy, which not every kernel has.
    'ip link show node0 >/dev/null 2>&1 && ip link delete node0; ip link add node0 type veth peer name peer0; ip link set peer0 up; ip link set node0 up',
  );
  for (const { address } of addresses)
    shell(`ip addr add ${address} dev node0${address.includes(':') ? ' nodad' : ''}`);
}

/** Starts kube-proxy and waits until it has written all rules. */
async function startKubeProxy(dir: string, config: string): Promise<ChildProcess> {
  const log = openSync(join(dir, 'kube-proxy.log'), 'w');
  const proxy = spawn(KUBE_PROXY, ['--config', config], { stdio: ['ignore', log, log] });
  const synced = await eventually(30, async () => {
    if (proxy.exitCode !== null)
      throw new Error(`kube-proxy has ended:\n${readFileSync(join(dir, 'kube-proxy.log'), 'utf8')}`);
    const metrics = await fetch('http://127.0.0.1:10249/metrics').then(
      (answer) => answer.text(),
      () => '',
    );
    const times = (which: string) =>
      [
        ...metrics.matchAll(new RegExp(`^kubeproxy_sync_proxy_rules_last_${which}timestamp_seconds\\S* (\\S+)$`, 'gm')),
      ].map(([, time]) => Number(time));
    const written = times('');
    const queued = times('queued_');
    // One of each family, which are written one after the other.
    return (
      (written.length === FAMILIES.length && written.every((time, i) => time > 0 && time >= (queued[i] ?? 0))) ||
      undefined
    );
  });
  if (synced === undefined)
    throw new Error(`kube-proxy writes no rules:\n${readFileSync(join(dir, 'kube-proxy.log'), 'utf8')}`);
  return proxy;
}

async function stopKubeProxy(proxy: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => proxy.once('exit', resolve));
  proxy.kill();
  await ended;
}

/** What verify says: code and service port of each finding, sorted; or why it says nothing. */
async function findings(plane: ControlPlane, config: string): Promise<readonly string[]> {
  let out = '';
  const from = ['--from-cluster', '--kubeconfig', plane.proxyKubeconfig];
  const code = await run(['verify', ...from, '--live', '--config', config, '--output', 'json'], {
    out: async (text) => {
      out += text;
    },
    err: () => {},
    interactive: false,
    color: false,
  });
  const { findings: found, diagnostics } = JSON.parse(out) as {
    readonly findings: readonly {
      readonly code: string;
      readonly severity: string;
      readonly servicePort: string | null;
    }[];
    readonly diagnostics: readonly { readonly severity: string; readonly message: string }[];
  };
  const named = found.map((each) => `${each.code}${each.servicePort ? ` ${each.servicePort}` : ''}`).sort();
  const wrong = diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message);
  const status = found.some(({ severity }) => severity === 'error') ? 1 : 0;
  return wrong.length === 0 && code !== status ? [...named, `exit status ${code}`] : [...named, ...wrong];
}

/** The configuration of one kube-proxy, which verify reads, too. */
function configOf({ config, node }: Cluster, { mode }: Way): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    ...config,
    mode,
    hostnameOverride: node,
    clientConnection: { kubeconfig: plane.proxyKubeconfig },
    // What only the machine itself can set.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}

/** All rules of this host, to be put back. */
function savedRules({ mode }: Way): () => void {
  if (mode === 'nftables') {
    const text = shell('nft list ruleset');
    return () => shell('nft -f -', `flush ruleset\n${text}`);
  }
  const texts = ['iptables', 'ip6tables'].map((program) => [program, shell(`${program}-save`)] as const);
  return () => {
    for (const [program, text] of texts) shell(`${program}-restore`, text);
  };
}

/** Leaves no rule of kube-proxy on this host. */
function clear({ mode }: Way): void {
  if (mode === 'nftables') {
    shell('nft flush ruleset');
    return;
  }
  for (const program of ['iptables', 'ip6tables']) {
    for (const table of ['filter', 'nat', 'mangle']) shell(`${program} -t ${table} -F; ${program} -t ${table} -X`);
  }
  if (mode === 'ipvs') shell('ipvsadm -C; ip link delete kube-ipvs0; ipset destroy');
}

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, mode: { type: 'string', multiple: true } },
  allowPositionals: true,
});
const modes = values.mode ?? PROXY_MODES;
const unknown = modes.filter((mode) => !PROXY_MODES.some((each) => each === mode));
if (unknown.length > 0) {
  console.error(`no such mode: ${unknown.join(', ')}`);
  process.exit(2);
}
enterOwnNamespaces();

const names = positionals.length > 0 ? positionals : values.quick ? QUICK : CLUSTERS;
const clusters = names.map(readCluster);
const plane = startControlPlane('10.96.0.0/16,fd00:10:96::/112');
await addServiceCIDR(plane);
const path = process.env.PATH ?? '';
const all = [...IPTABLES_DAMAGES, ...NFTABLES_DAMAGES];
const widths = [
  Math.max(...clusters.map(({ name }) => name.length)),
  Math.max(...WAYS.map(({ name }) => name.length)),
  Math.max(...all.map(({ what }) => what.length)),
  Math.max(...all.map(({ expected }) => expected.join(', ').length)),
];
const print = (...cells: readonly string[]) =>
  console.log(
    cells
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  );
const counts = { nodes: 0, damages: 0, wrong: 0 };

/** Prints one row, and counts it. */
function report(
  cluster: string,
  way: string,
  what: string,
  found: readonly string[],
  expected: readonly string[],
): void {
  const text = (list: readonly string[]) => (list.length === 0 ? 'nothing' : list.join(', '));
  const right = text(found) === text(expected);
  if (!right) counts.wrong++;
  print(cluster, way, what, text(found), right ? 'ok' : `WRONG: should be ${text(expected)}`);
}

print('CLUSTER', 'MODE', 'DAMAGE', 'FINDING', 'OK');
const ways = WAYS.filter(({ mode }) => modes.includes(mode)).filter((way) => {
  const reason = obstacle(way);
  const covered =
    way.mode === 'ipvs' ? '; test/dumps.test.ts and test/inspect/verify.test.ts read what it left elsewhere' : '';
  if (reason !== undefined) console.log(`SKIPPED: ${way.name}: ${reason}${covered}`);
  return reason === undefined;
});
for (const cluster of clusters) {
  await createObjects(plane, cluster.objects);
  setAddresses(cluster);
  for (const way of ways) {
    process.env.PATH = `${programs(plane.dir, way.variant)}:${path}`;
    const config = join(plane.dir, 'config.yaml');
    writeFileSync(config, JSON.stringify(configOf(cluster, way)));
    const proxy = await startKubeProxy(plane.dir, config);
    // Nodes and ServiceCIDRs come to kube-proxy by watches of their own, which may be later than its first sync.
    let found: readonly string[] = [];
    await eventually(10, async () => {
      found = await findings(plane, config);
      return found.length === 0 || undefined;
    });
    await stopKubeProxy(proxy);
    counts.nodes++;
    report(cluster.name, way.name, 'none', found, []);
    const damages = way.damages.filter((damage) => damage.cluster === cluster.name);
    const restore = savedRules(way);
    for (const { what, run: damage, expected } of damages) {
      counts.damages++;
      let said: readonly string[];
      try {
        damage();
        said = await findings(plane, config);
      } catch (error) {
        said = [`cannot be done: ${error instanceof Error ? error.message : error}`];
      }
      report(cluster.name, way.name, what, said, expected);
      restore();
    }
    if (damages.length > 0) report(cluster.name, way.name, 'all undone', await findings(plane, config), []);
    clear(way);
  }
  await deleteObjects(plane, cluster.objects);
}
plane.stop();
console.log(`${counts.nodes} nodes that kube-proxy has synced, ${counts.damages} damages; ${counts.wrong} wrong`);
process.exitCode = counts.wrong > 0 ? 1 : 0;

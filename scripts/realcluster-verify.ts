/**
 * npm run realcluster -- [--quick] [--mode iptables|ipvs|nftables] [CASE...]: verify and apply against the real thing. Clusters of the
 * conformance corpus go into a real API server; the real kube-proxy writes their rules into a kernel, in each mode and
 * with each variant of iptables; `verify --from-cluster --live` must find nothing. Then kube-proxy is stopped, and damage
 * after damage done with iptables, ip6tables and nft, each of which must be found as scripts/realcluster-damages.ts says,
 * and nothing else, and mended by `apply`. At last the node is handed over: `apply` goes on where kube-proxy stopped,
 * kube-proxy goes on where `apply` stopped, and `cleanup` leaves nothing.
 *
 * Exit status: 0 all as expected, or skipped (with the reason) where ../shared/realcluster is not built; 1 otherwise.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run } from '../src/cli/program.js';
import { PROXY_MODES } from '../src/kube/config.js';
import { type ControlPlane, enterOwnNamespaces, eventually, startControlPlane } from './real-cluster.js';
import { IPTABLES_DAMAGES, IPVS_DAMAGES, NFTABLES_DAMAGES } from './realcluster-damages.js';
import {
  addServiceCIDR,
  type Cluster,
  createObjects,
  deleteObjects,
  readCluster,
  setAddresses,
} from './realcluster-objects.js';
import {
  clear,
  obstacle,
  ownRules,
  programs,
  savedRules,
  startKubeProxy,
  stopKubeProxy,
  WAYS,
  type Way,
} from './realcluster-ways.js';

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

/** Those of which IPVS is asked in a slower kernel of its own. */
const OF_IPVS: readonly string[] = [
  ...new Set(IPVS_DAMAGES.map(({ cluster }) => cluster)),
  'external-ips-local',
  'load-balancer-source-ranges',
  'random-1-003',
];

/** Enough for every way of loading, writing and damaging, in less than a minute. */
const QUICK: readonly string[] = ['three-endpoints', 'dual-stack'];

/** Runs a command of ours in this process. */
async function kuberules(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const code = await run([...argv], {
    out: async (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += text;
    },
    interactive: false,
    color: false,
  });
  return { code, ...said };
}

function fromCluster(plane: ControlPlane, config: string): readonly string[] {
  return ['--from-cluster', '--kubeconfig', plane.proxyKubeconfig, '--config', config];
}

/** What verify says: code and service port of each finding, sorted; or why it says nothing. */
async function findings(plane: ControlPlane, config: string): Promise<readonly string[]> {
  const { code, out } = await kuberules('verify', ...fromCluster(plane, config), '--live', '--output', 'json');
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

/** What verify says after apply, or why that failed; and what a second apply would change. */
async function afterApply(plane: ControlPlane, config: string): Promise<readonly string[]> {
  const apply = ['apply', ...fromCluster(plane, config), '--state-dir', join(plane.dir, 'state'), '--drain', '0'];
  const applied = await kuberules(...apply);
  if (applied.code !== 0) return [`apply: ${applied.err.trim()}`];
  const again = await kuberules(...apply, '--dry-run');
  // What is somebody else's stays.
  const found = (await findings(plane, config)).filter((each) => each !== 'foreign-server');
  return [...found, ...(again.code === 0 ? [] : [`a second apply: ${again.out.trim()}`])];
}

/** What cleanup leaves of kube-proxy, which began on a host without rules. */
async function leftovers(plane: ControlPlane): Promise<readonly string[]> {
  if (ownRules().length === 0) return ['nothing was there before'];
  const { code, err } = await kuberules('cleanup', '--state-dir', join(plane.dir, 'state'));
  return code === 0 ? ownRules() : [`cleanup: ${err.trim()}`];
}

/** The configuration of one kube-proxy, which verify reads, too. */
function configOf({ config, node }: Cluster, { mode }: Way, plane: ControlPlane): object {
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

/** Mode ipvs in a kernel of its own; whether all was as expected there, or it was said why it cannot be. */
function goOnInUml(): boolean {
  const covered =
    'see test/property/dumps.test.ts and test/property/verify.test.ts for what it left in ../shared/dumps';
  if (values.quick || process.env.KUBERULES_UML !== undefined) {
    console.log(
      `SKIPPED: ipvs: ${values.quick ? 'it takes minutes' : 'there is no IPVS in user-mode-linux'}; ${covered}`,
    );
    return true;
  }
  const uml = fileURLToPath(new URL('./uml', import.meta.url));
  const wanted = positionals.length > 0 ? positionals : OF_IPVS;
  const again = [process.execPath, ...process.execArgv, process.argv[1] ?? '', '--mode', 'ipvs', ...wanted];
  const { status } = spawnSync(uml, again, {
    stdio: 'inherit',
    env: { ...process.env, PATH: path, KUBERULES_UML: '1', UML_MEMORY: '2560M', UML_TIMEOUT: '3600' },
  });
  if (status === 69) console.log(`SKIPPED: ipvs: user-mode-linux cannot run here; ${covered}`);
  return status === 0 || status === 69;
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
const path = process.env.PATH ?? '';
const all = [...IPTABLES_DAMAGES, ...NFTABLES_DAMAGES, ...IPVS_DAMAGES];
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
/** After every how many-th damage `apply` mends it. */
const appliedAfter = values.quick ? 4 : 1;

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

/** Every cluster in every way. */
async function goThrough(): Promise<void> {
  const plane = startControlPlane('10.96.0.0/16,fd00:10:96::/112');
  await addServiceCIDR(plane);
  for (const cluster of clusters) {
    const refusal = await createObjects(plane, cluster.objects);
    if (refusal !== undefined) {
      // Nobody can have such a cluster today; one of our own choice must be possible.
      console.log(`SKIPPED: ${cluster.name}: ${refusal}`);
      if (positionals.length === 0) counts.wrong++;
      await deleteObjects(plane, cluster.objects);
      continue;
    }
    setAddresses(cluster);
    for (const way of ways) {
      process.env.PATH = `${programs(plane.dir, way.variant)}:${path}`;
      const config = join(plane.dir, 'config.yaml');
      writeFileSync(config, JSON.stringify(configOf(cluster, way, plane)));
      const proxy = await startKubeProxy(plane.dir, config);
      // Nodes and ServiceCIDRs come to kube-proxy by watches of their own, which may be later than its first sync.
      let found: readonly string[] = [];
      await eventually(60, async () => {
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
        if (counts.damages % appliedAfter === 0) {
          report(cluster.name, way.name, `${what}, apply`, await afterApply(plane, config), []);
        }
        restore();
      }
      if (damages.length > 0) {
        report(cluster.name, way.name, 'all undone', await findings(plane, config), []);
        report(cluster.name, way.name, 'handed over', await afterApply(plane, config), []);
        await stopKubeProxy(await startKubeProxy(plane.dir, config));
        report(cluster.name, way.name, 'given back', await findings(plane, config), []);
        report(cluster.name, way.name, 'cleaned up', await leftovers(plane), []);
      }
      clear(way);
    }
    await deleteObjects(plane, cluster.objects);
  }
  plane.stop();
}

const ways = WAYS.filter(({ mode }) => modes.includes(mode)).filter((way) => {
  const reason = obstacle(way);
  // The machine's kernel need not have IPVS: see below.
  if (reason !== undefined && way.mode !== 'ipvs') console.log(`SKIPPED: ${way.name}: ${reason}`);
  return reason === undefined;
});
const needsUml = modes.includes('ipvs') && !ways.some(({ mode }) => mode === 'ipvs');
if (ways.length > 0) {
  print('CLUSTER', 'MODE', 'DAMAGE', 'FINDING', 'OK');
  await goThrough();
  console.log(`${counts.nodes} nodes that kube-proxy has synced, ${counts.damages} damages; ${counts.wrong} wrong`);
}
const right = !needsUml || goOnInUml();
process.exitCode = counts.wrong > 0 || !right ? 1 : 0;

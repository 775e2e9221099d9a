/**
 * npm run bench [-- --quick] [-- --json FILE]: how long compiling takes. Prints a table and, for programs, the same
 * figures as JSON, with --json into a file. Nothing here passes or fails.
 *
 * In-process figures are medians by tinybench on one thread; CLI figures are whole processes of the built program,
 * medians of several runs, with their largest resident set.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { dump } from 'js-yaml';
import { Bench } from 'tinybench';
import {
  applyWatchEvent,
  askTrace,
  compile,
  createCompiler,
  DEFAULT_CONFIG,
  diffTraffic,
  indexPods,
  loadCluster,
  located,
  normalRuleText,
  PROXY_MODES,
  type ProxyMode,
  partText,
  readXtables,
  ruleOf,
  rulesOfParts,
  verify,
} from '../src/index.js';
import { bigCluster, bigSlice } from '../test/support/big-cluster.js';

interface Figure {
  readonly what: string;
  readonly services: number;
  /** Milliseconds, median. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
  /** Largest resident set in MiB; whole processes only. */
  readonly memory?: number;
  /** What issue or peer asks for. */
  readonly target?: string;
}

const ENDPOINTS = 10;

/** What is asked of 10,000 Services, and what kube-proxy's own code takes for the same text. */
const STATE_TO_TEXT: Readonly<Record<ProxyMode, string>> = {
  iptables: 'kube-proxy 390-650 ms',
  ipvs: '300 ms (kube-proxy 280 ms)',
  nftables: '1 s (kube-proxy 11.9 s)',
};
const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
const sizes = options.quick ? [100, 1000] : [100, 1000, 10_000];
const figures: Figure[] = [];

function add(figure: Figure): void {
  figures.push(figure);
  if (process.stderr.isTTY) process.stderr.write(`\r${figure.what} ${figure.services}\x1b[K`);
}

/** Times one function; the garbage of one measurement is collected before the next. */
async function measure(what: string, services: number, run: () => unknown, target?: string): Promise<void> {
  const bench = new Bench({ time: options.quick ? 300 : 2000, iterations: 10, warmupTime: 500, warmupIterations: 3 });
  await runBench(bench, what, services, { run }, target);
}

/** Times what is done once, each time on something that is made anew before. */
async function measureFirst<Made>(
  what: string,
  services: number,
  make: () => Made,
  run: (made: Made) => unknown,
  target?: string,
): Promise<void> {
  const bench = new Bench({ time: 0, iterations: 10, warmup: false });
  let made: Made;
  const beforeEach = () => {
    made = make();
  };
  await runBench(bench, what, services, { run: () => run(made), beforeEach }, target);
}

async function runBench(
  bench: Bench,
  what: string,
  services: number,
  { run, beforeEach }: { readonly run: () => unknown; readonly beforeEach?: () => void },
  target: string | undefined,
): Promise<void> {
  if (!what.includes(options.only)) return;
  global.gc?.();
  bench.add(what, run, beforeEach === undefined ? {} : { beforeEach });
  await bench.run();
  const result = bench.tasks[0]?.result;
  if (result === undefined || !('latency' in result)) throw new Error(`${what} could not be measured`);
  const { p50, min, max, samplesCount } = result.latency;
  add({ what, services, median: p50, min, max, runs: samplesCount, ...(target === undefined ? {} : { target }) });
}

/** Times the built program; nothing when it is not built. */
function measureProcess(what: string, services: number, args: readonly string[], target: string): void {
  if (!what.includes(options.only)) return;
  const program = new URL('../dist/cli/main.js', import.meta.url).pathname;
  if (!existsSync(program)) throw new Error('dist/ is missing: npm run build');
  // The program itself reports its largest resident set when it exits; no other tool is needed for that.
  const probe =
    'data:text/javascript,process.on("exit",()=>process.stderr.write("\\nmaxrss "+process.resourceUsage().maxRSS))';
  const times: number[] = [];
  let memory = 0;
  for (let i = 0; i < (options.quick ? 3 : 7); i++) {
    const start = performance.now();
    const result = spawnSync(process.execPath, ['--import', probe, program, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    times.push(performance.now() - start);
    if (result.status !== 0) throw new Error(`${what} failed: ${result.stderr}`);
    memory = Math.max(memory, Number(/maxrss (\d+)/.exec(String(result.stderr))?.[1] ?? 0) / 1024);
  }
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)] ?? 0;
  add({ what, services, median, min: times[0] ?? 0, max: times.at(-1) ?? 0, runs: times.length, memory, target });
}

const folder = mkdtempSync(join(tmpdir(), 'kuberules-bench-'));
try {
  for (const services of sizes) {
    const full = services === 10_000;
    const raw = bigCluster(services, ENDPOINTS);
    const objects = located(raw);
    const { state } = loadCluster(objects);
    for (const mode of PROXY_MODES) {
      await measure(
        `state to text, ${mode}`,
        services,
        () => compile(state, { mode }).parts.map(partText),
        full ? STATE_TO_TEXT[mode] : undefined,
      );
    }
    await measure(
      'objects to text',
      services,
      () => compile(loadCluster(objects).state).parts.map(partText),
      full ? 'kube-proxy 390-650 ms' : undefined,
    );
    const rules = compile(state, { mode: 'iptables' }).parts.map(partText)[0] ?? '';
    await measure(
      'dump to data, iptables',
      services,
      () => readXtables({ name: 'dump', text: rules }),
      full ? '2 s' : undefined,
    );
    await measure('dump to normal form, iptables', services, () =>
      readXtables({ name: 'dump', text: rules }).text.tables.map(({ lines }) =>
        lines.map((line) => (line.kind === 'rule' ? normalRuleText(ruleOf(line)) : '')),
      ),
    );
    for (const mode of PROXY_MODES) {
      const dumps = compile(state, { mode })
        .parts.filter(({ part }) => part !== 'setup')
        .map((part) => ({ name: part.name, text: partText(part) }));
      await measure(
        `verify, ${mode}`,
        services,
        () => verify({ state, config: DEFAULT_CONFIG, mode, dumps }),
        full ? '5 s' : undefined,
      );
    }
    const [node] = state.nodes.values();
    if (node === undefined) throw new Error('the cluster has no node');
    const changed = loadCluster(located(raw)).state;
    applyWatchEvent(changed, 'MODIFIED', bigSlice(0, ENDPOINTS, 1));
    for (const mode of PROXY_MODES) {
      const side = (cluster: typeof state) => ({ state: cluster, node, mode, config: DEFAULT_CONFIG });
      await measure(
        `diff of one slice, ${mode}`,
        services,
        () => diffTraffic(side(state), side(changed)),
        full ? '5 s' : undefined,
      );
    }
    for (const mode of PROXY_MODES) {
      const compiler = createCompiler({ node, family: 'ipv4', mode, config: DEFAULT_CONFIG });
      compiler(state);
      let round = 0;
      await measure(
        `one slice changed to pieces, ${mode}`,
        services,
        () => {
          applyWatchEvent(state, 'MODIFIED', bigSlice(round % services, ENDPOINTS, ++round));
          return compiler(state);
        },
        full && mode === 'iptables' ? '5 ms (kube-proxy 115-130 ms)' : undefined,
      );
    }
    const pods = indexPods(objects);
    for (const mode of PROXY_MODES) {
      const { parts } = compile(state, { mode });
      const load = () => rulesOfParts(parts, 'ipv4');
      const request = { from: '10.128.0.5', to: '10.96.0.7:80', family: undefined, after: undefined };
      const rest = { established: false, inInterface: undefined, localAddresses: [] };
      const trace = (rules: ReturnType<typeof load>) =>
        askTrace({ state, objects, pods, node, namespace: 'default' }, () => rules, { ...request, ...rest });
      const target = full ? '50 ms' : undefined;
      await measureFirst(`first packet traced, ${mode}`, services, load, trace, target);
      const rules = load();
      await measure(`one packet traced, ${mode}`, services, () => trace(rules), target);
    }
    const list = { apiVersion: 'v1', kind: 'List', items: raw };
    const json = join(folder, `${services}.json`);
    const yaml = join(folder, `${services}.yaml`);
    writeFileSync(json, JSON.stringify(list));
    writeFileSync(yaml, dump(list));
    measureProcess(
      'CLI, JSON to rules',
      services,
      ['compile', '--mode', 'iptables', '-f', json],
      full ? '2 s, 800 MiB' : '',
    );
    measureProcess('CLI, diff of JSON', services, ['diff', json, json], full ? '5 s' : '');
    measureProcess('CLI, YAML to rules', services, ['compile', '--mode', 'iptables', '-f', yaml], full ? '4 s' : '');
  }
  measureProcess('CLI, --version', 0, ['--version'], '120 ms');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
const table = figures.map(({ what, services, median, min, max, memory, target }) => ({
  what,
  services,
  'median ms': Number(median.toFixed(1)),
  'min ms': Number(min.toFixed(1)),
  'max ms': Number(max.toFixed(1)),
  'memory MiB': memory === undefined ? '' : Math.round(memory),
  target: target ?? '',
}));
console.table(table);
const report = JSON.stringify({ node: process.version, endpointsPerService: ENDPOINTS, figures }, undefined, 2);
if (options.json === undefined) console.log(report);
else writeFileSync(options.json, `${report}\n`);

/**
 * npm run bench:apply [-- --services N] [-- --variant legacy]: how long `kuberules apply` takes, side by side with
 * piping the whole text to iptables-restore, each in a network namespace of its own. Needs root. With 5,000 Services and
 * iptables-nft a whole restore takes minutes. Nothing here passes or fails.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compile, loadCluster, located, partText, type RawObject } from '../src/index.js';
import { bigCluster, bigSlice } from '../test/support/big-cluster.js';

const ENDPOINTS = 10;
const { values: options } = parseArgs({
  options: { services: { type: 'string', default: '5000' }, variant: { type: 'string', default: 'nft' } },
});
const services = Number(options.services);
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
if (!existsSync(program)) throw new Error('dist/ is missing: npm run build');
const restore = [`iptables-${options.variant}-restore`, '-w', '5', '--noflush', '--counters'];
const save = [`iptables-${options.variant}-save`];

const folder = mkdtempSync(join(tmpdir(), 'kuberules-bench-'));
const namespaces = ['whole', 'apply'].map((name) => `kuberules-bench-${process.pid}-${name}`);
const rows: { what: string; seconds: string; 'of the restore': string }[] = [];
let whole = 0;

/** Runs a command in a namespace; gives the seconds that it took. */
function timed(namespace: string, argv: readonly string[], input = ''): number {
  const started = performance.now();
  const result = spawnSync('ip', ['netns', 'exec', namespace, ...argv], { input, maxBuffer: 1 << 30 });
  if (result.status !== 0) throw new Error(`${argv.join(' ')} failed: ${result.stderr}`);
  return (performance.now() - started) / 1000;
}

function add(what: string, seconds: number): void {
  rows.push({
    what,
    seconds: seconds.toFixed(2),
    'of the restore': whole === 0 ? '' : `1/${(whole / seconds).toFixed(1)}`,
  });
  console.error(`${what}: ${seconds.toFixed(2)} s`);
}

function write(name: string, items: readonly RawObject[]): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  return file;
}

try {
  for (const namespace of namespaces) execFileSync('ip', ['netns', 'add', namespace]);
  const [piped = '', applied = ''] = namespaces;
  const items = bigCluster(services, ENDPOINTS);
  const { state } = loadCluster(located(items));
  const rules = compile(state, { mode: 'iptables' }).parts.find(({ part }) => part === 'rules');
  const text = rules === undefined ? '' : partText(rules);
  const old = write('old.json', items);
  const slice = bigSlice(0, ENDPOINTS, 1);
  const nameOf = ({ kind, metadata }: RawObject): string => `${kind} ${(metadata as { name: string }).name}`;
  const fresh = write(
    'new.json',
    items.map((item) => (nameOf(item) === nameOf(slice) ? slice : item)),
  );
  if (readFileSync(old, 'utf8') === readFileSync(fresh, 'utf8')) throw new Error('nothing changes');
  const apply = (file: string): number =>
    timed(applied, [
      ...[process.execPath, program, 'apply', '--mode', 'iptables', '--iptables-variant', options.variant],
      ...['-f', file, '--state-dir', join(folder, 'state')],
    ]);

  whole = timed(piped, restore, text);
  add(`iptables-${options.variant}-restore of the whole text`, whole);
  whole += timed(piped, save);
  add('the same, and reading it back', whole);
  add('kuberules apply of everything', apply(old));
  const changes = Array.from({ length: 6 }, (_, i) => apply(i % 2 === 0 ? fresh : old)).sort((a, b) => a - b);
  add('kuberules apply of one changed endpoint (median of 6)', ((changes[2] ?? 0) + (changes[3] ?? 0)) / 2);
  add('kuberules apply of nothing', apply(old));
} finally {
  for (const namespace of namespaces) spawnSync('ip', ['netns', 'del', namespace]);
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${services} Services x ${ENDPOINTS} endpoints, iptables-${options.variant}`);
console.table(rows);

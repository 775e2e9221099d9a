/** `kuberules dns`: the names of Services, as zone files. */
import { dnsZones } from '../inspect/dns.js';
import { type DnsZone, zoneLines } from '../inspect/dns-zone.js';
import type { Diagnostic } from '../kube/diagnostics.js';
import { hasErrors } from '../kube/diagnostics.js';
import { placeDiagnostics } from '../kube/locate.js';
import { readPods } from '../kube/pod.js';
import { DEFAULT_CONFIGURATION, type ObjectFlags, readCluster } from './cluster.js';
import type { DNS_PARTS } from './dns-command.js';
import { DONE, TROUBLE } from './exit.js';
import type { Io } from './io.js';
import { type NamedText, printedParts, writeFolder, writePieces } from './output.js';
import { diagnosticJson, printDiagnostics } from './report.js';

/** The command's options as commander gives them. */
export interface DnsFlags extends ObjectFlags {
  readonly zone: string;
  readonly ttl: number;
  readonly serial: number;
  readonly pods: boolean;
  readonly specOnly: boolean;
  readonly outputDir?: string;
  readonly part?: readonly ((typeof DNS_PARTS)[number] | 'all')[];
  readonly output: 'text' | 'json';
}

/** What is said of rules alone; what concerns names is said here in its own words. */
const ABOUT_RULES: ReadonlySet<string> = new Set(['no-cluster-ip', 'no-endpoint-slices']);

/** Runs the command; returns the exit code. */
export async function runDns(flags: DnsFlags, io: Io): Promise<number> {
  const cluster = await readCluster(flags, DEFAULT_CONFIGURATION, io, { readsPods: flags.pods });
  const read = cluster.diagnostics.filter(({ code }) => !ABOUT_RULES.has(code));
  const podDiagnostics: Diagnostic[] = [];
  const pods = flags.pods ? readPods(cluster.pods, podDiagnostics) : [];
  const before = [...read, ...podDiagnostics];
  const made = hasErrors(before) ? { zones: [], diagnostics: [] } : dnsZones(cluster.state, { ...flags, pods });
  const found = placeDiagnostics([...before, ...made.diagnostics], cluster.sources);
  const selected = hasErrors(found) ? [] : selectZones(made.zones, flags);
  const files = selected.map(fileOf);
  const written = hasErrors(found) || flags.outputDir === undefined ? [] : writeFolder(flags.outputDir, files);
  const diagnostics = [...found, ...written];
  const failed = hasErrors(diagnostics);
  if (flags.output === 'json') await io.out(jsonText(failed ? [] : selected, diagnostics));
  else printDiagnostics(diagnostics, io);
  if (!failed && flags.output === 'text' && flags.outputDir === undefined)
    await writePieces(printedParts(files, ';'), io);
  return failed ? TROUBLE : DONE;
}

/** To stdout goes the cluster's zone unless others are asked for; into a folder and into JSON go all. */
function selectZones(zones: readonly DnsZone[], flags: DnsFlags): readonly DnsZone[] {
  const everything = flags.outputDir !== undefined || flags.output === 'json';
  const wanted: readonly string[] = flags.part ?? (everything ? ['all'] : ['forward']);
  if (wanted.includes('all')) return zones;
  return zones.filter((zone, i) => wanted.includes(i === 0 ? 'forward' : zone.name.slice(0, -1)));
}

/** A zone as a file: `cluster.local.zone`. */
function fileOf(zone: DnsZone): NamedText {
  return { name: `${zone.name}zone`, pieces: zoneLines(zone) };
}

function jsonText(zones: readonly DnsZone[], diagnostics: readonly Diagnostic[]): string {
  return `${JSON.stringify({ zones, diagnostics: diagnostics.map(diagnosticJson) }, undefined, 2)}\n`;
}

/** kube-proxy's table of one family: nftables mode. */
import { changeNftTable } from '../backends/nftables/changes.js';
import { readNft } from '../backends/nftables/recognise.js';
import type { NftTable } from '../backends/nftables/rule-set.js';
import { WORDS } from '../backends/nftables/words.js';
import { isAtLeast, parseVersion } from '../backends/version.js';
import type { SourceText } from '../kube/objects.js';
import { type Area, NO_WORK, type Reading } from './area.js';
import { type Command, type Host, kernelVersion } from './host.js';
import { ApplyError, commandTrouble, trouble } from './trouble.js';
import type { WantedTable } from './wanted.js';

/** The table of one family. */
export function tableArea(wanted: WantedTable, host: Host): Area {
  let found: Promise<boolean> | undefined;
  const read = async (): Promise<Reading> => {
    found ??= hasNft(host, wanted);
    return readTable(wanted, host, await found);
  };
  return { wanted, undoable: true, read };
}

/**
 * Reads the table, and says what leads from there to what is wanted. The former table is kept as nft lists it: what
 * clients session affinity remembers is in it, but going back only uses that where a set has to be made anew; their
 * time then starts from the beginning.
 */
async function readTable(wanted: WantedTable, host: Host, hasProgram: boolean): Promise<Reading> {
  const { family, script: text } = wanted;
  const { table } = WORDS[family];
  const listing = hasProgram ? await list(host, wanted) : undefined;
  const current =
    listing === undefined ? undefined : onlyTable({ name: `the list of table ${table}`, text: listing }, table);
  const after = text === '' ? undefined : onlyTable({ name: `the script for ${family}`, text }, table);
  const releasesLate = !isAtLeast(kernelVersion(host), RELEASES_AT_ONCE);
  const { script, changes, replaced, lingering } = changeNftTable(after, current, { releasesLate });
  const former: WantedTable = { ...wanted, script: listing ?? '' };
  if (script === '') return { work: { ...NO_WORK, notes: hasProgram ? [] : notLookedFor(host) }, former };
  const command: Command = { program: 'nft', args: ['-f', '-'], input: script };
  const purpose = after === undefined ? `to remove table ${table}` : `to write table ${table}`;
  const notes = [
    ...(replaced
      ? [`Table ${table} is laid out otherwise, so it is replaced as a whole: session affinity starts anew.`]
      : []),
    ...(lingering.length > 0
      ? [
          `Chains that are of no use any more (${lingering.length}) are emptied; as this kernel frees them late, they are deleted with the next change.`,
        ]
      : []),
  ];
  return { work: { steps: [{ kind: 'command', command, purpose }], changes, notes }, former };
}

/** The oldest that kube-proxy takes: older ones cannot write its maps. */
const OLDEST_NFT = [1, 0, 1];

/** Since this version of Linux what a deleted element led to is free within the same transaction. */
const RELEASES_AT_ONCE = [6, 2];

/** Whether there is an nft; rejects where it is needed and missing, or too old. */
async function hasNft(host: Host, { script }: WantedTable): Promise<boolean> {
  const command: Command = { program: 'nft', args: ['--version'] };
  const finished = await host.run(command);
  if (finished.trouble === 'ENOENT' && script === '') return false;
  if (finished.status !== 0) throw commandTrouble(command, finished, 'to read and write tables');
  const [, version] = /v(\d+(?:\.\d+)+)/.exec(finished.stdout) ?? [];
  if (version !== undefined && !isAtLeast(parseVersion(version), OLDEST_NFT)) {
    const message = `nft is of version ${version}, but kube-proxy's tables need ${OLDEST_NFT.join('.')} or newer.`;
    throw trouble('missing-feature', message, 'Install a newer nftables, or use another mode.');
  }
  return true;
}

/** Where there is no nft: that there may be a table all the same, as kube-proxy brings its own, unless nothing can have made one. */
function notLookedFor(host: Host): readonly string[] {
  const modules = host.read('/proc/modules');
  if (modules !== undefined && !/^nf_tables /m.test(modules)) return [];
  return ['nft is not in PATH, so nobody looked whether rules of mode nftables are in force.'];
}

/** The table as nft lists it; undefined where there is none. */
async function list(host: Host, { family, script }: WantedTable): Promise<string | undefined> {
  const { table } = WORDS[family];
  // Without counters, and with priorities as numbers, as not every version has the same names for them.
  const command: Command = { program: 'nft', args: ['-s', '-y', 'list', 'table', ...table.split(' ')] };
  const finished = await host.run(command);
  if (finished.status === 0) return finished.stdout;
  if (/No such file or directory/.test(finished.stderr)) return undefined;
  if (/(?:Protocol|Operation) not supported|Invalid argument/.test(finished.stderr)) {
    if (script === '') return undefined;
    const [said = ''] = finished.stderr.split('\n');
    throw trouble('missing-feature', `this kernel has no nf_tables: nft says ${said}.`, 'Use another mode.');
  }
  throw commandTrouble(command, finished, `to read table ${table}`);
}

/** The one table in a text; rejects a text with another, or none. */
function onlyTable(source: SourceText, table: string): NftTable {
  const { ruleSet, diagnostics } = readNft(source);
  if (ruleSet === undefined) throw new ApplyError(diagnostics);
  const names = ruleSet.tables.map(({ family, name }) => `${family} ${name}`);
  const [only] = ruleSet.tables;
  if (only === undefined || names.join(', ') !== table) {
    const message = `${source.name} must have table ${table} alone, and has ${names.join(', ')}.`;
    throw trouble('unreadable-rules', message);
  }
  return only;
}

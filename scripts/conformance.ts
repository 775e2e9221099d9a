/**
 * npm run conformance -- DIR...: compiles every case below some folders and compares the texts byte for byte with
 * those recorded from kube-proxy. Prints a unified diff for each text that differs, and counts.
 * Exit status: 0 all equal, 1 some differ, 2 no case found.
 */
import { existsSync } from 'node:fs';
import { relative } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { printDiagnostic } from '../src/cli/report.js';
import { PROXY_MODES, type ProxyMode } from '../src/index.js';
import { caseName, compileCase, expectedTexts, findCases } from '../test/support/case.js';

/** Lines of one diff that are printed. */
const MOST_DIFF_LINES = 60;

function shortened(patch: string): string {
  const lines = patch.split('\n').slice(2);
  if (lines.length <= MOST_DIFF_LINES) return lines.join('\n');
  return [...lines.slice(0, MOST_DIFF_LINES), `... ${lines.length - MOST_DIFF_LINES} more lines`].join('\n');
}

/** Compares one case in one mode; prints what differs. */
function compareCase(folder: string, mode: ProxyMode): { equal: number; different: number } {
  const expected = expectedTexts(folder, mode);
  const { texts, diagnostics } = compileCase(folder, mode);
  let equal = 0;
  let different = 0;
  for (const name of [...new Set([...expected.keys(), ...texts.keys()])].sort()) {
    const wanted = expected.get(name);
    const got = texts.get(name);
    if (wanted === got) {
      equal++;
      continue;
    }
    different++;
    console.log(`\n${relative('.', folder)}: ${name} differs`);
    if (wanted === undefined) console.log('  kube-proxy wrote no such text');
    else if (got === undefined)
      console.log(diagnostics.map((each) => `  ${printDiagnostic(each, false)}`).join('\n') || '  missing');
    else console.log(shortened(createTwoFilesPatch('kube-proxy', 'kuberules', wanted, got)));
  }
  return { equal, different };
}

const folders = process.argv.slice(2);
const missing = folders.filter((folder) => !existsSync(folder));
const cases = folders.filter((folder) => existsSync(folder)).flatMap((folder) => findCases(folder));
if (folders.length === 0 || missing.length > 0 || cases.length === 0) {
  console.error(missing.length > 0 ? `no such folder: ${missing.join(', ')}` : 'usage: npm run conformance -- DIR...');
  if (folders.length > 0 && missing.length === 0) console.error('no case (a folder with objects.yaml) found');
  process.exit(2);
}
let equal = 0;
let different = 0;
const differing = new Set<string>();
for (const [i, folder] of cases.entries()) {
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1}/${cases.length} ${caseName(folder)}\x1b[K`);
  for (const mode of PROXY_MODES) {
    const result = compareCase(folder, mode);
    equal += result.equal;
    different += result.different;
    if (result.different > 0) differing.add(folder);
  }
}
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
console.log(
  `${cases.length} cases, modes ${PROXY_MODES.join(', ')}: ${equal} texts equal, ${different} differ in ${differing.size} cases`,
);
process.exitCode = different > 0 ? 1 : 0;

/**
 * Golden files: every case below golden/ compiles to exactly the texts in its folder `expected`.
 *
 * Cases without a case.json are recorded from kube-proxy and are never written. For the others `npm run golden:update`
 * refreshes what is there; a missing text is written at once, but in CI it is a failure.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diagnosticLines } from '../src/cli/report.js';
import { PROXY_MODES, type ProxyMode, placeDiagnostics } from '../src/index.js';
import { caseName, compileCase, expectedTexts, findCases, isRecorded } from './support/case.js';

const update = process.env.UPDATE_GOLDEN === '1';
const inCI = process.env.CI !== undefined && process.env.CI !== '' && process.env.CI !== 'false';

const cases = findCases('golden').map((folder): [string, string] => [caseName(folder), folder]);

describe.each(PROXY_MODES)('golden files in mode %s', (mode) => {
  it.each(cases)('%s', (_name, folder) => {
    const { texts } = compileCase(folder, mode);
    if (!isRecorded(folder)) refresh(folder, mode, texts);
    expect(Object.fromEntries(texts)).toEqual(Object.fromEntries(expectedTexts(folder, mode)));
    expect(texts.size).toBeGreaterThan(0);
  });
});

describe('golden diagnostics', () => {
  it.each(cases.filter(([, folder]) => !isRecorded(folder)))('%s', (_name, folder) => {
    const said = diagnosticText(folder);
    const file = join(folder, 'expected', 'diagnostics.txt');
    if (update || (!existsSync(file) && !inCI)) writeFileSync(file, said);
    expect(said).toBe(existsSync(file) ? readFileSync(file, 'utf8') : undefined);
  });
});

/** What is said about a case: first in every mode, then in some only, each line with its mode. */
function diagnosticText(folder: string): string {
  const source = { name: 'objects.yaml', text: readFileSync(join(folder, 'objects.yaml'), 'utf8') };
  const lines = PROXY_MODES.map((mode) =>
    diagnosticLines(placeDiagnostics(compileCase(folder, mode).diagnostics, [source]), false),
  );
  const everywhere = (lines[0] ?? []).filter((line) => lines.every((each) => each.includes(line)));
  const special = PROXY_MODES.flatMap((mode, i) =>
    (lines[i] ?? []).filter((line) => !everywhere.includes(line)).map((line) => `mode ${mode}: ${line}`),
  );
  return [...everywhere, ...special].map((line) => `${line}\n`).join('');
}

it.each(cases)('%s says what to look at', (_name, folder) => {
  const [title, , sentence] = readFileSync(join(folder, 'README.md'), 'utf8').split('\n');
  expect(title).toMatch(/^# ./);
  expect(sentence).toMatch(/./);
});

function refresh(folder: string, mode: ProxyMode, texts: ReadonlyMap<string, string>): void {
  const expected = expectedTexts(folder, mode);
  mkdirSync(join(folder, 'expected'), { recursive: true });
  for (const [name, text] of texts) {
    const missing = !expected.has(name);
    if (update || (missing && !inCI)) writeFileSync(join(folder, 'expected', name), text);
  }
  for (const name of expected.keys()) if (update && !texts.has(name)) rmSync(join(folder, 'expected', name));
}

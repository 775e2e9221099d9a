/**
 * Transcripts: what whole command lines print. The first line of each file of test/transcripts is the command; behind
 * it come stdout, `--- stderr` with what went there, and the exit status.
 *
 * `npm run golden:update` runs the commands again and writes what they print, also for a file of a first line only; in
 * CI nothing is written. JSON on stdout is held against the schema of its command in docs/schema.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CliResult, kuberules } from './support/cli.js';
import { schemaProblems } from './support/json-schema.js';

const FOLDER = 'test/transcripts';
const inCI = process.env.CI !== undefined && process.env.CI !== '' && process.env.CI !== 'false';
const update = process.env.UPDATE_GOLDEN === '1' && !inCI;

function transcript(command: string, { code, out, err }: CliResult): string {
  const stderr = err === '' ? '' : `--- stderr\n${err}`;
  return `${command}\n${out}${stderr}--- exit status ${code}\n`;
}

describe('transcripts', () => {
  it.each(readdirSync(FOLDER))('%s', async (name) => {
    const file = join(FOLDER, name);
    const expected = readFileSync(file, 'utf8');
    const command = expected.split('\n')[0] ?? '';
    expect(command).toMatch(/^\$ kuberules [a-z]+ /);
    const args = command.split(' ').slice(2);
    const result = await kuberules(...args);
    const actual = transcript(command, result);
    if (update) writeFileSync(file, actual);
    else expect(actual).toBe(expected);
    const schema = `${args[0]}.json`;
    if (args.join(' ').includes('--output json') && existsSync(join('docs/schema', schema))) {
      expect(schemaProblems(JSON.parse(result.out), schema)).toEqual([]);
    }
  });
});

/** The state folder: who may write there, who is at work, and what is kept. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { takeLock } from '../../src/apply/lock.js';
import { isRunning, processMark } from '../../src/apply/process-mark.js';
import { readState, saveState } from '../../src/apply/saved-state.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kuberules-state-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

it('the lock is held by one, and freed', () => {
  const free = takeLock(folder);
  expect(() => takeLock(folder)).toThrow(`another kuberules (process ${process.pid}) is changing the rules`);
  free();
  takeLock(folder)();
  expect(readdirSync(folder)).toEqual([]);
});

it.each([
  ['no process', '999999999 1'],
  // A number that is another process's by now.
  ['a process that has this number now', `${process.pid} 1`],
  ['nobody, as the disk was full', ''],
])('a lock of %s is taken over', (_, holder) => {
  writeFileSync(join(folder, 'lock'), holder);
  const free = takeLock(folder);
  expect(readFileSync(join(folder, 'lock'), 'utf8')).toBe(processMark(process.pid));
  free();
  expect(readdirSync(folder)).toEqual([]);
});

it('a process is told from one with the same number', () => {
  const mark = processMark(process.pid) ?? '';
  expect(mark).toMatch(/^\d+ \d+$/);
  expect(isRunning(mark)).toBe(true);
  expect(isRunning(`${mark}1`)).toBe(false);
  expect(isRunning('')).toBe(false);
});

it('a folder that others can write to is refused, and so is a link', () => {
  chmodSync(folder, 0o777);
  expect(() => takeLock(folder)).toThrow('is no folder that only this user can write to, so nothing was changed');
  chmodSync(folder, 0o700);
  const [real, link] = [join(folder, 'real'), join(folder, 'link')];
  mkdirSync(real);
  symlinkSync(real, link);
  expect(() => saveState(link, 'before-1.json', [])).toThrow('is no folder that only this user can write to');
  expect(readdirSync(real)).toEqual([]);
});

it('ten states are kept, and always the new one, also where the clock was set back', () => {
  for (let i = 10; i < 25; i++) saveState(folder, `before-2026-${i}.json`, []);
  const path = saveState(folder, 'before-1999.json', []);
  expect(readdirSync(folder).sort()).toEqual([
    'before-1999.json',
    ...Array.from({ length: 9 }, (_, i) => `before-2026-${16 + i}.json`),
  ]);
  expect(readState(path)).toEqual([]);
});

it('a state with rules of the wrong kind inside is none', () => {
  const table = { kind: 'nftables', family: 'ipv4', script: '' };
  const ipvs = {
    kind: 'ipvs',
    family: 'ipv4',
    ipvsadm: '',
    ipset: '',
    addresses: '',
    excludeCIDRs: [],
    xtables: table,
  };
  const path = join(folder, 'state.json');
  writeFileSync(path, JSON.stringify({ kuberules: 1, wanted: [ipvs] }));
  expect(() => readState(path)).toThrow('holds no saved state');
});

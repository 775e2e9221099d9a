/** Finished text: what `kuberules compile` prints is taken, in every case; what is cut off or has rules of others is not. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { finishedTexts } from '../../src/apply/finished.js';
import type { ProxyMode } from '../../src/kube/config.js';

const PARTS = { iptables: ['rules', 'setup'], nftables: ['nft'] } as const;

/** What `compile --part all` prints of a case, but for families of which nothing is recorded. */
function printed(folder: string, mode: 'iptables' | 'nftables'): string {
  const parts = (['ipv4', 'ipv6'] as const).flatMap((family) =>
    PARTS[mode].map((part) => {
      const file = `golden/${folder}/expected/${mode}.${family}.${part}`;
      return existsSync(file) ? `# ${mode}.${family}.${part}\n${readFileSync(file, 'utf8')}` : '';
    }),
  );
  return parts.join('');
}

const problems = (text: string, mode: ProxyMode) =>
  finishedTexts({ name: 'stdin', text }, mode).diagnostics.map(({ message }) => message);

it.each(['iptables', 'nftables'] as const)('what compile prints in mode %s', (mode) => {
  const texts = readdirSync('golden').map((folder) => [folder, printed(folder, mode)] as const);
  const whole = texts.filter(([, text]) => text !== '');
  expect(whole.length).toBeGreaterThan(50);
  for (const [folder, text] of whole) expect(problems(text, mode), folder).toEqual([]);
});

it('cut off behind any line', () => {
  const lines = printed('shop', 'iptables').split('\n');
  const taken: string[] = [];
  for (let count = 1; count < lines.length - 1; count++) {
    const text = `${lines.slice(0, count).join('\n')}\n`;
    if (problems(text, 'iptables').length === 0) taken.push(lines[count] ?? '');
  }
  // The part setup is the same for all, and is put in where it is missing as a whole.
  expect(taken).toEqual(['# iptables.ipv4.setup']);
});

it.each(['iptables', 'ipvs', 'nftables'] as const)('nothing, or something else, is told in words of %s', (mode) => {
  const hints = (text: string) =>
    finishedTexts({ name: 'stdin', text }, mode).diagnostics.map(({ message, hint }) => [message, hint]);
  const failed = 'If it comes through a pipe, what was to print it has failed and says why.';
  expect(hints('\n')).toEqual([['the text is empty.', failed]]);
  const [[message, hint] = []] = hints('kind: Service\n');
  expect(message).toContain('is of no dump that is known.');
  expect(hint).toBe(`Give what \`kuberules compile --mode ${mode}\` prints.`);
});

it.each([
  ['*nat\n:DOCKER - [0:0]\nCOMMIT\n', "chain DOCKER of table nat is not kube-proxy's."],
  ['*filter\n:KUBE-FORWARD - [0:0]\nCOMMIT\n', 'table nat is missing: is the text cut off?'],
  ['', 'parts are missing for ipv4: rules.'],
])('refuses %j', (rules, message) => {
  const text = `# iptables.ipv4.setup\n${rules === '' ? '' : `# iptables.ipv4.rules\n${rules}`}`;
  expect(problems(text, 'iptables')).toContain(message);
});

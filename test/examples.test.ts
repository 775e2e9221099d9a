/** The README shows what the examples really are and really print. */
import { readFileSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { kuberules } from './support/cli.js';

const readme = readFileSync('README.md', 'utf8');

it('the library example runs, and is the one in the README', async () => {
  const printed: string[] = [];
  const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
  const example = '../examples/library.mjs';
  await import(example);
  log.mockRestore();
  expect(readme).toContain(`\`\`\`js\n${readFileSync('examples/library.mjs', 'utf8')}\`\`\``);
  expect(printed).toHaveLength(1);
  expect(readme).toContain(`$ node examples/library.mjs\n${printed.join('\n')}\n\`\`\``);
});

it('the tutorial example prints what the README shows', async () => {
  const { code, out, err } = await kuberules('compile', '--mode', 'iptables', '--simulate', '-f', 'examples/tutorial');
  expect(code).toBe(0);
  const shown = out.split('\n').filter((line) => line.includes('hello'));
  expect(readme).toContain(`grep hello\n${shown.join('\n')}\n\`\`\``);
  expect(readme).toContain(`\`\`\`text\n${err}\`\`\``);
});

it('the shop example has rules for the Services that need some, and for no other', async () => {
  const { code, out } = await kuberules('compile', '--mode', 'iptables', '-f', 'examples/shop');
  expect(code).toBe(0);
  const names = new Set(out.match(/shop\/[a-z]+/g));
  expect([...names].sort()).toEqual(['shop/admin', 'shop/cache', 'shop/payments', 'shop/web']);
});

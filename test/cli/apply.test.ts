/** The command line of apply and cleanup as far as it touches no host. What it does to one: test/kernel/apply-*.ts. */
import { expect, it } from 'vitest';
import { kuberules } from '../support/cli.js';

it.each([
  ['nothing to apply', [], 'there is nothing to apply'],
  ['two sources', ['-f', 'x', '--restore', 'y'], '-f and --restore exclude each other'],
  ['objects and a confirmation', ['-f', 'x', '--confirm'], '-f and --confirm exclude each other'],
  ['a file as argument', ['objects.yaml'], 'unexpected argument "objects.yaml"'],
  ['a dry run to confirm', ['-f', 'x', '--dry-run', '--confirm-within', '5s'], 'nothing to confirm'],
  ['a time that is none', ['-f', 'x', '--confirm-within', 'soon'], 'It must be a time from 1s to 60m'],
  ['no time at all', ['-f', 'x', '--confirm-within', '0s'], 'It must be a time from 1s to 60m'],
  ['a wait without end', ['-f', 'x', '--wait', '0'], 'It must be a number from 1 to 3600'],
  ['a variant that is none', ['-f', 'x', '--iptables-variant', 'ebtables'], 'Allowed choices are nft, legacy'],
])('refuses %s', async (_, args, says) => {
  const result = await kuberules('apply', ...args);
  expect(result).toMatchObject({ code: 2, out: '' });
  expect(result.err).toContain(says);
});

it('cleanup takes no objects', async () => {
  expect(await kuberules('cleanup', '-f', 'x')).toMatchObject({ code: 2, out: '' });
});

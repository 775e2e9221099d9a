/** The command line of explain, where transcripts would be too long. */
import { expect, it } from 'vitest';
import { kuberules } from '../support/cli.js';

it.each(['txt', 'json'])('knows every line that a node lists: nft-list.ip.%s', async (form) => {
  const folder = 'test/dumps/host/dual-stack';
  const cluster = ['-f', `${folder}/objects.yaml`, '--config', `${folder}/config.yaml`, '--mode', 'nftables'];
  const lines = ['--line-file', `${folder}/nft-list.ip.${form}`, '--output', 'json'];
  const { out } = await kuberules('explain', ...cluster, ...lines);
  const told: readonly { what: string; written?: boolean }[] = JSON.parse(out).explanation.lines;
  expect(told.filter(({ what, written }) => what === 'unknown' || written === false)).toEqual([]);
  expect(told.filter(({ written }) => written === true)).toHaveLength(61);
});

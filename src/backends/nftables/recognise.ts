/** Telling the forms of nftables' rule sets from each other and from anything else. */
import type { SourceText } from '../../kube/objects.js';
import { type ReadNftResult, RuleSetProblem, reading } from './problem.js';
import { readNftJson } from './read-json.js';
import { readNftListing } from './read-listing.js';
import { readNftScript } from './read-script.js';
import type { NftForm, NftRuleSet } from './rule-set.js';

/** The form that a text seems to have, from its beginning; undefined for a text that is no rule set of nftables. */
export function recogniseNft(text: string): NftForm | undefined {
  const [start = ''] = /^(?:\s*#.*\n|\s*\n)*.{0,200}/.exec(text.slice(0, 10_000)) ?? [];
  const line = start.slice(start.lastIndexOf('\n') + 1).trim();
  if (/^(?:add|delete) (?:table|chain|set|map|rule|element) /.test(line)) return 'script';
  if (/^table \S+ \S+ \{/.test(line)) return 'listing';
  return /^\{\s*"nftables"\s*:/.test(text.slice(0, 1000).trim()) ? 'json' : undefined;
}

const READERS: Readonly<Record<NftForm, (source: SourceText) => ReadNftResult>> = {
  script: readNftScript,
  listing: readNftListing,
  json: readNftJson,
};

/** Reads a rule set of nftables in any of its forms. Problems: one error `unreadable-rules`, with its line. */
export function readNft(source: SourceText): ReadNftResult {
  const form = recogniseNft(source.text);
  if (form !== undefined) return READERS[form](source);
  return reading(source, () => {
    throw new RuleSetProblem('This is neither a script for nft nor what `nft list` or `nft -j list` prints.', 0);
  });
}

/**
 * How kube-proxy's table is laid out: `1.36` (and 1.37), `1.34` (1.34, 1.35 and late 1.33), `1.33` (the first ones);
 * undefined for a table that has the chains of none. Leftovers of an older version beside a newer one do not count.
 */
export type NftLayout = '1.36' | '1.34' | '1.33';

/** The layout of a table, told from the chains and sets that only some versions have. */
export function layoutOf({ tables }: NftRuleSet, family: string): NftLayout | undefined {
  const table = tables.find((each) => !each.foreign && each.family === family);
  const names = new Set(table?.objects.map((each) => each.name));
  if (!names.has('services') || !names.has('service-ips')) return undefined;
  if (names.has('hairpin-connections')) return '1.36';
  if (!names.has('mark-for-masquerade')) return undefined;
  return names.has('filter-output-post-dnat') && !names.has('filter-output-pre-dnat') ? '1.33' : '1.34';
}

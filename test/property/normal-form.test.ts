/** In normal form no two tables are the same that are not. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compile, loadCluster, partText } from '../../src/index.js';
import { differences } from '../backends/nftables/support.js';
import { randomCluster } from './random-cluster.js';

it('any line of a script that is missing, repeated or changed makes a difference', () => {
  fc.assert(
    fc.property(randomCluster, fc.nat(), fc.nat(), ({ objects, config, node }, which, where) => {
      const { state } = loadCluster(objects.map((object) => ({ object })));
      const [part] = compile(state, { mode: 'nftables', config, node }).parts;
      const script = part === undefined ? '' : partText(part);
      const lines = script.split('\n').slice(2, -1);
      const at = which % lines.length;
      const line = lines[at] ?? '';
      let seen = 0;
      for (const changed of [missing(line), ...twice(line), ...withOtherWords(line, where)]) {
        const mutant = lines.with(at, changed).join('\n');
        // What names the chain or set may make a text that cannot be read.
        const found = tryDifferences(lines.join('\n'), mutant);
        if (found === undefined) continue;
        seen++;
        expect(found, `${line} → ${changed}`).not.toEqual([]);
      }
      // The runs count lines of which some change can be judged.
      fc.pre(seen > 0);
    }),
    { numRuns: 45 },
  );
});

function missing(line: string): string {
  return `# ${line}`;
}

function twice(line: string): readonly string[] {
  return line.startsWith('add rule') ? [`${line}\n${line}`] : [];
}

/** One number or one word in the part that says what the object is; no network, as its host bits say nothing. */
function withOtherWords(line: string, where: number): readonly string[] {
  const [, start = '', rest = ''] = /^(add \w+ \S+ \S+ \S+ )(.*)$/.exec(line) ?? [];
  const withoutNetworks = rest.replace(/[\da-f.:]+\/\d+/g, (network) => '~'.repeat(network.length));
  const words = [...withoutNetworks.matchAll(/[\w-]+/g)].filter(([word]) => !['addr', 'port', 'random'].includes(word));
  const match = words[where % Math.max(words.length, 1)];
  if (match === undefined) return [];
  const [word] = match;
  const other = /^\d+$/.test(word) ? String((Number(word) + 1) % 200) : `${word}x`;
  return [start + rest.slice(0, match.index) + other + rest.slice(match.index + word.length)];
}

function tryDifferences(left: string, right: string) {
  try {
    return differences(left, right);
  } catch {
    return undefined;
  }
}

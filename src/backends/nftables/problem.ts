/** How readers of rule sets report a text that they cannot read. */
import { type Diagnostic, diagnostic } from '../../kube/diagnostics.js';
import type { SourceText } from '../../kube/objects.js';
import type { NftRuleSet } from './rule-set.js';

/** What a reader makes of a text: a rule set, or an error that says where the text cannot be read. */
export interface ReadNftResult {
  /** undefined with an error among the diagnostics. */
  readonly ruleSet: NftRuleSet | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** A place in a text that cannot be read, with a sentence about it. */
export class RuleSetProblem extends Error {
  readonly offset: number;

  constructor(sentence: string, offset: number) {
    super(sentence);
    this.offset = offset;
  }
}

/** Runs a reader; the first problem it throws becomes the one diagnostic, with its line. */
export function reading(source: SourceText, read: () => NftRuleSet): ReadNftResult {
  try {
    return { ruleSet: read(), diagnostics: [] };
  } catch (error) {
    if (!(error instanceof RuleSetProblem)) throw error;
    const place = { file: source.name, line: lineOf(source.text, error.offset) };
    return { ruleSet: undefined, diagnostics: [diagnostic('unreadable-rules', error.message, { place })] };
  }
}

/** The 1-based number of the line that holds an offset. */
function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

/** What becomes of a connection, in words, and what changes between two such answers. */
import type { Endpoint } from '../../plan/endpoints.js';
import type { Answer, Reaches, SeenSource } from '../traffic.js';

/** What an answer changes in. */
type Aspect = 'verdict' | 'endpoints' | 'masquerade' | 'affinity' | 'source-ranges';

/** What changes for a sender. */
export interface AnswerChange {
  /** In words: `gains 10.244.1.7:8080; 3 endpoints, were 2`. */
  readonly text: string;
  readonly aspects: readonly Aspect[];
  /** Endpoints that it can reach now, and no longer; bytewise by text. */
  readonly gained: readonly string[];
  readonly lost: readonly string[];
}

/** How many endpoints a sentence names. */
const MOST_NAMED = 4;

const SOURCES: Readonly<Record<SeenSource, string>> = {
  kept: 'source kept',
  masqueraded: 'masqueraded',
  called: 'from the address that was called',
};

/** `reaches 2 endpoints, masqueraded, sticky for 60 s`, or `dropped`. */
export function answerText(answer: Answer): string {
  switch (answer.verdict) {
    case 'reaches': {
      const { endpoints, source, stickySeconds } = answer;
      const sticky = stickySeconds === undefined ? '' : `, sticky for ${stickySeconds} s`;
      return `reaches ${counted(endpoints.length)}, ${SOURCES[source]}${sticky}`;
    }
    case 'untouched':
      return 'not translated';
    case 'healthy':
      return 'answered with 200 (a ready endpoint here)';
    case 'unhealthy':
      return 'answered with 503 (no ready endpoint here)';
    default:
      return answer.verdict;
  }
}

/** What changes from one answer to another; undefined where they are the same. */
export function answerChange(before: Answer, after: Answer): AnswerChange | undefined {
  if (before.verdict === 'reaches' && after.verdict === 'reaches') return reachChange(before, after);
  if (before.verdict === after.verdict) return undefined;
  return {
    text: `${pastText(before)}, now ${answerText(after)}`,
    aspects: ['verdict'],
    gained: textsOf(after),
    lost: textsOf(before),
  };
}

function pastText(answer: Answer): string {
  const text = answerText(answer);
  return answer.verdict === 'reaches' ? text.replace('reaches', 'reached') : `was ${text}`;
}

function reachChange(before: Reaches, after: Reaches): AnswerChange | undefined {
  const { gained, lost } = compareEndpoints(before.endpoints, after.endpoints);
  const parts: string[] = [];
  const aspects: Aspect[] = [];
  if (gained.length > 0 || lost.length > 0) {
    aspects.push('endpoints');
    if (gained.length > 0) parts.push(`gains ${named(gained)}`);
    if (lost.length > 0) parts.push(`loses ${named(lost)}`);
    if (before.endpoints.length !== after.endpoints.length) {
      parts.push(
        `${counted(after.endpoints.length)}, ${before.endpoints.length === 1 ? 'was' : 'were'} ${before.endpoints.length}`,
      );
    }
  }
  if (before.source !== after.source) {
    aspects.push('masquerade');
    parts.push(`now ${SOURCES[after.source]}, was ${SOURCES[before.source]}`);
  }
  if (before.stickySeconds !== after.stickySeconds) {
    aspects.push('affinity');
    parts.push(affinityText(before.stickySeconds, after.stickySeconds));
  }
  return parts.length === 0 ? undefined : { text: parts.join('; '), aspects, gained, lost };
}

function affinityText(before: number | undefined, after: number | undefined): string {
  if (after === undefined) return `no longer sticky (was for ${before} s)`;
  return before === undefined ? `now sticky for ${after} s` : `sticky for ${after} s, was ${before} s`;
}

/** Both lists are sorted by text. */
function compareEndpoints(
  before: readonly Endpoint[],
  after: readonly Endpoint[],
): Pick<AnswerChange, 'gained' | 'lost'> {
  if (before.length === after.length && before.every(({ text }, i) => text === after[i]?.text)) {
    return { gained: [], lost: [] };
  }
  const old = new Set(before.map(({ text }) => text));
  const now = new Set(after.map(({ text }) => text));
  return { gained: [...now].filter((text) => !old.has(text)), lost: [...old].filter((text) => !now.has(text)) };
}

function textsOf(answer: Answer): readonly string[] {
  return answer.verdict === 'reaches' ? answer.endpoints.map(({ text }) => text) : [];
}

/** `a, b and 12 more` */
export function named(texts: readonly string[], most = MOST_NAMED): string {
  // One more takes no more room than saying so.
  if (texts.length <= most + 1) return texts.join(', ');
  return `${texts.slice(0, most).join(', ')} and ${texts.length - most} more`;
}

function counted(count: number): string {
  return `${count} endpoint${count === 1 ? '' : 's'}`;
}

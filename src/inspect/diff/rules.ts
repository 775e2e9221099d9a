/** The lines of rules behind changes of traffic, as unified diffs for each Service. */
import { createTwoFilesPatch } from 'diff';
import { BACKENDS } from '../../backends/compile.js';
import { groupBy } from '../../net/group.js';
import { compareBytes } from '../../net/text.js';
import type { NodePlan } from '../../plan/plan.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import type { FamilySide } from './settings.js';

/** The changed lines of one Service, or of what belongs to no Service. */
export interface RulesDiff {
  /** `namespace/name`, '' for the node as a whole. */
  readonly service: string;
  /** One unified diff after another, each of a part: `--- old/iptables.ipv4.rules`. */
  readonly diff: string;
}

/** Lines of a part that one Service contributes, and all lines of that part. */
interface PartLines {
  /** `iptables.ipv4.rules` */
  readonly name: string;
  readonly own: readonly string[];
  readonly whole: ReadonlySet<string>;
}

/** What a plan comes to for one Service, or for none. */
type Texts = (service: string) => readonly PartLines[];

/**
 * The changed lines: first those of no Service, then those of each Service that has any.
 * @param renamed new names of Services by their old ones
 */
export function rulesDiff(
  before: readonly FamilySide[],
  after: readonly FamilySide[],
  renamed: ReadonlyMap<string, string>,
): readonly RulesDiff[] {
  const [old, now] = [before, after].map((side) => side.map(({ plan }) => textsOf(plan)));
  const texts = (side: readonly Texts[] = [], service: string) => side.flatMap((each) => each(service));
  const oldNames = new Map(Array.from(renamed, ([from, to]) => [to, from]));
  const names = new Set([...before, ...after].flatMap(({ plan }) => plan.servicePorts.map(serviceOf)));
  const services = [...names].filter((name) => !renamed.has(name)).sort(compareBytes);
  return ['', ...services].flatMap((service) => {
    const diff = unifiedDiffs(texts(old, oldNames.get(service) ?? service), texts(now, service));
    return diff === '' ? [] : { service, diff };
  });
}

function serviceOf({ namespace, service }: ServicePortPlan): string {
  return `${namespace}/${service}`;
}

/**
 * A plan of some Services only has the same lines for them as the whole, but for those that depend on what others bring
 * (a rule for a set that is not empty): which of these are new is for the whole text to say.
 */
function textsOf(plan: NodePlan): Texts {
  const lower = BACKENDS[plan.mode].create();
  const partsOf = (part: NodePlan) =>
    lower(part).texts.map(({ part: name, pieces }) => ({
      name: `${plan.mode}.${plan.node.family}.${name}`,
      lines: pieces.join('').split('\n').slice(0, -1),
    }));
  const wholes = new Map(partsOf(plan).map(({ name, lines }) => [name, new Set(lines)]));
  const byService = groupBy(plan.servicePorts, serviceOf);
  return (service) => {
    const servicePorts = byService.get(service) ?? [];
    return partsOf({ ...plan, servicePorts }).map(({ name, lines }) => ({
      name,
      own: lines,
      whole: wholes.get(name) ?? new Set(),
    }));
  };
}

function unifiedDiffs(before: readonly PartLines[], after: readonly PartLines[]): string {
  const names = [...new Set([...before, ...after].map(({ name }) => name))];
  return names
    .map((name) => {
      const [old, now] = [before, after].map((parts) => parts.find((part) => part.name === name));
      return unifiedDiff(name, old, now);
    })
    .join('');
}

const NOTHING: PartLines = { name: '', own: [], whole: new Set() };

function unifiedDiff(name: string, old = NOTHING, now = NOTHING): string {
  const kept = (lines: readonly string[], other: PartLines) => {
    const others = new Set(other.own);
    return lines.filter((line) => others.has(line) || !other.whole.has(line));
  };
  const [was, is] = [kept(old.own, now), kept(now.own, old)];
  if (was.length === is.length && was.every((line, i) => line === is[i])) return '';
  const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join('');
  const patch = createTwoFilesPatch(`old/${name}`, `new/${name}`, text(was), text(is), undefined, undefined, {
    context: 0,
  });
  return patch.replace(/^=+\n/, '').replaceAll('\t\n', '\n');
}

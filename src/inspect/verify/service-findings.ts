/**
 * What differs, in terms of Services. What differs for one service port is explained first by the endpoints that the
 * node seems to know: the plan with those endpoints is lowered again, and only what is different even so is told rule
 * by rule.
 */
import { lowerProtocol } from '../../net/protocol.js';
import type { Endpoint } from '../../plan/endpoints.js';
import type { ServicePortPlan } from '../../plan/service-port.js';
import { type Contents, type Difference, sameContainer } from './contents.js';
import { endpointsMinus, onceEach, sameEndpoints, whyExtra, whyMissing } from './endpoints.js';
import { type Adapter, type Comparison, differencesOf, type StaleGroup } from './engine.js';
import { VERIFY_CODES, type VerifyCode, type VerifyDetail, type VerifyFinding } from './finding.js';
import { codeOf, detailsOf, endpointsText, messageOf, nameOf, plural } from './words.js';

/** Puts everything that differs into words. */
export function findingsOf(adapter: Adapter, comparison: Comparison): readonly VerifyFinding[] {
  const reported = new Set<string>();
  return [
    ...fixedFindings(adapter, comparison),
    ...comparison.services.flatMap((plan) => serviceFindings(adapter, comparison, plan, reported)),
    ...drainingFindings(adapter),
    ...staleFindings(adapter, comparison),
  ];
}

/** Differences of what belongs to no service port, and shared containers that were emptied. */
function fixedFindings(adapter: Adapter, { fixed, voided }: Comparison): readonly VerifyFinding[] {
  const emptied = [...voided].flatMap((name) => {
    const container = adapter.fixed.get(name);
    if (container === undefined) return [];
    const isThere = adapter.observed.has(name);
    const code = container.kind === 'chain' ? 'chain-empty' : isThere ? 'entry-missing' : 'set-missing';
    const message = `${nameOf(container)} is ${isThere ? 'empty' : 'missing'}, and so is what it should hold for Services.`;
    return [finding(adapter, undefined, code, message, [])];
  });
  const others = fixed.filter(({ container }) => !voided.has(container.name));
  return [...emptied, ...groupedFindings(adapter, undefined, others)];
}

function serviceFindings(
  adapter: Adapter,
  comparison: Comparison,
  plan: ServicePortPlan,
  reported: Set<string>,
): readonly VerifyFinding[] {
  const scope = comparison.scopes.get(plan) ?? new Map();
  const all = differencesOf(adapter, plan, scope, comparison.voided);
  if (hasNothing(adapter, comparison, plan, scope, all)) {
    return [finding(adapter, plan, 'no-rules', `no rules at all${whatItHas(plan)}.`, detailsOf(all))];
  }
  const inferred = adapter.infer(plan, scope);
  const residual = withoutIntact(adapter, plan, differencesOf(adapter, inferred, scope, comparison.voided));
  const explains = residual.length <= all.length;
  const found = explains
    ? [...endpointFindings(adapter, plan, inferred), ...affinityFindings(adapter, plan, inferred)]
    : [];
  const isMoved = explains && !haveSameEndpoints(plan, inferred);
  const wanted = adapter.lower(plan);
  const rest = (explains ? residual : all).filter((difference) => {
    // Where endpoints are wrong so are their shares, and both are put right together.
    if (isMoved && adapter.classify(difference, plan)?.code === 'uneven') return false;
    // What the inferred plan alone asks for, or alone does not know, comes of those endpoints, too.
    const { container, is, should } = difference;
    const isWanted = (text: string) => wanted.get(container.name)?.items.some((item) => item.text === text) === true;
    if (isMoved && difference.kind === 'extra' && is !== undefined && isWanted(is.text)) return false;
    if (isMoved && difference.kind === 'missing' && should !== undefined && !isWanted(should.text)) return false;
    // One entry of a set may be missed by all ports of a Service.
    if (difference.kind !== 'missing' || difference.container.kind === 'chain') return true;
    const key = `${difference.container.name} ${difference.should?.text}`;
    if (reported.has(key)) return false;
    reported.add(key);
    return true;
  });
  return [...found, ...groupedFindings(adapter, plan, rest)];
}

/** Whether nothing of a service port is there, but for entries that others want as well. */
function hasNothing(
  adapter: Adapter,
  { claims, voided }: Comparison,
  plan: ServicePortPlan,
  scope: Contents,
  differences: readonly Difference[],
): boolean {
  if (differences.some(({ kind }) => kind !== 'missing' && kind !== 'absent')) return false;
  let wanted = 0;
  for (const container of adapter.lower(plan).values()) {
    if (voided.has(container.name)) return false;
    if (!adapter.fixed.has(container.name)) {
      if (scope.has(container.name)) return false;
      wanted++;
      continue;
    }
    const found = new Set(scope.get(container.name)?.items.map(({ text }) => text));
    for (const { text } of container.items) {
      if ((claims.get(`${container.name} ${text}`) ?? 0) > 1) continue;
      if (found.has(text)) return false;
      wanted++;
    }
  }
  return wanted > 0;
}

function whatItHas(plan: ServicePortPlan): string {
  const count = plan.reachableEndpoints.length;
  if (count === 0) return '; it has no usable endpoint here, and should be refused';
  return `; it has ${count} usable endpoint${count === 1 ? '' : 's'}`;
}

/** Without chains that are too many by the inferred plan, but as they should be by the real one. */
function withoutIntact(
  adapter: Adapter,
  plan: ServicePortPlan,
  differences: readonly Difference[],
): readonly Difference[] {
  const wanted = adapter.lower(plan);
  return differences.filter(({ kind, container }) => {
    const should = kind === 'surplus' ? wanted.get(container.name) : undefined;
    return should === undefined || !sameContainer(should, container);
  });
}

function haveSameEndpoints(a: ServicePortPlan, b: ServicePortPlan): boolean {
  return sameEndpoints(a.clusterEndpoints, b.clusterEndpoints) && sameEndpoints(a.localEndpoints, b.localEndpoints);
}

function endpointFindings(
  adapter: Adapter,
  plan: ServicePortPlan,
  inferred: ServicePortPlan,
): readonly VerifyFinding[] {
  const findings: VerifyFinding[] = [];
  const both = (a: ServicePortPlan, b: ServicePortPlan): readonly Endpoint[] =>
    onceEach([
      ...endpointsMinus(a.clusterEndpoints, b.clusterEndpoints),
      ...endpointsMinus(a.localEndpoints, b.localEndpoints),
    ]);
  const { node, state } = adapter;
  for (const [why, texts] of byReason(both(inferred, plan), (each) => whyExtra(each, plan, node, state))) {
    const message = `${endpointsText(texts)} in the rules, but ${plural(why, texts.length)}.`;
    findings.push(finding(adapter, plan, 'endpoint-extra', message, []));
  }
  const missing = both(plan, inferred);
  for (const [why, texts] of byReason(missing, whyMissing)) {
    const refused = inferred.hasEndpoints ? '' : ', so that its traffic is refused';
    const message = `${endpointsText(texts)} not in the rules${refused}, but ${plural(why, texts.length)}.`;
    findings.push(finding(adapter, plan, 'endpoint-missing', message, []));
  }
  return findings;
}

function byReason(
  endpoints: readonly Endpoint[],
  why: (endpoint: Endpoint) => string,
): ReadonlyMap<string, readonly string[]> {
  const result = new Map<string, string[]>();
  for (const endpoint of endpoints) {
    const reason = why(endpoint);
    result.set(reason, [...(result.get(reason) ?? []), endpoint.text]);
  }
  return result;
}

function affinityFindings(
  adapter: Adapter,
  plan: ServicePortPlan,
  inferred: ServicePortPlan,
): readonly VerifyFinding[] {
  const [should, is] = [plan.affinitySeconds, inferred.affinitySeconds];
  if (should === is) return [];
  const text = (seconds: number | undefined) =>
    seconds === undefined ? 'no session affinity' : `${seconds} s of session affinity`;
  const message = `the rules have ${text(is)}, the Service asks for ${text(should)}.`;
  return [finding(adapter, plan, 'affinity', message, [])];
}

/** One finding for all differences of one kind in one place. */
function groupedFindings(
  adapter: Adapter,
  plan: ServicePortPlan | undefined,
  differences: readonly Difference[],
): readonly VerifyFinding[] {
  const groups = new Map<string, { code: VerifyCode; message: string | undefined; all: Difference[] }>();
  for (const difference of differences) {
    const own = adapter.classify(difference, plan);
    const code = own?.code ?? codeOf(difference);
    // Whole chains, servers and entries are told together; rules by their chain.
    const place = difference.is === undefined && difference.should === undefined ? '' : difference.container.name;
    const where = difference.container.kind === 'chain' ? place : difference.container.kind;
    const key = own?.message ?? `${code} ${where}`;
    const group = groups.get(key) ?? { code, message: own?.message, all: [] };
    groups.set(key, group);
    group.all.push(difference);
  }
  return Array.from(groups.values(), ({ code, message, all }) =>
    finding(adapter, plan, code, message ?? messageOf(code, all), detailsOf(all)),
  );
}

function drainingFindings(adapter: Adapter): readonly VerifyFinding[] {
  return Array.from(adapter.draining ?? [], ([plan, servers]) => {
    const message = `${endpointsText(servers)} kept with weight 0 until ${servers.length === 1 ? 'its' : 'their'} connections end.`;
    return finding(adapter, plan, 'draining', message, []);
  });
}

/** What belongs to nothing: chains and entries of Services that are gone, one finding for each Service. */
function staleFindings(adapter: Adapter, { stale, loose }: Comparison): readonly VerifyFinding[] {
  const groups = new Map<string, { group: StaleGroup; all: Difference[] }>();
  const alone: Difference[] = [];
  const add = (difference: Difference): void => {
    const group = adapter.staleGroup(difference.container, difference.is);
    if (group === undefined) {
      alone.push(difference);
      return;
    }
    const known = groups.get(group.key) ?? { group, all: [] };
    groups.set(group.key, {
      group: { ...group, used: group.used || known.group.used, label: known.group.label },
      all: known.all,
    });
    known.all.push(difference);
  };
  for (const container of stale) add({ kind: 'surplus', container, should: undefined, is: undefined });
  for (const difference of loose) add(difference);
  const found = Array.from(groups.values(), ({ group, all }) => {
    const containers = all.filter(({ kind }) => kind === 'surplus').length;
    const more = containers > 1 ? ` and ${containers - 1} more` : '';
    const message = `${group.label}${more} ${containers > 1 ? 'belong' : 'belongs'} to no service (stale).`;
    return finding(adapter, undefined, group.used ? 'stale' : 'stale-unused', message, detailsOf(all));
  });
  return [...found, ...groupedFindings(adapter, undefined, alone)];
}

const HINTS: Readonly<Partial<Record<VerifyCode, string>>> = {
  draining: 'Nothing to do: kube-proxy removes it when the last connection is over.',
  'endpoint-extra':
    'If the dump is newer than the objects by more than a few seconds, kube-proxy has not followed: see its log.',
  'endpoint-missing':
    'If the dump is newer than the objects by more than a few seconds, kube-proxy has not followed: see its log.',
  'no-rules': 'See the log of kube-proxy; if the Service is new, dump the rules again.',
  stale: 'kube-proxy removes what it knows; what stays after it was restarted was made by somebody else.',
  'stale-unused': 'Nothing leads there, so no traffic is concerned.',
};

const HINT =
  'Somebody else changed the rules, or kube-proxy did not finish: restart kube-proxy on the node, it writes them anew.';

function finding(
  adapter: Adapter,
  plan: ServicePortPlan | undefined,
  code: VerifyCode,
  message: string,
  details: readonly VerifyDetail[],
): VerifyFinding {
  return {
    code,
    severity: VERIFY_CODES[code].severity,
    servicePort: plan?.name,
    protocol: plan === undefined ? undefined : lowerProtocol(plan.protocol),
    family: adapter.node.family,
    message,
    hint: HINTS[code] ?? HINT,
    details,
  };
}

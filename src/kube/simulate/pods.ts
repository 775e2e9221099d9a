/** Pods on nodes, with addresses and the status that their kubelets would report. */
import { type IpAddress, parseCidr, parseIp } from '../../net/ip.js';
import type { Diagnostic } from '../diagnostics.js';
import { hash32 } from '../generated-names.js';
import type { LocatedObject, RawObject } from '../objects.js';
import type { SimulatedNode } from './nodes.js';
import { sayAbout } from './notes.js';
import type { AddressPool } from './pool.js';
import { fittingNodes } from './schedule.js';
import { type Fields, fieldOf, fieldsOf, type Labels, listOf, textOf } from './values.js';
import { type GivenWork, type PodDraft, podsOf } from './workloads.js';

/** Near the most that Kubernetes is tested with (150,000); more are a slip of the pen. */
const MAX_PODS = 100_000;

/** What the EndpointSlice controller reads of a Pod. */
export interface SimulatedPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Labels;
  readonly spec: Fields;
  readonly nodeName: string;
  readonly addresses: readonly IpAddress[];
  /** Its Ready condition is True. */
  readonly isReady: boolean;
  readonly isDeleting: boolean;
  /** Its phase is Succeeded or Failed: it serves nothing any more. */
  readonly isOver: boolean;
  /** The whole object, as the API server would have it. */
  readonly object: RawObject;
  /** Where it was given. */
  readonly given: LocatedObject | undefined;
}

/**
 * Places every Pod on a node and gives it addresses.
 *
 * What a given Pod says stays: its node, its addresses, its phase and conditions. A Pod without a status is Running
 * and Ready; one without addresses gets them, unless it is Pending or over. Pods of a group go round the nodes that
 * they fit on, starting at one that the group's name decides; a node whose podCIDR is used up is passed over. A Pod on
 * the host's network has the node's addresses, any other one address of each podCIDR.
 *
 * Pods that fit nowhere stay Pending (a note); where only addresses are missing it is an error.
 */
export function simulatePods(
  work: GivenWork,
  nodes: readonly SimulatedNode[],
  diagnostics: Diagnostic[],
): SimulatedPod[] {
  reserveGiven(work.pods, nodes);
  const fits = createFits(nodes);
  const drafts = draftPods(work, nodes, diagnostics);
  const failed = new Set<string>();
  return [...work.pods, ...drafts].map((draft) => {
    const phase = textOf(fieldOf(draft.status, 'phase'));
    const known = givenAddresses(draft.status);
    if (phase === 'Pending' || isOverPhase(phase)) return leave(draft, known);
    const say = sayAbout(draft.given ?? { object: draft.object }, diagnostics);
    const from = draft.madeFor === undefined ? '' : `made for ${draft.madeFor}, `;
    const candidates = fits(draft);
    const start = hash32(draft.group) + draft.ordinal;
    for (let i = 0; i < candidates.length; i++) {
      const node = candidates[(start + i) % candidates.length];
      const addresses = known.length > 0 ? known : node && addressesOn(node, draft);
      if (node === undefined || addresses === undefined) continue;
      const said = whatHappened(draft, node, addresses, known.length > 0);
      if (said !== undefined) say('simulated', from + said);
      return place(draft, node, addresses);
    }
    if (candidates.length === 0) {
      say('simulated', `${from}fits on no node and stays Pending`, {
        hint: 'See its nodeSelector, its affinity and its tolerations.',
      });
    } else if (!failed.has(draft.group)) {
      // Once for each group; the others would say the same.
      failed.add(draft.group);
      say('simulate-exhausted', `${from}finds no free address in the podCIDRs of ${candidates.length} nodes`, {
        hint: 'Give or ask for more nodes, or larger podCIDRs.',
      });
    }
    return leave({ ...draft, status: { ...draft.status, phase: 'Pending' } }, known);
  });
}

/** The Pods of all workloads; one that takes the number of Pods over the limit is named and left out. */
function draftPods(work: GivenWork, nodes: readonly SimulatedNode[], diagnostics: Diagnostic[]): PodDraft[] {
  let total = work.pods.length;
  return work.workloads.flatMap((workload) => {
    const spec = fieldsOf(fieldOf(workload.template, 'spec'));
    const isDaemon = workload.kind === 'DaemonSet';
    const daemonNodes = isDaemon ? fittingNodes(spec, nodes, true).map((node) => node.name) : [];
    const count = isDaemon ? daemonNodes.length : workload.replicas;
    if (total + count > MAX_PODS) {
      sayAbout(workload.located, diagnostics)('simulate-exhausted', `its ${count} Pods make more than ${MAX_PODS}`, {
        path: isDaemon ? ['spec'] : ['spec', 'replicas'],
      });
      return [];
    }
    total += count;
    return podsOf(workload, daemonNodes);
  });
}

/** The sentence about a Pod that was placed; undefined when its manifest said it all. */
function whatHappened(
  draft: PodDraft,
  node: SimulatedNode,
  addresses: readonly IpAddress[],
  isKnown: boolean,
): string | undefined {
  const texts = addresses.map((ip) => ip.text).join(' and ');
  if (isKnown) return textOf(draft.spec.nodeName) === '' ? `placed on node ${node.name}` : undefined;
  if (fieldOf(draft.spec, 'hostNetwork') === true) return `pod IP ${texts} is that of node ${node.name}`;
  return `pod IP ${texts} allocated on node ${node.name}`;
}

/** Keeps the addresses of given Pods from being given out again. */
function reserveGiven(pods: readonly PodDraft[], nodes: readonly SimulatedNode[]): void {
  const pools = new Map<string, AddressPool[]>();
  for (const pool of nodes.flatMap((node) => node.podPools))
    pools.set(pool.cidr.text, [...(pools.get(pool.cidr.text) ?? []), pool]);
  const lengths = new Set([...pools.values()].flatMap(([pool]) => pool?.cidr.prefixLength ?? []));
  for (const ip of pods.flatMap((pod) => givenAddresses(pod.status))) {
    for (const length of lengths) {
      const network = parseCidr(`${ip.text}/${length}`)?.text ?? '';
      for (const pool of pools.get(network) ?? []) pool.reserve(ip);
    }
  }
}

/** The given Pod's `status.podIPs`, or else `status.podIP`. */
function givenAddresses(status: Fields | undefined): IpAddress[] {
  const list = listOf(fieldOf(status, 'podIPs')).map((each) => textOf(fieldOf(each, 'ip')));
  const texts = list.some((text) => text !== '') ? list : [textOf(fieldOf(status, 'podIP'))];
  return texts.flatMap((text) => parseIp(text) ?? []);
}

/** One address of each podCIDR, or the node's own; undefined when one of them has none left. */
function addressesOn(node: SimulatedNode, draft: PodDraft): readonly IpAddress[] | undefined {
  if (fieldOf(draft.spec, 'hostNetwork') === true) return node.addresses.length > 0 ? node.addresses : undefined;
  const addresses = node.podPools.map((pool) => pool.take(draft.identity));
  const found = addresses.filter((ip) => ip !== undefined);
  return found.length < addresses.length || found.length === 0 ? undefined : found;
}

/** Fitting nodes, looked for once for each template. */
function createFits(nodes: readonly SimulatedNode[]): (draft: PodDraft) => readonly SimulatedNode[] {
  let last: { group: string; nodes: readonly SimulatedNode[] } | undefined;
  return (draft) => {
    const shared = draft.given === undefined && textOf(draft.spec.nodeName) === '';
    if (!shared) return fittingNodes(draft.spec, nodes);
    if (last?.group !== draft.group) last = { group: draft.group, nodes: fittingNodes(draft.spec, nodes) };
    return last.nodes;
  };
}

/** A Pod that runs on a node: what it does not say itself is as its kubelet would report it. */
function place(draft: PodDraft, node: SimulatedNode, addresses: readonly IpAddress[]): SimulatedPod {
  const status: Fields = {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True' }],
    ...(node.addresses[0] && { hostIP: node.addresses[0].text }),
    ...(addresses[0] && { podIP: addresses[0].text }),
    podIPs: addresses.map((ip) => ({ ip: ip.text })),
    ...draft.status,
  };
  const object: RawObject = { ...draft.object, spec: { ...draft.spec, nodeName: node.name }, status };
  return facts(draft, node.name, addresses, status, object);
}

/** A Pod that nothing is done to. */
function leave(draft: PodDraft, addresses: readonly IpAddress[]): SimulatedPod {
  const status = fieldsOf(draft.status);
  const object: RawObject = draft.given === undefined ? { ...draft.object, status } : draft.object;
  return facts(draft, textOf(draft.spec.nodeName), addresses, status, object);
}

function facts(
  draft: PodDraft,
  nodeName: string,
  addresses: readonly IpAddress[],
  status: Fields,
  object: RawObject,
): SimulatedPod {
  const ready = listOf(fieldOf(status, 'conditions')).find((each) => fieldOf(each, 'type') === 'Ready');
  return {
    namespace: draft.namespace,
    name: draft.name,
    uid: textOf(fieldOf(draft.object.metadata, 'uid')),
    labels: draft.labels,
    spec: draft.spec,
    nodeName,
    addresses,
    isReady: fieldOf(ready, 'status') === 'True',
    isDeleting: draft.isDeleting,
    isOver: isOverPhase(textOf(fieldOf(status, 'phase'))),
    object,
    given: draft.given,
  };
}

function isOverPhase(phase: string): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

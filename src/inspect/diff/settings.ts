/** What changes about the node as a whole: told once, rather than for each Service. */
import type { ProxyConfig } from '../../kube/config.js';
import { apiNameOf } from '../../net/family.js';
import type { NodePlan } from '../../plan/plan.js';
import { nodePortListeners, type TrafficModel, type WayIn, type WayKind } from '../traffic.js';
import { answerChange, named } from './answers.js';
import type { SettingChange } from './services.js';

/** One family of one side. */
export interface FamilySide {
  readonly plan: NodePlan;
  readonly model: TrafficModel;
  readonly config: ProxyConfig;
}

/** A setting of a node: its text on each side, and whether any traffic depends on it there. */
interface NodeSetting {
  readonly name: string;
  /** @param otherNode whether the sides are two nodes, so that what is a node's own is told as such */
  readonly text: (side: FamilySide, otherNode: boolean) => string;
  readonly matters: (side: FamilySide) => boolean;
}

const SETTINGS: readonly NodeSetting[] = [
  {
    name: 'mode',
    text: ({ plan }) => plan.mode,
    matters: ({ model }) => model.ways.size > 0,
  },
  {
    name: 'pods are told by',
    text: detectorText,
    matters: ({ model }) => hasWay(model, tellsPods),
  },
  {
    name: 'masqueradeAll',
    text: ({ plan }) => String(plan.node.masqueradeAll),
    matters: ({ model }) =>
      hasWay(model, ({ kind, answers }) => kind === 'cluster IP' && answers.pod?.verdict === 'reaches'),
  },
  {
    name: 'node ports answer on',
    text: listenersText,
    matters: ({ model }) => hasKind(model, 'node port'),
  },
  {
    name: 'node ports on 127.0.0.1',
    text: ({ plan }) => (plan.node.localhostNodePorts ? 'answered' : 'not answered'),
    matters: ({ model }) => hasKind(model, 'node port'),
  },
  {
    name: 'rules for external IPs',
    text: ({ plan }) => (plan.node.allowExternalIPs ? 'written' : 'not written'),
    matters: ({ model }) => hasKind(model, 'external IP'),
  },
  {
    name: 'endpoints are chosen',
    text: ({ plan }) => (plan.mode === 'ipvs' ? `by ${plan.node.ipvs.scheduler}` : 'at random'),
    matters: ({ model }) =>
      hasWay(model, ({ answers }) =>
        Object.values(answers).some((answer) => answer.verdict === 'reaches' && answer.endpoints.length > 1),
      ),
  },
  {
    name: 'a pod of another node that is sent to itself',
    text: ({ model }) => (model.hairpin === 'every endpoint' ? 'masqueraded' : 'left without an answer'),
    matters: ({ model }) =>
      hasWay(
        model,
        ({ answers: { pod } }) =>
          pod?.verdict === 'reaches' && pod.source === 'kept' && pod.endpoints.some(({ local }) => !local),
      ),
  },
  {
    name: 'other ports of cluster IPs',
    text: ({ plan }) => (plan.mode === 'iptables' ? 'not translated' : 'refused'),
    matters: ({ model }) => model.ways.size > 0,
  },
  {
    name: 'cluster IPs that no Service has',
    text: ({ plan }) =>
      plan.mode === 'nftables' && plan.serviceCIDRs.length > 0
        ? `dropped in ${named(plan.serviceCIDRs)}`
        : 'not translated',
    matters: () => true,
  },
];

/** The settings that differ and that some traffic of either side depends on. */
export function settingChangesOf(
  before: FamilySide | undefined,
  after: FamilySide | undefined,
): readonly SettingChange[] {
  if (before === undefined || after === undefined) {
    const side = before ?? after;
    if (side === undefined || side.model.ways.size === 0) return [];
    const name = apiNameOf(side.plan.node.family);
    const [had, has] = [before, after].map((each) => (each === undefined ? 'no rules' : 'rules'));
    return [{ name, before: had ?? '', after: has ?? '' }];
  }
  const otherNode = before.plan.node.nodeName !== after.plan.node.nodeName;
  return SETTINGS.flatMap(({ name, text, matters }) => {
    const [old, now] = [text(before, otherNode), text(after, otherNode)];
    return old === now || !(matters(before) || matters(after)) ? [] : { name, before: old, after: now };
  });
}

function hasWay({ ways }: TrafficModel, holds: (way: WayIn) => boolean): boolean {
  for (const way of ways.values()) if (holds(way)) return true;
  return false;
}

function hasKind(model: TrafficModel, kind: WayKind): boolean {
  return hasWay(model, (way) => way.kind === kind);
}

/** Whether a pod gets something else than a client. */
function tellsPods({ answers: { pod, outside } }: WayIn): boolean {
  return pod !== undefined && outside !== undefined && answerChange(pod, outside) !== undefined;
}

function detectorText({ plan, config }: FamilySide, otherNode: boolean): string {
  const detector = plan.node.localDetector;
  switch (detector?.kind) {
    case 'cidr':
      return otherNode && config.detectLocalMode === 'NodeCIDR' ? 'the pod CIDR of the node' : detector.cidr;
    case 'interface':
      return `interface ${detector.name}`;
    case 'interface-prefix':
      return `interfaces ${detector.prefix}*`;
    default:
      return 'nothing';
  }
}

function listenersText({ plan: { node, mode } }: FamilySide, otherNode: boolean): string {
  const listeners = nodePortListeners(node, mode);
  if (listeners === 'all') return 'every address of the node';
  if (listeners.length === 0) return 'no address';
  if (!otherNode) return named(listeners);
  const areAll = node.hostAddresses.length === listeners.length;
  if (areAll) return 'all addresses of the Node object';
  return listeners[0] === node.nodeIP.text && listeners.length === 1 ? 'the primary address' : named(listeners);
}

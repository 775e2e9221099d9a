/** Which nodes a Pod can run on: kube-scheduler's filters that manifests speak of (node name, selector, affinity, taints). */
import type { SimulatedNode } from './nodes.js';
import { type Fields, fieldOf, fieldsOf, type Labels, labelsOf, listOf, textOf } from './values.js';

const HOSTNAME_LABEL = 'kubernetes.io/hostname';

function tolerate(effect: string, ...taints: readonly string[]): Fields[] {
  return taints.map((taint) => ({ key: `node.kubernetes.io/${taint}`, operator: 'Exists', effect }));
}

/** What the API server adds to every Pod (DefaultTolerationSeconds). */
const COMMON_TOLERATIONS = tolerate('NoExecute', 'not-ready', 'unreachable');

/** What the DaemonSet controller adds to its Pods. */
const DAEMON_TOLERATIONS = tolerate('NoSchedule', 'disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable');

/** What it adds to those on the host's network. */
const HOST_DAEMON_TOLERATIONS = tolerate('NoSchedule', 'network-unavailable');

/**
 * The nodes that a Pod with this spec fits on, in the order given. Resources, volumes and what other Pods run are not
 * looked at. An invented node is taken to have whatever label is asked for, but for its host name.
 * @param isDaemon whether the Pod is a DaemonSet's, which tolerates more
 */
export function fittingNodes(spec: Fields, nodes: readonly SimulatedNode[], isDaemon = false): SimulatedNode[] {
  const nodeName = textOf(fieldOf(spec, 'nodeName'));
  if (nodeName !== '') return nodes.filter((node) => node.name === nodeName);
  const selector = labelsOf(fieldOf(spec, 'nodeSelector'));
  const affinity = fieldOf(fieldOf(spec, 'affinity'), 'nodeAffinity');
  const required = fieldOf(affinity, 'requiredDuringSchedulingIgnoredDuringExecution');
  const terms = required === undefined ? undefined : listOf(fieldOf(required, 'nodeSelectorTerms'));
  const tolerations = [
    ...listOf(fieldOf(spec, 'tolerations')).map(fieldsOf),
    ...COMMON_TOLERATIONS,
    ...(isDaemon ? DAEMON_TOLERATIONS : []),
    ...(isDaemon && fieldOf(spec, 'hostNetwork') === true ? HOST_DAEMON_TOLERATIONS : []),
  ];
  return nodes.filter(
    (node) =>
      Object.entries(selector).every(([key, value]) => matches(node, key, 'In', [value])) &&
      (terms === undefined || terms.some((term) => matchesTerm(node, fieldsOf(term)))) &&
      node.taints.every((taint) => isHarmless(taint, tolerations)),
  );
}

/** All expressions of a term have to match; a term without any matches no node. */
function matchesTerm(node: SimulatedNode, term: Fields): boolean {
  const labelExpressions = listOf(term.matchExpressions);
  const fieldExpressions = listOf(term.matchFields);
  const holds =
    (labels: SimulatedNode) =>
    (each: unknown): boolean =>
      matches(labels, textOf(fieldOf(each, 'key')), textOf(fieldOf(each, 'operator')), listOf(fieldOf(each, 'values')));
  // metadata.name is the only field that can be asked for.
  const byName: SimulatedNode = { ...node, isInvented: false, labels: { 'metadata.name': node.name } };
  return (
    labelExpressions.length + fieldExpressions.length > 0 &&
    labelExpressions.every(holds(node)) &&
    fieldExpressions.every(holds(byName))
  );
}

function matches(node: SimulatedNode, key: string, operator: string, values: readonly unknown[]): boolean {
  if (node.isInvented && key !== HOSTNAME_LABEL) return true;
  const value = ownLabel(node.labels, key);
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}

/** Whether a taint keeps no Pod with these tolerations away. */
function isHarmless(taint: Fields, tolerations: readonly Fields[]): boolean {
  if (taint.effect !== 'NoSchedule' && taint.effect !== 'NoExecute') return true;
  return tolerations.some((toleration) => {
    const [key, operator, effect] = [textOf(toleration.key), textOf(toleration.operator), textOf(toleration.effect)];
    if (effect !== '' && effect !== taint.effect) return false;
    if (key !== '' && key !== textOf(taint.key)) return false;
    return operator === 'Exists' || (key !== '' && textOf(toleration.value) === textOf(taint.value));
  });
}

function ownLabel(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

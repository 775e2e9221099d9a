/**
 * Pods, and what makes them: Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController. An object that
 * belongs to a workload that is given too (`kubectl get all -o yaml`) stands for that workload's own work, which is
 * then not done a second time.
 */
import { type Diagnostic, hasErrors } from '../diagnostics.js';
import { contentText, generateName, nameSuffix } from '../generated-names.js';
import type { LocatedObject, RawObject } from '../objects.js';
import { checkPod, checkWorkload } from './check.js';
import { sayAbout } from './notes.js';
import {
  type Fields,
  fieldOf,
  fieldsOf,
  isFields,
  type Labels,
  labelsOf,
  listOf,
  nameOf,
  namespaceOf,
  objectsOf,
  textOf,
} from './values.js';

/** A Pod before it has a node and addresses. */
export interface PodDraft {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  readonly spec: Fields;
  /** As given; undefined for a Pod that nobody has run yet. */
  readonly status: Fields | undefined;
  readonly isDeleting: boolean;
  /** What it is, apart from generated letters: addresses are chosen by it, so that a new image moves no Pod. */
  readonly identity: string;
  /** Pods of one group are spread over the nodes one after another. */
  readonly group: string;
  /** Its place in the group. */
  readonly ordinal: number;
  /** The object that was given, or the one that was made. */
  readonly object: RawObject;
  /** Where it was given. */
  readonly given: LocatedObject | undefined;
  /** `Deployment shop/web`, of a Pod that was made. */
  readonly madeFor: string | undefined;
}

/** A workload whose Pods are not given. */
export interface Workload {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly replicas: number;
  /** The number of the first Pod of a StatefulSet. */
  readonly start: number;
  readonly template: Fields;
  /** The Service that names the Pods of a StatefulSet. */
  readonly serviceName: string;
  readonly located: LocatedObject;
}

/** What was given, checked. */
export interface GivenWork {
  readonly pods: readonly PodDraft[];
  readonly workloads: readonly Workload[];
}

const WORKLOAD_KINDS = ['DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'] as const;

/**
 * Reads Pods and workloads. Wrong ones are named and left out, duplicates and workloads of old API versions too.
 */
export function readWork(objects: readonly LocatedObject[], diagnostics: Diagnostic[]): GivenWork {
  refuseOldVersions(objects, diagnostics);
  const accept = (apiVersion: string, kind: string, check: typeof checkPod): LocatedObject[] => {
    const seen = new Set<string>();
    const sound = objects.filter((located) => {
      if (located.object.kind !== kind || located.object.apiVersion !== apiVersion) return false;
      const before = diagnostics.length;
      check(located, diagnostics);
      const key = `${namespaceOf(located.object)}/${nameOf(located.object)}`;
      const isNew = !seen.has(key);
      seen.add(key);
      if (isNew || nameOf(located.object) === '') return !hasErrors(diagnostics.slice(before));
      sayAbout(located, diagnostics)('duplicate-object', 'is given twice', { hint: 'Keep one of them.' });
      return false;
    });
    return objectsOf(sound, apiVersion, kind);
  };
  const pods = accept('v1', 'Pod', checkPod);
  const workloads = [
    ...WORKLOAD_KINDS.flatMap((kind) => accept('apps/v1', kind, checkWorkload)),
    ...accept('v1', 'ReplicationController', checkWorkload),
  ];
  const busy = busyOwners([...workloads, ...pods]);
  return {
    pods: givenPods(pods),
    workloads: workloads.map(readWorkload).filter((workload) => !busy.has(labelOf(workload))),
  };
}

/**
 * The Pods that a workload's controllers make. Names follow the real ones: `web-<hash>-<letters>` for a Deployment,
 * by way of its ReplicaSet, `web-0` for a StatefulSet, `web-<letters>` for the others; letters come from hashes of
 * the template and of the Pod's place in the workload.
 * @param nodes names of the nodes that a DaemonSet runs on; one Pod each
 */
export function podsOf(workload: Workload, nodes: readonly string[]): PodDraft[] {
  const { kind, namespace, name, template } = workload;
  const group = `${namespace}/${kind}/${name}`;
  const templateHash = nameSuffix(contentText(template), 6) + nameSuffix(`${contentText(template)}~`, 4);
  const owner = kind === 'Deployment' ? { kind: 'ReplicaSet', name: `${name}-${templateHash}` } : { kind, name };
  const names = new Set<string>();
  const places =
    kind === 'DaemonSet' ? nodes : Array.from({ length: workload.replicas }, (_, i) => String(workload.start + i));
  const spec = fieldsOf(fieldOf(template, 'spec'));
  const metadata = fieldsOf(fieldOf(template, 'metadata'));
  const annotations = fieldOf(metadata, 'annotations');
  return places.map((place, ordinal) => {
    const identity = `${group}#${place}`;
    const podName =
      kind === 'StatefulSet' ? `${name}-${place}` : generateName(`${owner.name}-`, identity + templateHash, names);
    const labels = { ...labelsOf(fieldOf(metadata, 'labels')), ...addedLabels(kind, podName, place, templateHash) };
    const podSpec: Fields = {
      ...spec,
      ...(kind === 'StatefulSet' && { hostname: podName, subdomain: workload.serviceName }),
      ...(kind === 'DaemonSet' && { nodeName: place }),
    };
    const object: RawObject = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: podName,
        namespace,
        labels,
        ...(isFields(annotations) && { annotations }),
        ownerReferences: [
          {
            apiVersion: kind === 'ReplicationController' ? 'v1' : 'apps/v1',
            ...owner,
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      spec: podSpec,
    };
    return {
      namespace,
      name: podName,
      labels,
      spec: podSpec,
      status: undefined,
      isDeleting: false,
      identity,
      group,
      ordinal,
      object,
      given: undefined,
      madeFor: labelOf(workload),
    };
  });
}

/** The labels that the controllers put on their Pods beside those of the template. */
function addedLabels(kind: string, podName: string, place: string, templateHash: string): Labels {
  switch (kind) {
    case 'Deployment':
      return { 'pod-template-hash': templateHash };
    case 'StatefulSet':
      return {
        'apps.kubernetes.io/pod-index': place,
        'controller-revision-hash': `${podName.slice(0, podName.lastIndexOf('-'))}-${templateHash}`,
        'statefulset.kubernetes.io/pod-name': podName,
      };
    case 'DaemonSet':
      return { 'controller-revision-hash': templateHash, 'pod-template-generation': '1' };
    default:
      return {};
  }
}

function readWorkload(located: LocatedObject): Workload {
  const { object } = located;
  const replicas = fieldOf(object.spec, 'replicas');
  const start = fieldOf(fieldOf(object.spec, 'ordinals'), 'start');
  return {
    kind: object.kind,
    namespace: namespaceOf(object),
    name: nameOf(object),
    replicas: object.kind === 'DaemonSet' ? 0 : typeof replicas === 'number' ? replicas : 1,
    start: typeof start === 'number' ? start : 0,
    template: fieldsOf(fieldOf(object.spec, 'template')),
    serviceName: textOf(fieldOf(object.spec, 'serviceName')),
    located,
  };
}

function givenPods(pods: readonly LocatedObject[]): PodDraft[] {
  const inGroup = new Map<string, number>();
  return pods.map((given) => {
    const { object } = given;
    const namespace = namespaceOf(object);
    const owner = controllerOf(object);
    const group = `${namespace}/${owner === undefined ? 'Pod' : `${owner.kind}/${owner.name}`}`;
    const ordinal = inGroup.get(group) ?? 0;
    inGroup.set(group, ordinal + 1);
    const status = fieldOf(object, 'status');
    return {
      namespace,
      name: nameOf(object),
      labels: labelsOf(fieldOf(object.metadata, 'labels')),
      spec: fieldsOf(object.spec),
      status: isFields(status) && Object.keys(status).length > 0 ? status : undefined,
      isDeleting: textOf(fieldOf(object.metadata, 'deletionTimestamp')) !== '',
      identity: `${namespace}/Pod/${nameOf(object)}`,
      group,
      ordinal,
      object,
      given,
      madeFor: undefined,
    };
  });
}

/**
 * Workloads some of whose dependents are given, by label. A Deployment's Pods name only the ReplicaSet between them;
 * where that is not given, its name is the Deployment's and the Pod's own template hash.
 */
function busyOwners(dependents: readonly LocatedObject[]): Set<string> {
  const busy = new Set<string>();
  for (const { object } of dependents) {
    const owner = controllerOf(object);
    if (owner === undefined) continue;
    const namespace = namespaceOf(object);
    busy.add(labelOf({ ...owner, namespace }));
    const hash = labelsOf(fieldOf(object.metadata, 'labels'))['pod-template-hash'];
    if (object.kind === 'Pod' && owner.kind === 'ReplicaSet' && hash && owner.name.endsWith(`-${hash}`)) {
      busy.add(labelOf({ kind: 'Deployment', namespace, name: owner.name.slice(0, -hash.length - 1) }));
    }
  }
  return busy;
}

/** The owner that manages an object, as `metadata.ownerReferences` says; also one that does not say `controller`. */
function controllerOf(object: RawObject): { kind: string; name: string } | undefined {
  const owners = listOf(fieldOf(object.metadata, 'ownerReferences'));
  const owner = owners.find((each) => fieldOf(each, 'controller') === true) ?? owners[0];
  const [kind, name] = [textOf(fieldOf(owner, 'kind')), textOf(fieldOf(owner, 'name'))];
  return kind === '' || name === '' ? undefined : { kind, name };
}

/** `Deployment shop/web`. */
function labelOf(workload: { readonly kind: string; readonly namespace: string; readonly name: string }): string {
  return `${workload.kind} ${workload.namespace}/${workload.name}`;
}

/** Names the workloads of API versions that are gone; tutorials are full of them. */
function refuseOldVersions(objects: readonly LocatedObject[], diagnostics: Diagnostic[]): void {
  for (const located of objects) {
    const { kind, apiVersion } = located.object;
    if (!(WORKLOAD_KINDS as readonly string[]).includes(kind) || apiVersion === 'apps/v1') continue;
    if (!/^(apps|extensions)\//.test(apiVersion)) continue;
    sayAbout(located, diagnostics)('unsupported-version', `${apiVersion} is not served any more`, {
      path: ['apiVersion'],
      hint: 'Use apps/v1.',
    });
  }
}

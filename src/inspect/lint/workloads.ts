/** Pods, and what makes Pods: whatever a selector can select now, or will once its workload runs. */
import { isFields } from '../../kube/fields.js';
import type { LocatedObject } from '../../kube/objects.js';
import {
  type Fields,
  fieldOf,
  fieldsOf,
  type Labels,
  labelsOf,
  listOf,
  nameOf,
  namespaceOf,
  textOf,
  wholeNumberOf,
} from '../../kube/simulate/values.js';
import { compareBytes } from '../../net/text.js';
import type { Subject } from './cluster.js';

/** A Pod or a pod template. */
export interface PodSource {
  readonly subject: Subject;
  readonly namespace: string;
  readonly labels: Labels;
  readonly spec: Fields;
}

/** A port of a container. */
export interface ContainerPort {
  readonly name: string;
  readonly protocol: string;
  readonly number: number;
}

/**
 * The Pods that are not over, and the pod templates of workloads of any kind, also of kinds that only the cluster
 * knows (an Argo Rollout): a template is told by its place and its containers.
 */
export function podSourcesOf(objects: readonly LocatedObject[]): readonly PodSource[] {
  return objects.flatMap(podSourceOf).sort((a, b) => compareBytes(a.subject.object, b.subject.object));
}

function podSourceOf({ object, origin }: LocatedObject): readonly PodSource[] {
  const pod = podOf(object);
  if (pod === undefined || nameOf(object) === '') return [];
  const namespace = namespaceOf(object);
  const name = `${object.kind} ${namespace}/${nameOf(object)}`;
  const annotations = [labelsOf(fieldOf(object.metadata, 'annotations'))];
  const subject: Subject = { object: name, group: name, namespace, origin, annotations };
  const labels = labelsOf(fieldOf(pod.metadata, 'labels'));
  return [{ subject, namespace, labels, spec: fieldsOf(pod.spec) }];
}

function podOf(object: Fields): Fields | undefined {
  if (object.kind === 'Pod') {
    const phase = textOf(fieldOf(object.status, 'phase'));
    return object.apiVersion === 'v1' && phase !== 'Succeeded' && phase !== 'Failed' ? object : undefined;
  }
  const inJob = fieldOf(fieldOf(fieldOf(object.spec, 'jobTemplate'), 'spec'), 'template');
  const template = fieldOf(object.spec, 'template') ?? inJob;
  return isFields(template) && listOf(fieldOf(template.spec, 'containers')).length > 0 ? template : undefined;
}

/** The ports that a named target port can mean: those of containers, and of init containers that stay. */
export function containerPortsOf(spec: Fields): readonly ContainerPort[] {
  const sidecars = listOf(spec.initContainers).filter((container) => fieldOf(container, 'restartPolicy') === 'Always');
  return [...listOf(spec.containers), ...sidecars].flatMap((container) =>
    listOf(fieldOf(container, 'ports')).flatMap((port) => {
      const number = wholeNumberOf(fieldOf(port, 'containerPort'), 1, 65535);
      const protocol = textOf(fieldOf(port, 'protocol')) || 'TCP';
      return number === undefined ? [] : [{ name: textOf(fieldOf(port, 'name')), protocol, number }];
    }),
  );
}

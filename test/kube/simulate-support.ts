/** Short ways to write manifests and to read what a simulation made of them. */
import type { V1EndpointSlice, V1Node, V1Pod, V1Service } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { printPath } from '../../src/kube/diagnostics.js';
import type { RawObject } from '../../src/kube/objects.js';
import { type SimulateOptions, simulate } from '../../src/kube/simulate/simulate.js';

/** A simulation, its objects by kind. */
export interface Outcome {
  readonly services: Record<string, V1Service>;
  readonly slices: V1EndpointSlice[];
  readonly nodes: Record<string, V1Node>;
  readonly pods: V1Pod[];
  /** `Service default/web: cluster IP 10.0.0.2 allocated.`; errors with their code and path in front. */
  readonly notes: string[];
  readonly errors: string[];
}

/** Manifests of these YAML texts; apiVersion and kind first: `service('web', '{ports: [{port: 80}]}')`. */
export function service(name: string, spec: string, metadata = ''): RawObject {
  return parse(`{apiVersion: v1, kind: Service, metadata: {name: ${name}, ${metadata}}, spec: ${spec}}`);
}

export function pod(name: string, rest = '', metadata = 'labels: {app: web}'): RawObject {
  const spec = rest.includes('spec:') ? '' : 'spec: {containers: [{name: c}]},';
  return parse(`{apiVersion: v1, kind: Pod, metadata: {name: ${name}, ${metadata}}, ${spec} ${rest}}`);
}

export function workload(kind: string, name: string, spec = '', podSpec = '', metadata = ''): RawObject {
  const apiVersion = kind === 'ReplicationController' ? 'v1' : 'apps/v1';
  const selector = kind === 'ReplicationController' ? '{app: web}' : '{matchLabels: {app: web}}';
  return parse(`{apiVersion: ${apiVersion}, kind: ${kind}, metadata: {name: ${name}, ${metadata}}, spec: {
    selector: ${selector}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}], ${podSpec}}}, ${spec}}}`);
}

export function node(name: string, spec = '{}', metadata = '', status = '{}'): RawObject {
  return parse(
    `{apiVersion: v1, kind: Node, metadata: {name: ${name}, ${metadata}}, spec: ${spec}, status: ${status}}`,
  );
}

export function run(objects: readonly RawObject[], options?: SimulateOptions): Outcome {
  const {
    objects: out,
    pods,
    diagnostics,
  } = simulate(
    objects.map((object) => ({ object })),
    options,
  );
  const of = (kind: string): unknown[] => out.map(({ object }) => object).filter((object) => object.kind === kind);
  const byName = <T extends { metadata?: { name?: string } }>(list: unknown[]): Record<string, T> =>
    Object.fromEntries((list as T[]).map((each) => [each.metadata?.name ?? '', each]));
  return {
    services: byName(of('Service')),
    slices: of('EndpointSlice') as V1EndpointSlice[],
    nodes: byName(of('Node')),
    pods: pods as unknown as V1Pod[],
    notes: diagnostics.filter((d) => d.severity === 'note').map((d) => `${d.object}: ${d.message}`),
    errors: diagnostics
      .filter((d) => d.severity !== 'note')
      .map((d) => `${d.code} ${d.object ?? ''} ${printPath(d.path ?? [])}`.trim()),
  };
}

/** `web-0@node-1=10.0.0.2` of each Pod. */
export function placed(pods: readonly V1Pod[]): string[] {
  return pods.map(
    ({ metadata, spec, status }) =>
      `${metadata?.name}@${spec?.nodeName ?? ''}=${(status?.podIPs ?? []).map((each) => each.ip).join('+')}`,
  );
}

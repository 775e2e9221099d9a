/** Clusters of the conformance corpus, and how they get into a real API server. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isFields } from '../src/kube/fields.js';
import type { RawObject } from '../src/kube/objects.js';
import { readDocuments, readObjects } from '../src/kube/read.js';
import { type ControlPlane, eventually, shell } from './real-cluster.js';

const CORPUS = fileURLToPath(new URL('../../shared/conformance', import.meta.url));

/** A cluster of the corpus. */
export interface Cluster {
  readonly name: string;
  readonly objects: readonly RawObject[];
  /** Of kube-proxy. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly node: string;
}

export function readCluster(name: string): Cluster {
  const folder = join(CORPUS, name.startsWith('random-') ? 'random' : 'named', name);
  const file = join(folder, 'objects.yaml');
  const { objects, diagnostics } = readObjects([{ name: file, text: readFileSync(file, 'utf8') }]);
  if (diagnostics.length > 0) throw new Error(`${file}: ${diagnostics[0]?.message}`);
  const [document] = readDocuments({ name: 'config', text: textOf(join(folder, 'config.yaml')) });
  const config = document !== undefined && 'value' in document && isFields(document.value) ? document.value : {};
  const first = objects.find(({ object }) => object.kind === 'Node')?.object;
  const node = typeof config.hostnameOverride === 'string' ? config.hostnameOverride : nameOf(first);
  return { name, objects: objects.map(({ object }) => object), config, node };
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

interface Metadata {
  readonly name: string;
  readonly namespace?: string;
}

function metadataOf(object: RawObject | undefined): Metadata {
  return (object?.metadata as Metadata | undefined) ?? { name: '' };
}

function nameOf(object: RawObject | undefined): string {
  return metadataOf(object).name;
}

/** Where the objects of a kind are, and undefined for kinds that the API server has of its own. */
function pathOf(object: RawObject): string | undefined {
  const { namespace = 'default' } = metadataOf(object);
  switch (object.kind) {
    case 'Node':
      return '/api/v1/nodes';
    case 'Service':
      return `/api/v1/namespaces/${namespace}/services`;
    case 'EndpointSlice':
      return `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    default:
      return undefined;
  }
}

/** Lets the API server give out the cluster IPs of the random clusters, too. */
export async function addServiceCIDR(plane: ControlPlane): Promise<void> {
  const ranges = '/apis/networking.k8s.io/v1/servicecidrs';
  await plane.ok('POST', ranges, { metadata: { name: 'random' }, spec: { cidrs: ['fd00:96::/112'] } });
  // Otherwise the work of a controller that does not run here.
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: '',
    message: '',
    lastTransitionTime: new Date().toISOString(),
  };
  await plane.ok(
    'PATCH',
    `${ranges}/random/status`,
    { status: { conditions: [ready] } },
    'application/merge-patch+json',
  );
  const probe = {
    metadata: { name: 'probe' },
    spec: { clusterIP: 'fd00:96::1234', ipFamilies: ['IPv6'], ports: [{ port: 80 }] },
  };
  const taken = await eventually(20, async () => {
    const { code } = await plane.call('POST', '/api/v1/namespaces/default/services?dryRun=All', probe);
    return code < 300 || undefined;
  });
  if (taken === undefined) throw new Error('the API server does not take the ServiceCIDR');
}

/**
 * Creates the objects; without selectors, so that no controller writes EndpointSlices beside those given.
 * Returns why the API server does not take one of them, if so.
 */
export async function createObjects(plane: ControlPlane, objects: readonly RawObject[]): Promise<string | undefined> {
  for (const namespace of new Set(objects.map((object) => metadataOf(object).namespace ?? 'default'))) {
    await plane.call('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
  }
  for (const object of objects) {
    const path = pathOf(object);
    if (path === undefined) continue;
    const { selector: _, ...spec } = (object.spec ?? {}) as Record<string, unknown>;
    const slice = object.kind === 'EndpointSlice' && object.endpoints === null ? { endpoints: [] } : {};
    const { code, body } = await plane.call('POST', path, {
      ...object,
      ...(object.spec === undefined ? {} : { spec }),
      ...slice,
    });
    if (code >= 300) return body.message ?? String(code);
    if (object.status === undefined) continue;
    const { status } = object;
    await plane.ok('PATCH', `${path}/${nameOf(object)}/status`, { status }, 'application/merge-patch+json');
  }
  return undefined;
}

export async function deleteObjects(plane: ControlPlane, objects: readonly RawObject[]): Promise<void> {
  for (const object of objects) {
    const path = pathOf(object);
    if (path !== undefined) await plane.call('DELETE', `${path}/${nameOf(object)}`);
  }
}

/** Gives the addresses of the Node object to an interface of this host. */
export function setAddresses({ objects, node }: Cluster): void {
  const object = objects.find((each) => each.kind === 'Node' && nameOf(each) === node);
  const status = object?.status as { addresses?: { type: string; address: string }[] } | undefined;
  const addresses = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP');
  shell(
    // Not a dummy, which not every kernel has.
    'ip link show node0 >/dev/null 2>&1 && ip link delete node0; ip link add node0 type veth peer name peer0; ip link set peer0 up; ip link set node0 up',
  );
  for (const { address } of addresses)
    shell(`ip addr add ${address} dev node0${address.includes(':') ? ' nodad' : ''}`);
}

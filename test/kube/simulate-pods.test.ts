import { describe, expect, test } from 'vitest';
import type { RawObject } from '../../src/kube/objects.js';
import { node, placed, pod, run, service, workload } from './simulate-support.js';

const LETTERS = '[bcdfghjklmnpqrstvwxz24-9]';

/** A node whose podCIDR has one address for Pods: .0 is the network, .1 the node's bridge, .3 the broadcast address. */
function tight(name: string, third: number, metadata = ''): RawObject {
  return node(
    name,
    `{podCIDR: 10.1.${third}.0/30}`,
    metadata,
    '{addresses: [{type: InternalIP, address: 172.18.0.9}]}',
  );
}

/** How many Pods each node has. */
function load(objects: readonly RawObject[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { spec } of run(objects).pods) counts[spec?.nodeName ?? ''] = (counts[spec?.nodeName ?? ''] ?? 0) + 1;
  return counts;
}

describe('nodes', () => {
  test('three are invented, with addresses', () => {
    const { nodes, notes } = run([]);
    expect(Object.keys(nodes)).toEqual(['node-1', 'node-2', 'node-3']);
    expect(nodes['node-2']).toEqual({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: 'node-2',
        labels: { 'kubernetes.io/arch': 'amd64', 'kubernetes.io/hostname': 'node-2', 'kubernetes.io/os': 'linux' },
      },
      spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
      status: {
        addresses: [
          { type: 'InternalIP', address: '172.18.0.2' },
          { type: 'Hostname', address: 'node-2' },
        ],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    });
    expect(notes).toContain('Node node-1: invented with InternalIP 172.18.0.1 and podCIDR 10.244.0.0/24.');
  });

  test('as many as asked for, in the order of their numbers', () => {
    const { nodes } = run([], { nodes: 11, clusterCIDR: '10.0.0.0/16' });
    expect(Object.keys(nodes).slice(8)).toEqual(['node-9', 'node-10', 'node-11']);
    expect(nodes['node-10']?.spec?.podCIDR).toBe('10.0.9.0/24');
  });

  test('none where some are given; what these say stays', () => {
    const given = node('a', '{podCIDR: 10.9.0.0/24}', '', '{addresses: [{type: InternalIP, address: 1.2.3.4}]}');
    const { nodes, notes } = run([given]);
    expect(nodes).toEqual({ a: given });
    expect(notes).toEqual([]);
  });

  test('given ones get what they lack, of the family that they have', () => {
    const { nodes, notes } = run([
      node('a', '{podCIDR: 10.244.0.0/24}'),
      node('b', '{}', '', '{addresses: [{type: InternalIP, address: "fd00::1"}]}'),
      node('c'),
    ]);
    expect(nodes.a?.status?.addresses).toEqual([
      { type: 'InternalIP', address: expect.stringMatching(/^172\.18\.\d+\.\d+$/) },
      { type: 'Hostname', address: 'a' },
    ]);
    expect(nodes.b?.spec?.podCIDRs).toEqual(['fd00:10:244::/64']);
    // Node a has the first part already.
    expect(nodes.c?.spec?.podCIDRs).toEqual(['10.244.1.0/24']);
    expect(notes).toContain('Node b: podCIDR fd00:10:244::/64 allocated.');
  });

  test('those that Pods name are invented beside the given ones', () => {
    const named = pod('p', 'spec: {nodeName: x, containers: [{name: c}]}, status: {podIP: 10.0.0.1, hostIP: 9.9.9.9}');
    const { nodes } = run([tight('a', 0), named]);
    expect(Object.keys(nodes)).toEqual(['a', 'x']);
    expect(nodes.x?.status?.addresses?.[0]).toEqual({ type: 'InternalIP', address: '9.9.9.9' });
    expect(Object.keys(run([workload('Deployment', 'w', '', 'nodeName: y')]).nodes)).toEqual(['y']);
  });

  test('those that endpoints name are invented where no Node is given', () => {
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 's' },
      endpoints: [{ addresses: ['10.0.0.1'], nodeName: 'x' }],
    };
    const subsets = [
      { addresses: [{ ip: '10.0.0.1', nodeName: 'y' }], notReadyAddresses: [{ ip: '10.0.0.2', nodeName: 'z' }] },
    ];
    const endpoints = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name: 'e' }, subsets };
    expect(Object.keys(run([slice, endpoints]).nodes)).toEqual(['x', 'y', 'z']);
    expect(Object.keys(run([slice, endpoints, tight('a', 0)]).nodes)).toEqual(['a']);
  });

  test('have IPv6 when the cluster is said to have it, or something asks for it', () => {
    const families = (objects: RawObject[], options = {}) =>
      run(objects, options).nodes['node-1']?.spec?.podCIDRs?.map((cidr) => (cidr.includes(':') ? 6 : 4)) ?? [];
    const dual = (spec: string) => service('web', `{ipFamilyPolicy: PreferDualStack, ${spec}}`);
    expect(families([])).toEqual([4]);
    expect(families([], { serviceClusterIPRange: '10.96.0.0/16,fd00::/112' })).toEqual([4, 6]);
    expect(families([], { serviceClusterIPRange: 'fd00::/112' })).toEqual([6]);
    expect(families([dual('')])).toEqual([4, 6]);
    expect(families([service('web', '{clusterIP: None}')])).toEqual([4]);
    expect(families([service('web', '{ipFamilies: [IPv6]}')])).toEqual([4, 6]);
    expect(families([pod('p', 'status: {podIP: "fd00::1"}')])).toEqual([4, 6]);
  });
});

describe('workloads', () => {
  test('Deployment: its Pods look as if a ReplicaSet had made them', () => {
    const { pods, notes } = run([workload('Deployment', 'web', 'replicas: 2')]);
    expect(pods).toHaveLength(2);
    const [first, second] = pods;
    expect(first?.metadata?.name).toMatch(new RegExp(`^web-${LETTERS}{10}-${LETTERS}{5}$`));
    expect(second?.metadata?.name).not.toBe(first?.metadata?.name);
    const replicaSet = first?.metadata?.name?.slice(0, -6) ?? '';
    expect(first?.metadata?.labels).toEqual({ app: 'web', 'pod-template-hash': replicaSet.slice('web-'.length) });
    expect(first?.metadata?.ownerReferences).toEqual([
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: replicaSet, controller: true, blockOwnerDeletion: true },
    ]);
    expect(first?.status).toMatchObject({ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
    const ip = first?.status?.podIP;
    expect(notes).toContain(
      `Pod default/${first?.metadata?.name}: made for Deployment default/web, pod IP ${ip} allocated on node ${first?.spec?.nodeName}.`,
    );
  });

  test('StatefulSet: names, host names and labels by number', () => {
    const { pods } = run([workload('StatefulSet', 'db', 'replicas: 2, serviceName: dbs, ordinals: {start: 3}')]);
    expect(pods.map((each) => each.metadata?.name)).toEqual(['db-3', 'db-4']);
    expect(pods[0]?.spec).toMatchObject({ hostname: 'db-3', subdomain: 'dbs' });
    expect(pods[0]?.metadata?.labels).toEqual({
      app: 'web',
      'apps.kubernetes.io/pod-index': '3',
      'controller-revision-hash': expect.stringMatching(new RegExp(`^db-${LETTERS}{10}$`)),
      'statefulset.kubernetes.io/pod-name': 'db-3',
    });
  });

  test.each(['ReplicaSet', 'ReplicationController'])('%s: one Pod by default, owned by it', (kind) => {
    const { pods } = run([workload(kind, 'web')]);
    expect(pods).toHaveLength(1);
    expect(pods[0]?.metadata?.name).toMatch(new RegExp(`^web-${LETTERS}{5}$`));
    expect(pods[0]?.metadata?.labels).toEqual({ app: 'web' });
    expect(pods[0]?.metadata?.ownerReferences?.[0]).toMatchObject({ kind, name: 'web' });
  });

  test('DaemonSet: one Pod on each node that fits', () => {
    const gpu = (name: string, third: number, more = '') => tight(name, third, `labels: {gpu: 'yes'}${more}`);
    const nodes = [gpu('a', 0), tight('b', 1), gpu('c', 2)];
    const { pods } = run([workload('DaemonSet', 'agent', '', "nodeSelector: {gpu: 'yes'}"), ...nodes]);
    expect(placed(pods).map((each) => each.slice(-'@a=10.1.0.2'.length))).toEqual(['@a=10.1.0.2', '@c=10.1.2.2']);
    expect(run([workload('DaemonSet', 'agent')]).pods).toHaveLength(3);
  });

  test('no replicas, no Pods', () => {
    expect(run([workload('Deployment', 'web', 'replicas: 0')]).pods).toEqual([]);
  });

  test('more than 100,000 Pods are refused before they are made', () => {
    const { errors, pods } = run([
      workload('Deployment', 'web', 'replicas: 2000000000'),
      workload('ReplicaSet', 'small'),
    ]);
    expect(errors).toEqual(['simulate-exhausted Deployment default/web spec.replicas']);
    expect(pods).toHaveLength(1);
  });

  test('changing the image moves no Pod', () => {
    const before = run([workload('Deployment', 'web', 'replicas: 3')]).pods;
    const after = run([workload('Deployment', 'web', 'replicas: 3', 'volumes: []')]).pods;
    const where = (pods: typeof before) => placed(pods).map((each) => each.slice(each.indexOf('@')));
    expect(where(after)).toEqual(where(before));
    expect(after[0]?.metadata?.name).not.toBe(before[0]?.metadata?.name);
  });
});

describe('what is given is not made again', () => {
  const owned = (kind: string, name: string, more = '') =>
    `labels: {app: web${more}}, ownerReferences: [{kind: ${kind}, name: ${name}, controller: true}]`;
  const deployment = workload('Deployment', 'web', 'replicas: 3');
  const replicaSet = (replicas: number) =>
    workload('ReplicaSet', 'web-abc', `replicas: ${replicas}`, '', owned('Deployment', 'web'));

  test('Pods of a ReplicaSet of a Deployment', () => {
    const pods = [
      pod('web-abc-1', '', owned('ReplicaSet', 'web-abc')),
      pod('web-abc-2', '', owned('ReplicaSet', 'web-abc')),
    ];
    const names = run([deployment, replicaSet(3), ...pods]).pods.map((each) => each.metadata?.name);
    expect(names).toEqual(['web-abc-1', 'web-abc-2']);
  });

  test('a ReplicaSet of a Deployment makes the Pods', () => {
    const { pods } = run([deployment, replicaSet(2)]);
    expect(pods.map((each) => each.metadata?.ownerReferences?.[0]?.name)).toEqual(['web-abc', 'web-abc']);
  });

  test('Pods of a Deployment whose ReplicaSet is not given', () => {
    const given = pod('web-abc-1', '', owned('ReplicaSet', 'web-abc', ', pod-template-hash: abc'));
    expect(run([deployment, given]).pods.map((each) => each.metadata?.name)).toEqual(['web-abc-1']);
    const other = pod('webx-abc-1', '', owned('ReplicaSet', 'webx-abc', ', pod-template-hash: abc'));
    expect(run([deployment, other]).pods).toHaveLength(4);
    const odd = pod('web-xyz-1', '', owned('ReplicaSet', 'web-xyz', ', pod-template-hash: abc'));
    expect(run([deployment, odd]).pods).toHaveLength(4);
  });

  test('Pods of a StatefulSet and a DaemonSet, in their namespace', () => {
    const objects = [
      workload('StatefulSet', 'db', 'replicas: 2'),
      workload('DaemonSet', 'agent', '', '', 'namespace: x'),
      pod('db-0', '', owned('StatefulSet', 'db')),
      pod('agent-1', '', owned('DaemonSet', 'agent')),
    ];
    // The DaemonSet of namespace x still has its own three.
    expect(
      run(objects)
        .pods.map((each) => each.metadata?.namespace ?? 'default')
        .sort(),
    ).toEqual(['default', 'default', 'x', 'x', 'x']);
  });
});

describe('placing', () => {
  test('goes round the nodes', () => {
    expect(load([workload('Deployment', 'web', 'replicas: 7')])).toEqual({
      'node-1': expect.any(Number),
      'node-2': expect.any(Number),
      'node-3': expect.any(Number),
    });
    expect(Object.values(load([workload('Deployment', 'web', 'replicas: 7')])).sort()).toEqual([2, 2, 3]);
    expect(load([pod('a'), pod('b'), pod('c')])).toEqual({ 'node-1': 1, 'node-2': 1, 'node-3': 1 });
  });

  test('keeps to node names, selectors, affinity and taints', () => {
    const taint = (more: string) => `{podCIDR: 10.2.0.0/24, taints: [{key: control, effect: NoSchedule}]${more}}`;
    const nodes = [
      node('a', '{}', 'labels: {disk: ssd, size: "3"}'),
      node('b', '{}', 'labels: {size: "5"}'),
      node('c', taint('')),
    ];
    const on = (podSpec: string) =>
      Object.keys(load([workload('Deployment', 'web', 'replicas: 9', podSpec), ...nodes]))
        .sort()
        .join();
    const affinity = (expression: string) =>
      on(
        `affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [${expression}]}}}`,
      );
    const expressions = (text: string) => `{matchExpressions: [${text}]}`;
    expect(on('')).toBe('a,b');
    expect(on('nodeSelector: {disk: ssd}')).toBe('a');
    expect(on('nodeName: c')).toBe('c');
    expect(on('tolerations: [{key: control, operator: Exists}]')).toBe('a,b,c');
    expect(on('tolerations: [{operator: Exists}]')).toBe('a,b,c');
    expect(on('tolerations: [{key: control, value: x}]')).toBe('a,b');
    expect(on('tolerations: [{key: control, operator: Exists, effect: NoExecute}]')).toBe('a,b');
    expect(affinity(expressions('{key: disk, operator: NotIn, values: [ssd]}'))).toBe('b');
    expect(affinity(expressions('{key: disk, operator: DoesNotExist}'))).toBe('b');
    expect(affinity(expressions('{key: size, operator: Gt, values: ["4"]}'))).toBe('b');
    expect(affinity(expressions('{key: size, operator: Lt, values: ["4"]}'))).toBe('a');
    expect(
      affinity(
        `${expressions('{key: disk, operator: Exists}')}, ${expressions('{key: size, operator: In, values: ["5"]}')}`,
      ),
    ).toBe('a,b');
    expect(affinity('{matchFields: [{key: metadata.name, operator: In, values: [b]}]}')).toBe('b');
    expect(affinity('{}')).toBe('');
  });

  test('a cordoned node gets no Pods but those of a DaemonSet; a node that is not ready not even those', () => {
    const nodes = [
      node('a'),
      node('b', '{unschedulable: true}'),
      node('c', '{taints: [{key: node.kubernetes.io/not-ready, effect: NoSchedule}]}'),
    ];
    expect(load([workload('Deployment', 'web', 'replicas: 2'), ...nodes])).toEqual({ a: 2 });
    expect(load([workload('DaemonSet', 'web'), ...nodes])).toEqual({ a: 1, b: 1 });
  });

  test('every Pod tolerates an unreachable node for a while, as the API server has it', () => {
    const leaving = node('a', '{taints: [{key: node.kubernetes.io/unreachable, effect: NoExecute}]}');
    expect(load([pod('p'), leaving])).toEqual({ a: 1 });
  });

  test('workloads of one Pod do not all start on the first node', () => {
    const many = Array.from({ length: 12 }, (_, i) => workload('Deployment', `w${i}`));
    expect(Object.keys(load(many)).sort()).toEqual(['node-1', 'node-2', 'node-3']);
  });

  test('a Pod that fits nowhere stays Pending, which is no error', () => {
    const { pods, notes, errors } = run([
      pod('p', 'spec: {containers: [{name: c}], nodeSelector: {a: b}}'),
      tight('n', 0),
    ]);
    expect(pods[0]?.status?.podIP).toBeUndefined();
    expect(errors).toEqual([]);
    expect(notes).toEqual(['Pod default/p: fits on no node and stays Pending.']);
  });

  test('invented nodes have every label but another host name', () => {
    expect(Object.values(load([workload('Deployment', 'web', 'replicas: 3', 'nodeSelector: {disk: ssd}')]))).toEqual([
      1, 1, 1,
    ]);
    const byHost = workload('Deployment', 'web', 'replicas: 3', 'nodeSelector: {kubernetes.io/hostname: node-2}');
    expect(load([byHost])).toEqual({ 'node-2': 3 });
  });
});

describe('addresses', () => {
  test('the only ones that are left; then none', () => {
    const { pods, errors } = run([workload('StatefulSet', 'db', 'replicas: 4'), tight('a', 0), tight('b', 1)]);
    expect(
      placed(pods.slice(0, 2))
        .map((each) => each.slice(5))
        .sort(),
    ).toEqual(['a=10.1.0.2', 'b=10.1.1.2']);
    expect(placed(pods.slice(2))).toEqual(['db-2@=', 'db-3@=']);
    // Said once, not for every Pod.
    expect(errors).toEqual(['simulate-exhausted Pod default/db-2']);
  });

  test('a full node is passed over', () => {
    const { pods, errors } = run([
      workload('StatefulSet', 'db', 'replicas: 5'),
      tight('a', 0),
      node('b', '{podCIDR: 10.2.0.0/24}'),
    ]);
    expect(pods.filter((each) => each.spec?.nodeName === 'b')).toHaveLength(4);
    expect(errors).toEqual([]);
  });

  test('given ones stay and are not given out again', () => {
    const given = pod('given', 'status: {podIP: 10.1.0.2}, spec: {nodeName: a, containers: [{name: c}]}');
    const { pods, errors } = run([given, pod('p'), pod('q'), tight('a', 0), tight('b', 1)]);
    expect(placed(pods)).toEqual(['given@a=10.1.0.2', 'p@b=10.1.1.2', 'q@=']);
    expect(errors).toEqual(['simulate-exhausted Pod default/q']);
  });

  test("on the host network they are the node's", () => {
    const status = '{addresses: [{type: InternalIP, address: 192.168.1.1}, {type: InternalIP, address: "fd00::1"}]}';
    const { pods, notes } = run([
      workload('ReplicaSet', 'web', 'replicas: 2', 'hostNetwork: true'),
      node('a', '{}', '', status),
    ]);
    expect(pods.map((each) => each.status?.podIPs)).toEqual([
      [{ ip: '192.168.1.1' }, { ip: 'fd00::1' }],
      [{ ip: '192.168.1.1' }, { ip: 'fd00::1' }],
    ]);
    expect(notes.at(-1)).toContain('pod IP 192.168.1.1 and fd00::1 is that of node a.');
  });

  test('one of each podCIDR', () => {
    const { pods } = run([pod('p'), node('a', '{podCIDRs: [10.1.0.0/30, "fd00::/127"]}')]);
    // ::0 is the routers' anycast address and ::1 the bridge's: there is none left.
    expect(placed(pods)).toEqual(['p@=']);
    expect(placed(run([pod('p'), node('a', '{podCIDRs: [10.1.0.0/30, "fd00::/126"]}')]).pods)[0]).toMatch(
      /^p@a=10\.1\.0\.2\+fd00::[23]$/,
    );
  });
});

describe('wrong manifests', () => {
  const wrong = (object: RawObject) => {
    const { errors, pods } = run([object]);
    expect(pods).toEqual([]);
    return errors;
  };

  test.each([
    [{ name: 'UPPER' }, 'invalid-name Pod default/"UPPER" metadata.name'],
    [{ namespace: 'x' }, 'invalid-name Pod x/(no name) metadata.name'],
    [{ name: 'p', namespace: 'a.b' }, 'invalid-name Pod a.b/p metadata.namespace'],
    [{ name: 'p', labels: { a: 1 } }, 'invalid-field Pod default/p metadata.labels.a'],
  ])('Pod metadata %j', (metadata, expected) => {
    expect(wrong({ ...pod('p'), metadata })).toEqual([expected]);
  });

  test.each([
    ['containers: []', 'invalid-field Pod default/p spec.containers'],
    ['containers: {}', 'invalid-field Pod default/p spec.containers'],
    ['containers: [1]', 'invalid-field Pod default/p spec.containers[0]'],
    [
      'containers: [{ports: [{containerPort: 0}]}]',
      'invalid-port Pod default/p spec.containers[0].ports[0].containerPort',
    ],
    ['containers: [{ports: [{}]}]', 'invalid-port Pod default/p spec.containers[0].ports[0].containerPort'],
    [
      'containers: [{ports: [{containerPort: "80"}]}]',
      'invalid-port Pod default/p spec.containers[0].ports[0].containerPort',
    ],
    [
      'containers: [{ports: [{containerPort: 80, name: 80}]}]',
      'invalid-field Pod default/p spec.containers[0].ports[0].name',
    ],
    [
      'containers: [{ports: [{containerPort: 80, name: "80"}]}]',
      'invalid-name Pod default/p spec.containers[0].ports[0].name',
    ],
    [
      'containers: [{ports: [{containerPort: 80, protocol: tcp}]}]',
      'invalid-field Pod default/p spec.containers[0].ports[0].protocol',
    ],
    ['containers: [{}], hostNetwork: "yes"', 'invalid-field Pod default/p spec.hostNetwork'],
    ['containers: [{}], nodeName: A', 'invalid-name Pod default/p spec.nodeName'],
    ['containers: [{}], hostname: a.b', 'invalid-name Pod default/p spec.hostname'],
    ['containers: [{}], nodeSelector: {a: true}', 'invalid-field Pod default/p spec.nodeSelector.a'],
    ['containers: [{}], tolerations: [x]', 'invalid-field Pod default/p spec.tolerations[0]'],
  ])('Pod spec {%s}', (spec, expected) => {
    const errors = wrong(pod('p', `spec: {${spec}}`));
    expect(errors[0]).toBe(expected);
  });

  test.each([
    ['{podIP: 1.2.3}', 'invalid-address Pod default/p status.podIP'],
    ['{podIPs: [{ip: x}]}', 'invalid-address Pod default/p status.podIPs[0].ip'],
    ['{phase: 1}', 'invalid-field Pod default/p status.phase'],
    ['[]', 'invalid-field Pod default/p status'],
  ])('Pod status %s', (status, expected) => {
    expect(wrong(pod('p', `status: ${status}`))).toEqual([expected]);
  });

  test.each([
    ['replicas: -1', 'invalid-field Deployment default/w spec.replicas'],
    ['replicas: "3"', 'invalid-field Deployment default/w spec.replicas'],
    ['replicas: 1.5', 'invalid-field Deployment default/w spec.replicas'],
    ['template: 1', 'invalid-field Deployment default/w spec.template'],
    ['template: null', 'invalid-field Deployment default/w spec.template'],
    ['template: {metadata: {labels: {app: web}}}', 'invalid-field Deployment default/w spec.template.spec'],
    ['selector: {matchLabels: {app: other}}', 'invalid-field Deployment default/w spec.selector.matchLabels.app'],
    ['selector: null', 'invalid-field Deployment default/w spec.selector'],
  ])('Deployment spec {%s}', (spec, expected) => {
    const [key] = spec.split(':');
    const sound = workload('Deployment', 'w');
    const { [key as string]: _, ...rest } = sound.spec as Record<string, unknown>;
    const changed = service('w', `{${spec}}`).spec as object;
    expect(wrong({ ...sound, spec: { ...rest, ...changed } })).toEqual([expected]);
  });

  test('API versions that are gone', () => {
    const old = { ...workload('Deployment', 'w'), apiVersion: 'extensions/v1beta1' };
    expect(wrong(old)).toEqual(['unsupported-version Deployment default/w apiVersion']);
    expect(run([{ ...old, apiVersion: 'example.com/v1' }]).errors).toEqual([]);
  });

  test('duplicates', () => {
    expect(run([pod('p'), pod('p'), pod('p', '', 'namespace: x')]).errors).toEqual(['duplicate-object Pod default/p']);
  });
});

/** Endpoints that are not there, or are there although nobody thinks so. */
import { SERVICE_NAME_LABEL } from '../../kube/labels.js';
import { serviceKey } from '../../kube/service.js';
import { fieldOf, labelsOf, listOf, nameOf, namespaceOf } from '../../kube/simulate/values.js';
import { apiNameOf } from '../../net/family.js';
import { groupBy } from '../../net/group.js';
import type { Check } from './check.js';
import { count, familiesOf, familyPrefix, isUsable, serviceSubject, sliceSubject, someOf } from './cluster.js';
import { unknownTargets } from './selectors.js';

/** On an Endpoints object: it has more endpoints than it lists. */
const OVER_CAPACITY_ANNOTATION = 'endpoints.kubernetes.io/over-capacity';

/** What an Endpoints object, and each mirrored subset, holds at most. */
const MAX_ENDPOINTS = 1000;

/** Checks about endpoints and EndpointSlices. */
export const ENDPOINT_CHECKS = [
  {
    code: 'udp-without-endpoints',
    severity: 'warning',
    title: 'a UDP port without a usable endpoint',
    reason:
      'UDP has no connection to refuse: clients that do not listen for ICMP wait for their timeouts; and in modes iptables ' +
      'and nftables kube-proxy v1.36 leaves the conntrack entries of a port without endpoints, so open flows go on to a ' +
      'pod that is gone.',
    wayOut: 'Keep one ready pod running, or delete the Service while there is none.',
    *find(cluster) {
      const udp = cluster.ports.filter(({ port }) => port.protocol === 'UDP');
      if (udp.length === 0 || !cluster.has('endpoints')) return;
      const dead = udp.filter(({ endpoints }) => !endpoints.some(isUsable));
      for (const facts of groupBy(dead, ({ service, index }) => `${serviceKey(service)} ${index}`).values()) {
        const [first] = facts;
        const entry = first === undefined ? undefined : cluster.state.services.get(serviceKey(first.service));
        if (first === undefined || entry === undefined) continue;
        const { service, port, index } = first;
        const families = facts.map(({ family }) => family);
        const known = facts.flatMap(({ endpoints }) => endpoints).length;
        const why = known === 0 ? 'has no endpoint' : `has ${count(known, 'endpoint')}, none of them ready`;
        const effect = 'datagrams are rejected by ICMP, which most clients never see';
        yield {
          at: serviceSubject(service),
          path: ['spec', 'ports', index],
          message: `${familyPrefix(families, familiesOf(entry))}UDP port ${port.port} ${why}: ${effect}.`,
        };
      }
    },
  },
  {
    code: 'port-without-endpoints',
    severity: 'warning',
    title: 'a port that none of the EndpointSlices of its Service has',
    reason:
      'Endpoints belong to a port by its name and protocol, not by its number: a slice port of another name serves ' +
      'nothing, and connections to the port are refused.',
    wayOut: 'Give the port of the slices the name and protocol of the port of the Service.',
    *find(cluster) {
      for (const { service, port, index, family, endpoints } of cluster.ports) {
        const entry = cluster.state.services.get(serviceKey(service));
        if (endpoints.length > 0 || entry === undefined) continue;
        const slices = entry.slices.filter(
          (slice) => slice.family === family && !slice.headless && slice.endpoints.length > 0,
        );
        if (slices.length === 0) continue;
        // Said better where Pods are known.
        if (unknownTargets(cluster, entry).some((target) => target.index === index)) continue;
        const offered = slices
          .flatMap(({ ports }) => ports)
          .map((each) => `${each.name || '(no name)'} ${each.port}/${each.protocol}`);
        const have = offered.length === 0 ? 'have no port at all' : `have ${someOf([...new Set(offered)])}`;
        yield {
          at: serviceSubject(service),
          path: ['spec', 'ports', index],
          message: `no ${apiNameOf(family)} EndpointSlice has its port ${port.name || '(no name)'}/${port.protocol}; they ${have}.`,
          others: slices.map((slice) => ({ ...sliceSubject(slice, service), path: ['ports'] })),
        };
      }
    },
  },
  {
    code: 'slice-without-service',
    severity: 'warning',
    title: 'an EndpointSlice whose label names a Service that is not there',
    reason: 'kube-proxy finds the slices of a Service by that label alone; a misspelt name serves nothing.',
    wayOut: `Correct the label ${SERVICE_NAME_LABEL}, or give the Service too.`,
    *find(cluster) {
      const namespaces = new Set(cluster.entries.map(({ service }) => service.namespace));
      for (const slice of cluster.state.slices.values()) {
        if (slice.service === undefined || cluster.state.services.has(slice.service)) continue;
        // Without any Service of the namespace the input is a part of a cluster.
        if (!namespaces.has(slice.namespace)) continue;
        const nothing = `nothing reaches its ${count(slice.endpoints.length, 'endpoint')}`;
        yield {
          at: sliceSubject(slice, undefined),
          path: ['metadata', 'labels', SERVICE_NAME_LABEL],
          message: `there is no Service ${slice.service}, so ${nothing}.`,
        };
      }
    },
  },
  {
    code: 'not-ready-published',
    severity: 'warning',
    title: 'publishNotReadyAddresses of a Service with a cluster IP',
    reason:
      'The field is meant for headless Services, whose peers look each other up before they are ready; with a cluster ' +
      'IP it sends clients to pods that start, fail their readiness probe or are being deleted.',
    wayOut: 'Remove it, or give the peers a headless Service of their own (clusterIP: None).',
    *find({ proxied }) {
      for (const { service } of proxied) {
        if (service.object.spec?.publishNotReadyAddresses !== true) continue;
        const message = 'pods get traffic whether ready or not: publishNotReadyAddresses is true, with a cluster IP.';
        yield { at: serviceSubject(service), path: ['spec', 'publishNotReadyAddresses'], message };
      }
    },
  },
  {
    code: 'endpoints-truncated',
    severity: 'warning',
    title: 'an Endpoints object with more than 1000 endpoints',
    reason:
      'Endpoints objects are cut to 1000 endpoints, and only 1000 of a subset are mirrored to EndpointSlices; whatever ' +
      'reads them (not kube-proxy, where the Service has EndpointSlices) never reaches the others.',
    wayOut: 'Read EndpointSlices instead, or write them yourself, at most 1000 endpoints each.',
    *find(cluster) {
      for (const { object, origin } of cluster.objects) {
        if (object.kind !== 'Endpoints' || object.apiVersion !== 'v1') continue;
        const key = `${namespaceOf(object)}/${nameOf(object)}`;
        const service = cluster.state.services.get(key)?.service;
        if (service === undefined) continue;
        const own = labelsOf(fieldOf(object.metadata, 'annotations'));
        const owner = serviceSubject(service);
        const at = { ...owner, object: `Endpoints ${key}`, origin, annotations: [own, ...owner.annotations] };
        if (own[OVER_CAPACITY_ANNOTATION] === 'truncated') {
          const path = ['metadata', 'annotations', OVER_CAPACITY_ANNOTATION];
          yield { at, path, message: `Endpoints ${key} was cut to ${MAX_ENDPOINTS} endpoints.` };
        }
        for (const [i, subset] of listOf(object.subsets).entries()) {
          const size =
            listOf(fieldOf(subset, 'addresses')).length + listOf(fieldOf(subset, 'notReadyAddresses')).length;
          if (size <= MAX_ENDPOINTS) continue;
          const effect = `${MAX_ENDPOINTS} are mirrored, the others get nothing`;
          yield {
            at,
            path: ['subsets', i],
            message: `${size} addresses in one subset of Endpoints ${key}: ${effect}.`,
          };
        }
      }
    },
  },
] as const satisfies readonly Check[];

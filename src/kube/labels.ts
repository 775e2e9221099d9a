/** Well-known labels that rules depend on. */

/** On a Service: another proxy serves it. */
export const SERVICE_PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';

/** On an EndpointSlice: its Service is headless. */
export const HEADLESS_LABEL = 'service.kubernetes.io/headless';

/** On an EndpointSlice: the name of its Service. */
export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

/** On an EndpointSlice: the controller that writes it. */
export const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';

/** On a Node: the zone it stands in. */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';

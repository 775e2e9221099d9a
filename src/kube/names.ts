/** Names of objects, as the API server validates them. What passes here can stand in a rule's comment unquoted. */

const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN_PART = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** A DNS label (RFC 1123): names of Services, namespaces and Service ports. At most 63 characters. */
export function isDnsLabel(text: string): boolean {
  return LABEL.test(text);
}

/** A DNS subdomain (RFC 1123): names of Nodes, EndpointSlices, Pods. At most 253 characters. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && text.split('.').every((part) => SUBDOMAIN_PART.test(part));
}

/** A port name of a container (IANA service name): at most 15 characters, with at least one letter. */
export function isPortName(text: string): boolean {
  return /^[a-z0-9-]{1,15}$/.test(text) && /[a-z]/.test(text) && !/^-|-$|--/.test(text);
}

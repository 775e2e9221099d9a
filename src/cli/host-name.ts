/** By which name this host has its Node object. */
import { hostname } from 'node:os';
import type { ProxyConfig } from '../kube/config.js';

/** That of the host, spelled as kube-proxy does it; undefined where hostnameOverride says another. */
export function hostNodeName({ hostnameOverride }: ProxyConfig): string | undefined {
  return hostnameOverride === undefined || hostnameOverride === '' ? hostname().trim().toLowerCase() : undefined;
}

/** URLs as clients send them. */
import type { HttpRequest } from './ingress.js';

/** A URL taken apart. */
export interface Url extends HttpRequest {
  /** As it was typed, but for brackets around an IPv6 address: with its final dot, if it has one. */
  readonly hostText: string;
  readonly port: number;
}

const DEFAULT_PORTS: Readonly<Record<Url['scheme'], number>> = { http: 80, https: 443 };

/**
 * Reads a URL, or says why not: `http` and `https` only, no user in it, a path that is written as clients send it.
 */
export function readUrl(text: string): Url | string {
  const [, schemeText = '', authority = '', rest = ''] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)/i.exec(text) ?? [];
  const scheme = schemeText.toLowerCase();
  if (scheme !== 'http' && scheme !== 'https') return 'A URL begins with http:// or https://.';
  const [, bracketed, plain, portText] = /^(?:\[([^\]]*)\]|([^:[\]@]*))(?::(.*))?$/.exec(authority) ?? [];
  const hostText = bracketed ?? plain ?? '';
  if (hostText === '' || /[^\x21-\x7e]|[@"<>\\^`{|}%]/.test(authority))
    return 'It has no host, or more than a host and a port before its path.';
  const port = portText === undefined || portText === '' ? DEFAULT_PORTS[scheme] : Number(portText);
  if (!/^\d{0,5}$/.test(portText ?? '') || port < 1 || port > 65_535) return 'Its port is no number from 1 to 65535.';
  const path = rest === '' ? '/' : rest;
  if (/[^\x21-\x7e]/.test(path)) return 'Write its path as it is sent, with % before what is not plain ASCII.';
  if (/\/\.\.?(\/|$)/.test(path)) return 'Write its path as clients send it, without . and .. in it.';
  return { scheme, host: hostText.toLowerCase().replace(/\.$/, ''), hostText, port, path };
}

/** One question about Services or rules, as people ask it, and the answer. */
import { printNftListing } from '../../backends/nftables/print-listing.js';
import type { ReadNftResult } from '../../backends/nftables/problem.js';
import { readNft, recogniseNft } from '../../backends/nftables/recognise.js';
import { type Diagnostic, diagnostic, hasErrors } from '../../kube/diagnostics.js';
import { show } from '../../kube/fields.js';
import { serviceKey } from '../../kube/service.js';
import type { ClusterState, ServiceEntry } from '../../kube/state.js';
import { parseIp } from '../../net/ip.js';
import { compareBytes } from '../../net/text.js';
import { alikeText, someNames } from '../alike.js';
import { addressKind, servicesAt } from '../service-names.js';
import type { ExplainContext } from './context.js';
import { explainLines, isLine } from './line.js';
import type { Explanation } from './model.js';
import { explainName, isKnownName } from './names.js';
import { explainService } from './service.js';

/** What a question can be about. */
export type ExplainKind = 'service' | 'name' | 'line';

/** The answer, or an error. */
export interface Explained {
  readonly explanation: Explanation | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Explains what a text names: `shop/web`, `web:http`, `KUBE-SEP-...`, a line of rules.
 * @param kind undefined: told from the text
 * @param namespace of a Service that is named without one
 */
export function explain(
  what: string,
  context: ExplainContext,
  kind?: ExplainKind | undefined,
  namespace?: string | undefined,
): Explained {
  const text = what.trim();
  const answer = (explanation: Explanation): Explained => ({ explanation, diagnostics: [] });
  if (kind === 'line' || (kind === undefined && isLine(text))) return explainText(text, context);
  if (kind === 'name') return answer(explainName(text, context));
  const found = findService(text, context, namespace);
  if ('entry' in found) return answer(explainService(found.entry, context, found.port));
  // Names of Services are in lower case, so nothing else is meant by one in capitals.
  if (kind === undefined && (isKnownName(text, context) || /^(KUBE|cali|CNI|FLANNEL|CILIUM)[-_]/.test(text))) {
    return answer(explainName(text, context));
  }
  return { explanation: undefined, diagnostics: [found.problem] };
}

const NO_JSON: ReadNftResult = { ruleSet: undefined, diagnostics: [] };

/** Explains lines of rules; one by one, however they came here. What `nft -j list` prints has none: it is listed first. */
function explainText(text: string, context: ExplainContext): Explained {
  const { ruleSet, diagnostics } = recogniseNft(text) === 'json' ? readNft({ name: 'the JSON', text }) : NO_JSON;
  if (hasErrors(diagnostics)) return { explanation: undefined, diagnostics };
  const lines = explainLines(ruleSet === undefined ? text : printNftListing(ruleSet), context);
  const [first] = lines;
  if (first === undefined) {
    const message = 'there is no line of rules here, only what opens, closes or ends something.';
    return { explanation: undefined, diagnostics: [diagnostic('usage', message)] };
  }
  return { explanation: lines.length === 1 ? first : { kind: 'lines', lines }, diagnostics: [] };
}

type FoundService =
  | { readonly entry: ServiceEntry; readonly port: string | undefined }
  | { readonly problem: Diagnostic };

/** `namespace/name:port`; the namespace may be left out where only one has such a Service. */
function findService(text: string, context: ExplainContext, namespace: string | undefined): FoundService {
  const { state } = context;
  const [, , given = namespace, name = '', port] = /^(([^/:]+)\/)?([^/:]+)(?::([^/:]+))?$/.exec(text) ?? [];
  const entries = [...state.services.values()].filter(
    ({ service }) => service.name === name && (given === undefined || service.namespace === given),
  );
  const [entry, ...others] = entries;
  if (entry !== undefined && others.length === 0) {
    const ports = entry.service.ports;
    if (port === undefined || ports.some((each) => each.name === port || String(each.port) === port)) {
      return { entry, port };
    }
    const names = ports.map((each) => (each.name === '' ? String(each.port) : each.name));
    const hint = names.length === 0 ? 'It has no ports.' : `Its ports are ${names.join(', ')}.`;
    return { problem: diagnostic('unknown-service', `Service ${show(text)} has no such port.`, { hint }) };
  }
  if (others.length > 0) {
    const namespaces = entries.map(({ service }) => service.namespace).sort(compareBytes);
    const message = `there is a Service ${show(name)} in the namespaces ${someNames(namespaces)}.`;
    return { problem: diagnostic('unknown-service', message, { hint: 'Write NAMESPACE/NAME.' }) };
  }
  const message = `there is no Service ${show(text)}, and no chain or set is named so.`;
  const hint = addressOwners(text, context) ?? candidates(name || text, state);
  return { problem: diagnostic('unknown-service', message, { hint }) };
}

/** Whose an address is that was given for a name, with a port or without; undefined where it is nobody's. */
function addressOwners(text: string, context: ExplainContext): string | undefined {
  const [, host = text] = /^\[?([^\]]*?)\]?:\d+$/.exec(parseIp(text) === undefined ? text : '') ?? [];
  const ip = parseIp(host);
  if (ip === undefined) return undefined;
  const owners = servicesAt(context.state, ip).map(
    (service) => `${addressKind(service, ip)} of ${serviceKey(service)}`,
  );
  for (const { servicePorts } of context.plans) {
    for (const { namespace, service, endpoints } of servicePorts) {
      if (endpoints.some(({ source }) => source.address === ip.text))
        owners.push(`endpoint of ${namespace}/${service}`);
    }
  }
  const distinct = [...new Set(owners)];
  if (distinct.length === 0) return undefined;
  return `It is an address: ${someNames(distinct)}. trace follows packets to it.`;
}

/** Services whose names are like one that is not there, or else all. */
function candidates(name: string, state: ClusterState): string {
  const services = Array.from(state.services.values(), ({ service }) => service);
  return alikeText(name, services) ?? 'There are no Services here.';
}

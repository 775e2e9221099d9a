/** Transport protocols that a Service port can have, as the API spells them. */
export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** The protocol as iptables, ipset and nft spell it. */
export type LowerProtocol = 'tcp' | 'udp' | 'sctp';

const PROTOCOLS: ReadonlySet<string> = new Set(['TCP', 'UDP', 'SCTP']);

/** Whether a text is a protocol of the API. */
export function isProtocol(text: string): text is Protocol {
  return PROTOCOLS.has(text);
}

/** `TCP` → `tcp`. */
export function lowerProtocol(protocol: Protocol): LowerProtocol {
  return protocol.toLowerCase() as LowerProtocol;
}

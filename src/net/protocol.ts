/** Transport protocols that a Service port can have, as the API spells them. */
export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** All of them. */
export const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

/** The protocol as iptables, ipset and nft spell it. */
export type LowerProtocol = 'tcp' | 'udp' | 'sctp';

/** `TCP` → `tcp`. */
export function lowerProtocol(protocol: Protocol): LowerProtocol {
  return protocol.toLowerCase() as LowerProtocol;
}

/** How many connections each real server has, from what `ipvsadm -L -n` prints. */

const OPTIONS: Readonly<Record<string, string>> = { TCP: '-t', UDP: '-u', SCTP: '--sctp-service' };

/**
 * Connections by real server (`-t 10.96.0.10:80 -r 10.244.1.5:8080`), the active and the inactive ones together: among
 * the latter are those that only one side has closed. Virtual servers of marks are left out, as is what is no such line.
 */
export function readConnections(text: string): ReadonlyMap<string, number> {
  const connections = new Map<string, number>();
  let service: string | undefined;
  for (const line of text.split('\n')) {
    const [, protocol, address] = /^([A-Z]+) +(\S+)/.exec(line) ?? [];
    if (protocol !== undefined) {
      const option = OPTIONS[protocol];
      service = option === undefined ? undefined : `${option} ${address}`;
    }
    const [, server, active, inactive] = /^ +-> (\S+) +[A-Z]\w+ +\d+ +(\d+) +(\d+) *$/.exec(line) ?? [];
    if (service !== undefined && server !== undefined) {
      connections.set(`${service} -r ${server}`, Number(active) + Number(inactive));
    }
  }
  return connections;
}

/** The timeouts that `ipvsadm -L --timeout` prints: TCP, TCP after a FIN, UDP; undefined where it prints others. */
export function readTimeouts(text: string): readonly [number, number, number] | undefined {
  const [, tcp, fin, udp] = /: (\d+) (\d+) (\d+)$/m.exec(text) ?? [];
  return udp === undefined ? undefined : [Number(tcp), Number(fin), Number(udp)];
}

/** Reads the texts of IPVS mode for tests: ipvsadm's and ipset's restore inputs. */

/** A virtual server with its real servers. */
interface ReadServer {
  /** Protocol flag, address and port: `-t 10.96.0.20:80`. */
  readonly service: string;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly address: string;
  readonly port: number;
  /** What follows on its line: `-s rr -p 10800`. */
  readonly options: string;
  /** Addresses and ports of its real servers, in order. */
  readonly realServers: readonly string[];
}

interface ReadServers {
  /** The line that sets timeouts; undefined without one. */
  readonly timeouts: string | undefined;
  readonly servers: readonly ReadServer[];
}

const PROTOCOLS = { '-t': 'tcp', '-u': 'udp', '--sctp-service': 'sctp' } as const;

/**
 * Reads an input of `ipvsadm -R`. Throws for a line that it does not know, for a real server that does not stand
 * behind its own virtual server, and for timeouts that are not set first.
 */
export function readIpvsadm(text: string): ReadServers {
  const lines = text.split('\n').slice(0, -1);
  const timeouts = lines[0]?.startsWith('--set ') === true ? lines.shift() : undefined;
  const servers: (ReadServer & { realServers: string[] })[] = [];
  for (const line of lines) {
    const [, flag = '', host = '', port = '', options = ''] =
      /^-A (-t|-u|--sctp-service) (\[[0-9a-f:]+\]|[0-9.]+):(\d+) (.*)$/.exec(line) ?? [];
    if (flag !== '') {
      servers.push({
        service: `${flag} ${host}:${port}`,
        protocol: PROTOCOLS[flag as keyof typeof PROTOCOLS],
        address: host.replace(/[[\]]/g, ''),
        port: Number(port),
        options,
        realServers: [],
      });
      continue;
    }
    const [, service, realServer = ''] = /^-a (\S+ \S+) -r (\S+) -m -w 1$/.exec(line) ?? [];
    const server = servers.at(-1);
    if (server === undefined || service !== server.service) throw new Error(`unknown or misplaced line: ${line}`);
    server.realServers.push(realServer);
  }
  return { timeouts, servers };
}

/** A set with its entries. */
interface ReadSet {
  /** Everything after the name: `hash:ip,port family inet hashsize 1024 maxelem 65536`. */
  readonly creation: string;
  readonly entries: readonly string[];
}

/** Reads an input of `ipset restore`: sets by name, in order. Throws for a line that it does not know. */
export function readIpset(text: string): ReadonlyMap<string, ReadSet> {
  const sets = new Map<string, { creation: string; entries: string[] }>();
  let last = '';
  for (const line of text.split('\n').slice(0, -1)) {
    const [, verb, name = '', rest = ''] = /^(create|add) (\S+) (.+)$/.exec(line) ?? [];
    if (verb === 'create' && !sets.has(name)) {
      sets.set(name, { creation: rest, entries: [] });
      last = name;
    } else if (verb === 'add' && name === last) {
      sets.get(name)?.entries.push(rest);
    } else {
      throw new Error(`unknown or misplaced line: ${line}`);
    }
  }
  return sets;
}

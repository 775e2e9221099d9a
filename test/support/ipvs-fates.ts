/** What becomes of new connections on a kernel in memory, after every single line that an apply has it carry out. */
import { expect } from 'vitest';
import type { Wanted } from '../../src/apply/wanted.js';
import type { Interface, Packet } from '../../src/backends/packet/packet.js';
import { rulesOfDumps } from '../../src/inspect/rule-texts.js';
import { tracePacket } from '../../src/inspect/trace.js';
import type { Family } from '../../src/net/family.js';
import { joinHostPort } from '../../src/net/ip.js';
import { bring } from './applier.js';
import type { IpvsKernel } from './ipvs-kernel.js';

/** An address and port of a Service. */
interface Place {
  readonly family: Family;
  readonly protocol: Packet['protocol'];
  readonly address: string;
  readonly port: number;
}

const PROTOCOLS = { '-t': 'tcp', '-u': 'udp', '--sctp-service': 'sctp' } as const;

/** By its text all that somebody may connect to. */
function placesOf(wanted: readonly Wanted[]): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const each of wanted) {
    if (each.kind !== 'ipvs') continue;
    for (const [, key = ''] of each.ipvsadm.matchAll(/^-A (\S+ \S+) /gm)) {
      const [, option = '-t', address = '', port] = /^(\S+) \[?([^\]]+?)\]?:(\d+)$/.exec(key) ?? [];
      const protocol = PROTOCOLS[option as keyof typeof PROTOCOLS];
      places.set(key, { family: each.family, protocol, address, port: Number(port) });
    }
  }
  return places;
}

/** Who connects. Pods are told by their addresses. */
const SENDERS: readonly {
  readonly who: string;
  readonly from: Record<Family, string>;
  readonly incoming: Interface;
}[] = [
  { who: 'client', from: { ipv4: '198.51.100.77', ipv6: '2001:db8:77::7' }, incoming: { kind: 'named', name: 'eth0' } },
  { who: 'pod', from: { ipv4: '10.244.0.77', ipv6: 'fd00:244::77' }, incoming: { kind: 'named', name: 'veth77' } },
];

/** The ends of each sender's connections to each place. */
function fatesOf(kernel: IpvsKernel, places: ReadonlyMap<string, Place>): ReadonlyMap<string, ReadonlySet<string>> {
  const fates = new Map<string, Set<string>>();
  const { addresses } = kernel.state();
  const local = new Set(Object.values(addresses).flatMap((all) => all.map((each) => each.replace(/\/.*/, ''))));
  for (const family of ['ipv4', 'ipv6'] as const) {
    const own = [...places].filter(([, place]) => place.family === family);
    if (own.length === 0) continue;
    const programs = [
      [`ip${family === 'ipv4' ? '' : '6'}tables-legacy-save`],
      ['ipset', 'save'],
      ['ipvsadm', '-S', '-n'],
    ] as const;
    const dumps = programs.map(([program, ...args]) => kernel.look({ program, args }));
    const rules = rulesOfDumps(
      dumps.flatMap((text, i) => (text.trim() === '' ? [] : [{ name: String(i), text }])),
      family,
    );
    // In the middle of an apply there may be no servers, or no addresses, yet.
    expect(rules.diagnostics.filter(({ code }) => code !== 'incomplete-dumps')).toEqual([]);
    for (const [key, { protocol, address, port }] of own) {
      for (const { who, from, incoming } of SENDERS) {
        const { fates: found } = tracePacket(rules.functions, {
          packet: {
            family,
            protocol,
            source: from[family],
            sourcePort: undefined,
            destination: address,
            destinationPort: port,
          },
          incoming,
          established: false,
          world: {
            family,
            isLocal: (each) => local.has(each),
            routeLocalnet: false,
            overBridge: false,
            after: undefined,
          },
        });
        const ends = found.map(({ fate }) => {
          if (fate.kind !== 'delivered') return fate.kind;
          if (fate.chosenBy === undefined) return local.has(fate.address) ? 'the node itself' : 'elsewhere';
          return `${joinHostPort(fate.address, family, fate.port)} ${fate.sourceNat === undefined ? 'kept' : 'masqueraded'}`;
        });
        fates.set(`${who} to ${key}`, new Set(ends));
      }
    }
  }
  return fates;
}

/**
 * Applies, and expects of every new connection after each line that it ends as before or as afterwards: at an endpoint
 * of either, and with the client's address kept only where that is so then. Where a Service comes or goes it may be
 * refused as well.
 */
export async function expectFlow(
  kernel: IpvsKernel,
  before: readonly Wanted[],
  after: readonly Wanted[],
): Promise<number> {
  await bring(kernel, before);
  const places = new Map([...placesOf(before), ...placesOf(after)]);
  const first = fatesOf(kernel, places);
  const realServers = (place: string) => Object.keys(kernel.state().servers[place]?.real ?? {});
  const former = new Map(Array.from(places.keys(), (place) => [place, realServers(place)]));
  const seen: { readonly line: string; readonly fates: ReturnType<typeof fatesOf> }[] = [];
  kernel.after = (line) => {
    seen.push({ line, fates: fatesOf(kernel, places) });
  };
  try {
    await bring(kernel, after);
  } finally {
    kernel.after = () => {};
  }
  const last = fatesOf(kernel, places);
  for (const { line, fates } of seen) {
    for (const [way, found] of fates) {
      const place = way.replace(/^\w+ to /, '');
      const [old, now] = [former.get(place) ?? [], realServers(place)];
      // Without real servers it is refused, which is what a Service is that comes or goes.
      const isThere = old.length > 0 && now.length > 0;
      const ends = [...(first.get(way) ?? []), ...(last.get(way) ?? [])];
      // Masquerading does no harm: answers find their way. And who is let in, or not any more, may come a moment too early.
      const masqueraded = [...old, ...now].map((each) => `${each} masqueraded`);
      const allowed = new Set([...ends, ...masqueraded, ...(isThere ? [] : ['rejected'])]);
      expect({ line, way, other: [...found].filter((end) => !allowed.has(end)) }).toEqual({ line, way, other: [] });
    }
  }
  return seen.length;
}

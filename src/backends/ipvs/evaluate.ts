/** A packet through IPVS: its two places in the kernel as hook functions. */
import { joinHostPort } from '../../net/ip.js';
import { type Fraction, ONE, oneIn } from '../packet/fraction.js';
import {
  type Branch,
  type Hook,
  type HookFunction,
  type PacketState,
  type RuleReference,
  UnknownRule,
  type World,
} from '../packet/packet.js';
import { IPVS_INPUT, IPVS_OUTPUT } from '../packet/walk.js';
import { type IpvsTable, type RealServer, serviceKey, type VirtualServer } from './ipvsadm-text.js';

/** Schedulers that spread connections over real servers of equal weight evenly in the long run. */
const EVEN: ReadonlySet<string> = new Set(['rr', 'wrr', 'lc', 'wlc', 'sed', 'nq', 'mh', 'sh', 'dh', 'lblc', 'lblcr']);

/**
 * IPVS takes packets that arrive for the node, behind the rules of filter INPUT, and those that the node sends, before
 * the rules of filter OUTPUT. Which real server is next depends on what went before; all of them count as equally
 * likely here.
 * @throws UnknownRule, when run, for a virtual server whose choice cannot be told
 */
export function ipvsHookFunctions({ services }: IpvsTable): readonly HookFunction[] {
  const byKey = new Map(services.map((service) => [serviceKey(service.service), service]));
  const at = (hook: Hook, priority: number): HookFunction => ({
    hook,
    priority,
    type: 'ipvs',
    run: (state, world) => take(byKey, state, world, hook),
  });
  return [at('input', IPVS_INPUT), at('output', IPVS_OUTPUT)];
}

const FLAGS: Readonly<Record<string, string>> = { tcp: '-t', udp: '-u', sctp: '--sctp-service' };

function take(
  servers: ReadonlyMap<string, VirtualServer>,
  state: PacketState,
  world: World,
  hook: Hook,
): readonly Branch[] {
  const { protocol, family, destination, destinationPort } = state.packet;
  const byMark = servers.get(`-f ${state.mark}${family === 'ipv6' ? ' -6' : ''}`);
  const key = `${FLAGS[protocol]} ${joinHostPort(destination, family, destinationPort)}`;
  const server = (state.mark === 0 ? undefined : byMark) ?? servers.get(key);
  if (server === undefined) return [{ probability: ONE, state, verdict: 'continue', steps: [] }];
  const rule: RuleReference = {
    table: 'ipvs',
    chain: serviceKey(server.service),
    text: describe(server),
    line: server.line,
  };
  const usable = server.servers.filter(({ weight }) => weight > 0);
  if (usable.length === 0) {
    return [{ probability: ONE, state, verdict: 'reject', steps: [{ hook, rule, effect: 'no real server: reject' }] }];
  }
  const chosen = choose(server, usable, world, rule);
  return chosen.map(({ real, probability, how }) => {
    const { address, port } = real;
    const to = joinHostPort(address.text, family, port);
    const next: PacketState = {
      ...state,
      packet: { ...state.packet, destination: address.text, destinationPort: port },
      destinationNat: { address: address.text, port, by: rule },
      virtualServer: { address: destination, port: destinationPort },
    };
    // What goes to a process of the node itself is not sent on: it goes its way.
    const verdict = world.isLocal(address.text) ? 'continue' : 'sent';
    return { probability, state: next, verdict, steps: [{ hook, rule, effect: `sent to ${to}${how}` }] };
  });
}

function describe({ scheduler, persistence, servers }: VirtualServer): string {
  const sticky = persistence === undefined ? '' : ` -p ${persistence}`;
  return `-s ${scheduler}${sticky}, ${servers.length} real ${servers.length === 1 ? 'server' : 'servers'}`;
}

function choose(
  { service, scheduler, persistence, onePacket, other }: VirtualServer,
  usable: readonly RealServer[],
  world: World,
  rule: RuleReference,
): readonly { readonly real: RealServer; readonly probability: Fraction; readonly how: string }[] {
  const unlike = usable.some(
    (real) => real.forwarding !== 'masquerade' || real.other.length > 0 || real.upperThreshold > 0,
  );
  if (unlike || other.length > 0 || onePacket || service.kind === 'mark') {
    throw new UnknownRule(rule, 'what this virtual server does is not known');
  }
  if (persistence !== undefined && world.after !== undefined) {
    const former = usable.find(({ address, port }) => joinHostPort(address.text, address.family, port) === world.after);
    if (former !== undefined) return [{ real: former, probability: ONE, how: ' (as before)' }];
  }
  const [first] = usable;
  if (usable.length === 1 && first !== undefined) return [{ real: first, probability: ONE, how: '' }];
  if (!EVEN.has(scheduler) || usable.some(({ weight }) => weight !== first?.weight)) {
    throw new UnknownRule(rule, `how ${scheduler} chooses between these real servers is not known`);
  }
  const how = ` (1 in ${usable.length} by ${scheduler})`;
  return usable.map((real) => ({ real, probability: oneIn(usable.length), how }));
}

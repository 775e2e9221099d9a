/** What a rule on a packet's way is for, in the words of Kubernetes. */

import { type NftOwner, ownerOf } from '../backends/nftables/owners.js';
import type { RuleReference, Step } from '../backends/packet/packet.js';
import type { ClusterState } from '../kube/state.js';
import type { Family } from '../net/family.js';

/** What names of chains stand for, where names alone do not tell: hashes of iptables mode. */
export type ChainNames = ReadonlyMap<string, string>;

/** Why a rule did what it did; `''` where its own text says it all. */
export function reasonOf({ rule, effect }: Step, names: ChainNames): string {
  if (rule.table.endsWith(' kube-proxy')) return nftReason(rule, effect);
  return names.get(rule.chain) ?? '';
}

function servicePort({ namespace, service, portName }: NftOwner): string {
  return `${namespace}/${service}${portName === '' ? '' : `:${portName}`}`;
}

/** By the chain that a rule of kube-proxy's table is in, and where it leads. */
function nftReason({ chain, text }: RuleReference, effect: string): string {
  const owner = ownerOf(chain);
  if (owner !== undefined) return ownReason(owner, effect);
  const [, target = ''] = /(?:jump|goto) (\S+)/.exec(effect) ?? [];
  const to = ownerOf(target);
  switch (chain) {
    case 'services':
      if (to !== undefined)
        return `${text.includes('@service-nodeports') ? 'a node port' : 'an address'} of ${servicePort(to)}`;
      return effect.startsWith('mark')
        ? 'a cluster IP, from outside the pods: replies must come back through this node'
        : '';
    case 'firewall-check':
      return to === undefined ? '' : `a load-balancer address of ${servicePort(to)}, which has source ranges`;
    case 'service-endpoints-check':
    case 'nodeport-endpoints-check':
      return effect === 'drop'
        ? 'no endpoint on this node, and the traffic policy is Local'
        : 'a service port without endpoints';
    case 'cluster-ips-check':
      return effect === 'drop' ? 'a cluster IP that no Service has' : 'a port that the Service does not have';
    case 'masquerading':
      return text.includes('@hairpin-connections')
        ? 'a pod reaches itself: it must not see its own address'
        : effect.includes('masquerade')
          ? 'it was marked: the source becomes an address of this node'
          : '';
    default:
      return '';
  }
}

function ownReason(owner: NftOwner, effect: string): string {
  const name = servicePort(owner);
  const chosen = effect.includes('dnat') || /goto endpoint-/.test(effect);
  const remembered = chosen && effect.startsWith('goto') && !effect.includes(' in ');
  switch (owner.kind) {
    case 'service':
    case 'local': {
      const policy = owner.kind === 'service' ? 'Cluster' : 'Local';
      if (remembered) return `an endpoint of ${name} that the client had before, or the only one`;
      return chosen ? `the endpoints of ${name} under policy ${policy}` : '';
    }
    case 'external':
      if (effect.startsWith('mark')) return `${name} from outside: replies must come back through this node`;
      return effect.includes('goto local-')
        ? `policy Local of ${name}: the client's address is kept`
        : `${name} from outside`;
    case 'firewall':
      return effect === 'drop' ? `not in the source ranges of ${name}` : '';
    default:
      return `endpoint ${owner.endpoint ?? ''} of ${name}`;
  }
}

/** The names of chains that are hashes, of the Services that are given; made when it is first asked for one. */
export function chainNames(_state: ClusterState, _family: Family): ChainNames {
  return new Map();
}

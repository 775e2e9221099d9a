/** What a rule on a packet's way is for, in the words of Kubernetes. */

import { type NftOwner, ownerOf } from '../backends/nftables/owners.js';
import type { RuleReference, Step } from '../backends/packet/packet.js';
import { joinHostPort, parseIp } from '../net/ip.js';
import type { ServiceNames } from './service-names.js';

/** Why a rule did what it did; `''` where its own text says it all. */
export function reasonOf({ rule, effect }: Step, names: ServiceNames): string {
  if (rule.table === 'ipvs') return virtualServerReason(rule, names);
  return rule.table.endsWith(' kube-proxy') ? nftReason(rule, effect) : xtablesReason(rule, effect, names);
}

/** `-t 10.96.0.1:80` is an address of some service port. */
function virtualServerReason({ chain }: RuleReference, names: ServiceNames): string {
  const [, flag = '', host = '', port = ''] = /^(-t|-u|--sctp-service) \[?([^\]]+?)\]?:(\d+)$/.exec(chain) ?? [];
  const ip = parseIp(host);
  const protocol = flag === '-t' ? 'tcp' : flag === '-u' ? 'udp' : 'sctp';
  if (ip === undefined) return '';
  const packet = { family: ip.family, protocol, source: '', sourcePort: undefined } as const;
  // Every address of a virtual server is on the node.
  const name = names.ofDestination({ ...packet, destination: ip.text, destinationPort: Number(port) }, true);
  return name === undefined ? '' : `virtual server of ${joinHostPort(ip.text, ip.family, Number(port))}: ${name}`;
}

/** kube-proxy's rules carry comments, unless there are very many endpoints; names of chains tell the rest. */
function xtablesReason({ chain, text }: RuleReference, effect: string, names: ServiceNames): string {
  const [, quoted, word] = /--comment (?:"((?:[^"\\]|\\.)*)"|(\S+))/.exec(text) ?? [];
  const comment = quoted ?? word ?? '';
  const [, told] = /^([a-z0-9.-]+\/[a-z0-9.:-]+)/.exec(comment) ?? [];
  const name = names.ofChain(chain) ?? told;
  const [, kind = ''] = /^KUBE-(SVC|SVL|EXT|SEP|FW)-/.exec(chain) ?? [];
  if (name === undefined) return comment;
  if (effect.includes('jump KUBE-SEP-')) {
    const policy = kind === 'SVL' ? 'Local' : 'Cluster';
    return text.includes(' --rcheck ')
      ? `an endpoint of ${name} that the client had before`
      : `the endpoints of ${name} under policy ${policy}`;
  }
  if (kind === 'SVC' && effect.endsWith('KUBE-MARK-MASQ')) {
    return `cluster IP of ${name}, from outside the pods: replies must come back through this node`;
  }
  if (kind === 'SEP') {
    return effect.includes('KUBE-MARK-MASQ')
      ? 'a pod reaches itself: it must not see its own address'
      : `endpoint of ${name}`;
  }
  return comment === '' ? name : comment;
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

/** What a name of a chain, set or map stands for. */
import { endpointChain, servicePortChains } from '../../backends/iptables/names.js';
import { type NftOwner, ownerOf } from '../../backends/nftables/owners.js';
import { WORDS } from '../../backends/nftables/words.js';
import { chainOwner } from '../../backends/xtables/owner.js';
import { servicePortName } from '../../kube/service.js';
import { lowerProtocol, type Protocol } from '../../net/protocol.js';
import { type ExplainContext, isWritten, linesOf } from './context.js';
import {
  NFT_CHAINS,
  nftSetPurpose,
  OTHER_CHAINS,
  ownChainPurpose,
  setOfName,
  setPurpose,
  sharedChainPurpose,
} from './fixed-names.js';
import type { NameExplanation, NameMeaning } from './model.js';

/** Explains a name; there is always something to say, if only that it is not kube-proxy's. */
export function explainName(name: string, context: ExplainContext): NameExplanation {
  const found = [
    ...ownChainMeanings(name, context),
    ...sharedChainMeanings(name, context),
    ...setMeanings(name, context),
    ...nftMeanings(name, context),
  ];
  return { kind: 'name', name, meanings: found.length > 0 ? found : [foreign(name)] };
}

/** Whether a name is one that kube-proxy, kubelet or the kernel gives. */
export function isKnownName(name: string, context: ExplainContext): boolean {
  return explainName(name, context).meanings.some(({ owner }) => owner !== 'foreign');
}

const NOTHING = { table: undefined, servicePort: undefined, protocol: undefined, endpoint: undefined } as const;

function foreign(name: string): NameMeaning {
  const old = /^KUBE-XLB-/.test(name)
    ? 'of kube-proxy before v1.24: traffic from outside under policy Local; nothing uses it any more'
    : "none of kube-proxy's or kubelet's: made by some other program";
  return { ...NOTHING, what: 'chain', owner: 'foreign', modes: [], text: old, present: undefined };
}

const PREFIXES = { SVC: 'service', SVL: 'local', EXT: 'external', FW: 'firewall', SEP: 'endpoint' } as const;

/** The chains of mode iptables whose names are hashes: only trying tells of what. */
function ownChainMeanings(name: string, context: ExplainContext): readonly NameMeaning[] {
  const [, prefix = ''] = /^KUBE-(SVC|SVL|EXT|FW|SEP)-/.exec(name) ?? [];
  const kind = PREFIXES[prefix as keyof typeof PREFIXES];
  if (kind === undefined) return [];
  const chain = { ...NOTHING, what: 'chain', table: 'nat', modes: ['iptables'] } as const;
  const present = isWritten(context, 'iptables', `:${name} - [0:0]`);
  const owner = ownersOf(context).get(name);
  if (owner === undefined) {
    const text =
      'belongs to no Service of this input: it is stale, or of another cluster, or its Service or endpoint is not given';
    return [{ ...chain, owner: 'unknown', text, present }];
  }
  const purpose = kind === 'endpoint' ? 'translates to the endpoint' : ownChainPurpose(kind);
  return [{ ...chain, owner: 'kube-proxy', ...owner, text: purpose, present }];
}

interface Owner {
  readonly servicePort: string;
  readonly protocol: Protocol;
  readonly endpoint: string | undefined;
}

const indexes = new WeakMap<ExplainContext, ReadonlyMap<string, Owner>>();

/** Whose chains there are by name, made at the first question. */
function ownersOf(context: ExplainContext): ReadonlyMap<string, Owner> {
  const known = indexes.get(context);
  if (known !== undefined) return known;
  const owners = new Map<string, Owner>();
  // Also of Services for which this node has no rules, as a chain may be left over.
  for (const { service } of context.state.services.values()) {
    for (const { name, protocol } of service.ports) {
      const servicePort = servicePortName(service, name);
      const { svc, svl, ext, fw } = servicePortChains(servicePort, lowerProtocol(protocol));
      for (const chain of [svc, svl, ext, fw]) owners.set(chain, { servicePort, protocol, endpoint: undefined });
    }
  }
  // Also of endpoints that are not used.
  for (const { servicePorts } of context.plans) {
    for (const { name, protocol, endpoints } of servicePorts) {
      for (const { text } of endpoints) {
        const owner = { servicePort: name, protocol, endpoint: text };
        owners.set(endpointChain(name, lowerProtocol(protocol), text), owner);
      }
    }
  }
  indexes.set(context, owners);
  return owners;
}

/** Chains with fixed names, in each table that has one. */
function sharedChainMeanings(name: string, context: ExplainContext): readonly NameMeaning[] {
  const found: NameMeaning[] = [];
  for (const table of ['nat', 'filter', 'mangle'] as const) {
    const owned = chainOwner(table, name);
    if (owned.owner !== 'kube-proxy' || setOfName(name) !== undefined) continue;
    for (const mode of owned.modes) {
      const text = sharedChainPurpose(mode, table, name);
      const same = found.findIndex((each) => each.table === table && each.text === text);
      const known = found[same];
      if (text === '') continue;
      if (known !== undefined) found[same] = { ...known, modes: [...known.modes, mode] };
      else
        found.push({ ...NOTHING, what: 'chain', table, owner: 'kube-proxy', modes: [mode], text, present: undefined });
    }
  }
  const { mode } = context.setting;
  const present = found.map((each) => ({ ...each, present: each.modes.includes(mode) }));
  const ofMode = present.filter((each) => each.present);
  const other = OTHER_CHAINS[name];
  if (other !== undefined) {
    return [{ ...NOTHING, what: 'chain', owner: other.owner, modes: [], text: other.text, present: undefined }];
  }
  // What the name means in the mode at hand; in none of its own, what it was left over from.
  return ofMode.length > 0 ? ofMode : present;
}

function setMeanings(name: string, { setting }: ExplainContext): readonly NameMeaning[] {
  const key = setOfName(name);
  if (key === undefined) return [];
  const text = `holds ${setPurpose(key)}`;
  const present = setting.mode === 'ipvs';
  return [{ ...NOTHING, what: 'set', owner: 'kube-proxy', modes: ['ipvs'], text, present }];
}

function nftMeanings(name: string, context: ExplainContext): readonly NameMeaning[] {
  const modes = ['nftables'] as const;
  const isNft = context.setting.mode === 'nftables';
  const fixed = NFT_CHAINS[name];
  const present = isNft ? hasNftObject(context, name) : undefined;
  if (fixed !== undefined) {
    return [{ ...NOTHING, what: 'chain', owner: 'kube-proxy', modes, text: fixed, present: isNft }];
  }
  const { what, text } = nftSetPurpose(name.replace(/^@/, ''));
  if (text !== '') return [{ ...NOTHING, what, owner: 'kube-proxy', modes, text, present }];
  const owner = ownerOf(name.replace(/^@/, ''));
  if (owner !== undefined) return [nftOwnMeaning(owner, context, present)];
  if (!/^(service|local|external|firewall|endpoint|affinity)-[A-Z2-7]{8}-/.test(name)) return [];
  const wrong = "looks like one of kube-proxy's, but its hash is not that of the rest: kube-proxy did not make it";
  return [{ ...NOTHING, what: 'chain', owner: 'unknown', modes, text: wrong, present }];
}

function nftOwnMeaning(owner: NftOwner, { state }: ExplainContext, present: boolean | undefined): NameMeaning {
  const { kind, namespace, service, protocol, portName, endpoint, cut } = owner;
  const found = state.services.get(`${namespace}/${service}`)?.service;
  const isThere = found?.ports.some((port) => port.name === portName && port.protocol === protocol) === true;
  const missing = isThere ? '' : '; but this input has no such Service port: it is stale, or of another cluster';
  const unchecked = cut ? ' (the name is cut, so its hash cannot be checked)' : '';
  return {
    what: kind === 'affinity' ? 'set' : 'chain',
    table: undefined,
    owner: isThere ? 'kube-proxy' : 'unknown',
    modes: ['nftables'],
    servicePort: servicePortName({ namespace, name: service }, portName),
    protocol,
    endpoint,
    text: `${ownChainPurpose(kind)}${unchecked}${missing}`,
    present,
  };
}

function hasNftObject({ setting, textsOf }: ExplainContext, name: string): boolean {
  return setting.families.some((family) => {
    const starts = ['chain', 'set', 'map'].map(
      (kind) => `add ${kind} ${WORDS[family].table} ${name.replace(/^@/, '')}`,
    );
    return linesOf(textsOf(family)).has(starts[0] ?? '') || hasStart(textsOf(family).nft ?? '', starts);
  });
}

/** Whether a line begins so and has more words. */
function hasStart(text: string, starts: readonly string[]): boolean {
  return starts.some((start) => text.includes(`\n${start} `));
}

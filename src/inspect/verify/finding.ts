/** What verify finds: codes and what a finding tells. */
import type { Family } from '../../net/family.js';

/** error: traffic goes wrong, or may; note: for information, and no reason for exit status 1. */
export type VerifySeverity = 'error' | 'note';

/** Every code with its severity and meaning; docs/verify.md lists the same. Codes are never reused. */
export const VERIFY_CODES = {
  'nothing-there': { severity: 'error', meaning: 'the dump has no rule of kube-proxy in this mode' },
  'other-mode': {
    severity: 'error',
    meaning: 'rules of another mode: kube-proxy left them behind, or the node runs in that mode',
  },
  'other-version': { severity: 'error', meaning: 'the table is laid out as another version of kube-proxy does it' },
  configuration: { severity: 'error', meaning: 'the rules were made with another configuration than the one given' },
  'jump-missing': { severity: 'error', meaning: 'a built-in chain does not lead into one of kube-proxy' },
  'jump-repeated': { severity: 'error', meaning: 'a built-in chain leads into one of kube-proxy more than once' },
  'no-rules': { severity: 'error', meaning: 'a service port has no rules at all' },
  'endpoint-missing': { severity: 'error', meaning: 'an endpoint that should get traffic is not in the rules' },
  'endpoint-extra': { severity: 'error', meaning: 'an endpoint is in the rules that should get no traffic' },
  'endpoint-changed': { severity: 'error', meaning: 'the rules of one endpoint lead somewhere else' },
  draining: {
    severity: 'note',
    meaning: 'mode ipvs: a former endpoint is kept with weight 0 until its connections end',
  },
  'foreign-server': {
    severity: 'note',
    meaning: 'mode ipvs: virtual servers that are of no Service, and to which nothing of kube-proxy leads',
  },
  uneven: { severity: 'error', meaning: 'endpoints do not get even shares of the connections' },
  affinity: { severity: 'error', meaning: 'session affinity is not what the Service asks for' },
  'masquerade-missing': { severity: 'error', meaning: 'traffic that should be masqueraded is not' },
  'chain-empty': { severity: 'error', meaning: 'a chain that should have rules has none, or is not there' },
  'server-missing': { severity: 'error', meaning: 'mode ipvs: a virtual server is not there' },
  'server-changed': { severity: 'error', meaning: 'mode ipvs: a virtual or real server has other settings' },
  'set-missing': { severity: 'error', meaning: 'a set or map is not there' },
  'set-changed': { severity: 'error', meaning: 'a set or map has another type or other options' },
  'entry-missing': { severity: 'error', meaning: 'a set, a map or the interface kube-ipvs0 lacks an entry' },
  'entry-extra': { severity: 'error', meaning: 'a set, a map or the interface kube-ipvs0 has an entry too many' },
  'rule-missing': { severity: 'error', meaning: 'a rule is not there' },
  'rule-extra': { severity: 'error', meaning: 'a rule in a chain of kube-proxy that kube-proxy does not write' },
  'rule-changed': { severity: 'error', meaning: 'a rule is not as kube-proxy writes it' },
  'rule-order': { severity: 'error', meaning: 'rules stand in another order' },
  stale: { severity: 'error', meaning: 'rules that belong to no Service, or to nothing that it has' },
  'stale-unused': {
    severity: 'note',
    meaning: 'chains that nothing leads to; in clusters of over 1000 endpoints kube-proxy removes them within the hour',
  },
} as const satisfies Record<string, { severity: VerifySeverity; meaning: string }>;

/** A stable name of one kind of finding. */
export type VerifyCode = keyof typeof VERIFY_CODES;

/** A place in a dump. */
export interface DumpPlace {
  readonly file: string;
  /** 1-based; undefined for what is missing, and in listings of nft, whose readers keep no lines. */
  readonly line: number | undefined;
}

/** One rule, entry or setting as it is and as it should be; undefined for what is not there, or should not be. */
export interface VerifyDetail {
  /** The chain, set or virtual server: `nat KUBE-SERVICES`. */
  readonly where: string;
  readonly is: string | undefined;
  readonly should: string | undefined;
  readonly place: DumpPlace | undefined;
}

/** One thing that is wrong with a node. */
export interface VerifyFinding {
  readonly code: VerifyCode;
  readonly severity: VerifySeverity;
  /** `shop/web:http`; undefined for what is no service port's. */
  readonly servicePort: string | undefined;
  readonly protocol: string | undefined;
  readonly family: Family | undefined;
  /** One sentence: what. */
  readonly message: string;
  /** One sentence: what to do. */
  readonly hint: string;
  /** The differences that it stands for, at most 20. */
  readonly details: readonly VerifyDetail[];
}

/** More details than this are left out. */
export const MOST_DETAILS = 20;

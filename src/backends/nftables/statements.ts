/** Rules of nftables as data: what kube-proxy's rules are made of, and a place for what it never uses. */

/** One step of a rule; a packet goes through them from the left until one does not match or decides. */
export type NftStatement =
  /** Goes on only if it holds. `in`: some of the named bits are set, as in `ct state new`. */
  | { readonly kind: 'match'; readonly left: NftExpression; readonly op: NftOperator; readonly right: NftExpression }
  /** The verdict that a map gives; goes on where it gives none. */
  | { readonly kind: 'vmap'; readonly key: NftExpression; readonly map: NftReference | NftVerdicts }
  | { readonly kind: 'verdict'; readonly verdict: NftVerdict }
  /** Refuses with an ICMP answer: `icmp port-unreachable`, `tcp reset`; `''` for the family's port-unreachable. */
  | { readonly kind: 'reject'; readonly with: string }
  | NftTranslation
  | { readonly kind: 'masquerade'; readonly flags: readonly string[] }
  /** `meta mark set ...`. */
  | { readonly kind: 'assign'; readonly target: NftExpression; readonly value: NftExpression }
  /** Puts a key into a dynamic set; `update` also starts its timeout anew. */
  | {
      readonly kind: 'update';
      readonly op: 'add' | 'update' | 'delete';
      readonly set: string;
      readonly key: NftExpression;
      /** Seconds; undefined for the set's own. */
      readonly timeout: number | undefined;
    }
  /** Counts; of a named counter only the name is known. */
  | { readonly kind: 'counter'; readonly name: string; readonly packets: number; readonly bytes: number }
  /**
   * What no rule of kube-proxy has. Of text it is everything up to the end of the rule, as one cannot tell where it
   * ends; of JSON one statement.
   */
  | { readonly kind: 'unknown'; readonly source: string | object };

/** `dnat to ...`. A map may give address and port in one: then `port` is undefined, too. */
export interface NftTranslation {
  readonly kind: 'dnat' | 'snat';
  /** `ip`, `ip6`; `''` where it is the table's. */
  readonly family: string;
  readonly address: NftExpression;
  readonly port: NftExpression | undefined;
  readonly flags: readonly string[];
}

export type NftOperator = 'in' | '==' | '!=' | '<' | '>' | '<=' | '>=';

/** What becomes of a packet. */
export type NftVerdict =
  | { readonly kind: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly kind: 'jump' | 'goto'; readonly target: string };

/** Something that has a value for a packet. */
export type NftExpression =
  /** A field of a header: `ip saddr`; `th dport` is the port of whatever transport protocol there is. */
  | { readonly kind: 'payload'; readonly protocol: string; readonly field: string }
  /** `meta l4proto`, `meta mark`, `iifname`. */
  | { readonly kind: 'meta'; readonly key: string }
  | { readonly kind: 'ct'; readonly key: string }
  /** A route lookup: `fib daddr type`, `fib saddr . iif oif`. */
  | { readonly kind: 'fib'; readonly flags: readonly string[]; readonly result: string }
  /** A number from `offset` to `offset + mod - 1`, by chance or counting up. */
  | { readonly kind: 'numgen'; readonly mode: string; readonly mod: number; readonly offset: number }
  | { readonly kind: 'concat'; readonly parts: readonly NftExpression[] }
  | {
      readonly kind: 'binary';
      readonly op: '&' | '|' | '^';
      readonly left: NftExpression;
      readonly right: NftExpression;
    }
  | { readonly kind: 'map'; readonly key: NftExpression; readonly map: NftReference | NftEntries }
  /** A word without quotes: address, prefix (`10.0.0.0/8`), range (`80-90`), number, name. */
  | { readonly kind: 'value'; readonly text: string }
  /** An anonymous set. */
  | { readonly kind: 'set'; readonly items: readonly NftExpression[] }
  /** Several flags at once: `established,new`. */
  | { readonly kind: 'list'; readonly items: readonly NftExpression[] }
  | NftReference;

/** A named set or map: `@service-ips`. */
export interface NftReference {
  readonly kind: 'reference';
  readonly name: string;
}

/** An anonymous map of values. */
export interface NftEntries {
  readonly kind: 'entries';
  readonly entries: readonly { readonly key: NftExpression; readonly data: NftExpression }[];
}

/** An anonymous map of verdicts. */
export interface NftVerdicts {
  readonly kind: 'verdicts';
  readonly entries: readonly { readonly key: NftExpression; readonly verdict: NftVerdict }[];
}

/** What differs between the rules of a host and those that it is to have, as people are told of it. */

/** One chain, rule, set, virtual server or table that is to change. */
export interface Change {
  /** Which: `nat KUBE-SVC-XPGD46QRK7WJZT7O`, `-t 10.96.0.10:80`, `map service-ips`. */
  readonly what: string;
  /** The service port whose it is, where the lines tell it and the name does not: `shop/web:http`. */
  readonly service?: string;
  readonly action: 'add' | 'change' | 'remove';
  /** Its lines as the host has them, in its own spelling; empty for what is added. */
  readonly before: readonly string[];
  /** Its lines as they are to be; empty for what is removed. */
  readonly after: readonly string[];
}

/**
 * The words that nft does not take for the name of an interface, unless they are quoted.
 *
 * They are the keywords that nft's scanner knows outside any special context (`src/scanner.l` of nftables, releases
 * 1.0.1 to 1.1.6), less the eleven that its grammar takes as a value all the same: arp, destroy, dnat, ecn, ether, ip,
 * ip6, last, reset, snat, vlan. Protocol names such as tcp are among them; nft takes those for numbers. No symbolic
 * value (established, prerouting, broadcast, ...) is: those are names wherever a name is expected.
 */

/** Keywords of every release. */
export const RESERVED_ALWAYS = wordSet(`
  accept add ah all and auto-merge bridge cgroup chain comment comp constant continue counter cpu create ct day dccp
  define delete describe device devices drop dst dup dynamic element elements eq esp exists expires export exthdr fib
  flags flow flowtable flush frag fwd gc-interval ge get goto gt handle hbh hook hour ibriport ibrname icmp icmpv6
  igmp iif iifgroup iifname iiftype import include index inet insert interval ipsec jhash jump le limit list log
  lshift lt map mark masquerade meta meter mh missing monitor ne netdev nftrace not notrack numgen obriport obrname
  offload oif oifgroup oifname oiftype or osf pkttype policy position priority queue quota random redefine redirect
  reject rename replace return rshift rt rt0 rt2 rtclassid rule ruleset sctp secmark set size skgid skuid socket srh
  symhash synproxy table tcp th timeout tproxy type typeof udp udplite undefine update vmap xor
`);

/** Keywords of some releases: up to 1.0.1 or 1.0.2, where fewer had a context of their own, or only of later ones. */
const RESERVED_SOMETIMES = wordSet(`
  ackseq addr chains checksum code count counters cpi doff dport dscp echo eol frag-off fully-random gateway geneve
  gre gretap group hdrlength icmpx id json kind last-entry left length ll maps max-delay maxseg memory minute
  more-fragments mrt mss mtu name nexthdr nh noop nop option options param-problem performance persistent port prefix
  protocol quotas reserved reserved2 right rules sack sack-perm sack-permitted sack0 sack1 sack2 sack3 second
  seg-left sequence sets sid spi sport tables tag time timestamp to trace tsecr tsval ttl tunnel urgptr version vm
  vni vxlan week window with wscale xml xt
`);

/** Keywords of any release. */
export const RESERVED_WORDS: ReadonlySet<string> = new Set([...RESERVED_ALWAYS, ...RESERVED_SOMETIMES]);

function wordSet(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

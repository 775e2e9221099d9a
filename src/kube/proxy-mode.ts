/** kube-proxy's backends, as `mode` and `--proxy-mode` spell them. Alone in a file, as every command line needs them. */
export const PROXY_MODES = ['iptables', 'ipvs', 'nftables'] as const;

/** One of kube-proxy's backends. */
export type ProxyMode = (typeof PROXY_MODES)[number];

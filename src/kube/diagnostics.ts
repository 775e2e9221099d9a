/** What the tools have to say about their input, apart from the result itself. */

/** error: no result is given; warning: the result stands, but look; note: for information. */
export type Severity = 'error' | 'warning' | 'note';

/** Steps from the top of an object (or document) to a value: `['spec', 'ports', 0, 'port']`. */
export type FieldPath = readonly (string | number)[];

/** Where an object came from. */
export interface Origin {
  /** The file as it was named, `<stdin>` for `-`. */
  readonly file: string;
  /** 0-based number of the document in the file. */
  readonly document: number;
  /** The object's place in the document: `[]`, or for a List `['items', 3]`. */
  readonly path: FieldPath;
}

/** A place in a text; line and column are 1-based. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

/** One thing said about the input. */
export interface Diagnostic {
  readonly code: DiagnosticCode;
  readonly severity: Severity;
  /** Kind, namespace and name: `Service shop/web`. */
  readonly object?: string | undefined;
  /** Instead of `object` all objects that it is about, where there may be many; all of one kind. */
  readonly objects?: readonly string[] | undefined;
  /** Which of the things that the code stands for: for `mode-difference` the code of the difference. */
  readonly topic?: string | undefined;
  /** The field that it is about, inside the object. */
  readonly path?: FieldPath | undefined;
  /** The object's origin, from which the line is found on demand. */
  readonly origin?: Origin | undefined;
  /** Where it is, once found; see `placeDiagnostics`. */
  readonly place?: Place | undefined;
  /** One sentence: what. */
  readonly message: string;
  /** One sentence: what to do. */
  readonly hint?: string | undefined;
}

/** Every code with its severity and meaning; docs/diagnostics.md lists the same. Codes are never reused. */
export const DIAGNOSTIC_CODES = {
  usage: { severity: 'error', meaning: 'a command line that cannot be understood: an unknown command, flag or mode' },
  'unreadable-input': { severity: 'error', meaning: 'a file or folder is missing or cannot be read' },
  'no-kubeconfig': {
    severity: 'error',
    meaning: '--from-cluster: there is no kubeconfig, context or credential, or it cannot be read',
  },
  'cluster-unreachable': { severity: 'error', meaning: '--from-cluster: the API server does not answer' },
  'cluster-refused': { severity: 'error', meaning: '--from-cluster: the API server does not give what is asked for' },
  'binary-input': {
    severity: 'error',
    meaning: 'a file holds NUL bytes or no UTF-8 text, or is too large to be manifests',
  },
  'invalid-json': { severity: 'error', meaning: 'a document is no JSON' },
  'invalid-yaml': {
    severity: 'error',
    meaning: 'a document is no YAML, or repeats a key, or expands aliases without bound',
  },
  'not-an-object': {
    severity: 'error',
    meaning: 'a document is no Kubernetes object (no mapping, or no apiVersion and kind)',
  },
  'no-objects': {
    severity: 'error',
    meaning: 'the input holds no object at all, as when the command before a pipe failed',
  },
  'unsupported-version': { severity: 'error', meaning: 'a known kind in an API version that is not read' },
  'skipped-kinds': { severity: 'note', meaning: 'objects of kinds that give no rules were skipped' },
  'invalid-field': { severity: 'error', meaning: 'a field has a wrong type or a value that the API server refuses' },
  'invalid-name': { severity: 'error', meaning: 'a name is no DNS label (or subdomain) of the allowed length' },
  'invalid-port': { severity: 'error', meaning: 'a port is no whole number from 1 to 65535' },
  'invalid-address': { severity: 'error', meaning: 'an IP address or CIDR is none' },
  'wrong-family': { severity: 'error', meaning: 'an address belongs to another IP family than its object says' },
  'missing-families': {
    severity: 'warning',
    meaning: 'a Service has two cluster IPs but no ipFamilies, so that only the first counts',
  },
  'ignored-node-address': {
    severity: 'warning',
    meaning: 'an InternalIP or ExternalIP of a Node is no IP address and is left out',
  },
  'lenient-address': {
    severity: 'warning',
    meaning: 'an address was written with leading zeros or as an IPv4-mapped IPv6 address',
  },
  'lenient-cidr': { severity: 'warning', meaning: 'a CIDR has host bits, leading zeros or white space around it' },
  'duplicate-object': { severity: 'error', meaning: 'the same object is given twice' },
  'duplicate-port': {
    severity: 'error',
    meaning: 'two ports of a Service have the same name, or the same number and protocol',
  },
  'node-port-conflict': { severity: 'error', meaning: 'two Services claim one node port' },
  'cluster-ip-conflict': { severity: 'error', meaning: 'two Services have one cluster IP' },
  'address-conflict': {
    severity: 'warning',
    meaning: 'two service ports claim the same external or load-balancer address and port',
  },
  'endpoint-conflict': {
    severity: 'warning',
    meaning: 'one endpoint is given twice with different conditions, node or hints',
  },
  'orphan-slice': { severity: 'warning', meaning: 'an EndpointSlice names no Service' },
  'endpoints-mirrored': { severity: 'note', meaning: 'an Endpoints object was turned into EndpointSlices' },
  'endpoints-ignored': { severity: 'note', meaning: 'an Endpoints object is not used' },
  'no-cluster-ip': {
    severity: 'warning',
    meaning: 'a Service has no cluster IP yet, so it has no rules, names or variables',
  },
  'no-endpoint-slices': {
    severity: 'note',
    meaning: 'a Service with a selector has no EndpointSlices, so its traffic is rejected',
  },
  simulated: { severity: 'note', meaning: '--simulate allocated or derived something' },
  'simulate-exhausted': { severity: 'error', meaning: '--simulate has no free address or port left in a range' },
  'simulate-conflict': { severity: 'error', meaning: '--simulate meets a manifest value that it cannot honour' },
  'invalid-config': { severity: 'error', meaning: 'the kube-proxy configuration has a wrong value' },
  'unused-config-value': {
    severity: 'warning',
    meaning: 'a wrong value of the kube-proxy configuration that the mode in force does not read',
  },
  'unknown-config-field': {
    severity: 'warning',
    meaning: 'the kube-proxy configuration has a field that v1alpha1 does not know',
  },
  'config-overrides-flags': { severity: 'warning', meaning: 'kube-proxy ignores this flag when --config is given' },
  'no-node-port-address': {
    severity: 'warning',
    meaning: 'the addresses on which node ports answer are not known, or none',
  },
  'ipset-full': { severity: 'warning', meaning: 'mode ipvs: a set would have more entries than ipset takes' },
  'nft-comment-cut': {
    severity: 'note',
    meaning: 'a comment is cut to the 128 bytes that nft takes; kube-proxy does not, and its text does not load',
  },
  'nft-name-quoted': {
    severity: 'note',
    meaning: 'an interface name is quoted for nft; kube-proxy does not, and its text does not load or names another',
  },
  'no-dns-records': { severity: 'note', meaning: 'a headless Service has no ready endpoint, so DNS does not know it' },
  'unready-not-published': {
    severity: 'note',
    meaning: 'a Service publishes endpoints that are not ready, but its EndpointSlices were not written so',
  },
  'external-name-address': {
    severity: 'warning',
    meaning: 'an ExternalName is an IP address, for which DNS has no records',
  },
  'invalid-dns-name': { severity: 'warning', meaning: 'a DNS name that no server could load is left out' },
  'unknown-service': {
    severity: 'error',
    meaning: 'explain: there is no such Service or port, or several, and nothing in the rules is named so',
  },
  'unknown-pod': { severity: 'error', meaning: 'the Pod is not among the objects, or in several namespaces' },
  'no-kubernetes-service': {
    severity: 'note',
    meaning: 'the Service default/kubernetes, whose variables every Pod gets, is not among the objects',
  },
  'env-conflict': { severity: 'warning', meaning: 'two Services set one environment variable' },
  'mode-difference': {
    severity: 'note',
    meaning: '--notes: something that the modes of kube-proxy do differently for the Services at hand',
  },
  'unreadable-rules': {
    severity: 'error',
    meaning: 'a text of rules (a dump of a node, a script) is broken, cut off, or of no known kind',
  },
  'unknown-rule': {
    severity: 'error',
    meaning: 'trace: the packet meets a rule that is not known, or depends on something that is not known',
  },
  'unknown-name': {
    severity: 'error',
    meaning: 'trace: the sender would get no answer from DNS for the name, or no Ingress is given for the URL',
  },
  'foreign-rules': {
    severity: 'warning',
    meaning: 'trace: a dump has tables of nftables that are not kube-proxy’s, which are not looked into',
  },
  'incomplete-dumps': {
    severity: 'warning',
    meaning: 'trace: of a node in mode ipvs some dump is missing, so that the answer is likely another one there',
  },
  internal: { severity: 'error', meaning: 'a mistake in kuberules itself; set KUBERULES_DEBUG to see where' },
  'unwritable-output': { severity: 'error', meaning: 'the output folder or a file in it cannot be written' },
  'unknown-node': { severity: 'error', meaning: 'the chosen node is not among the Node objects' },
  'ignored-flags': { severity: 'note', meaning: 'flags were given that no rule depends on' },
  'not-checked': { severity: 'note', meaning: 'lint lacks the objects that some checks compare with' },
  'not-verified': { severity: 'note', meaning: 'verify has no dump of some part or family of the node' },
  'node-choice': { severity: 'note', meaning: 'how the node was chosen when nothing named it' },
  'missing-privilege': { severity: 'error', meaning: 'apply and cleanup may not change the rules of this host' },
  'missing-program': { severity: 'error', meaning: 'a program that apply or cleanup needs is not in PATH' },
  'missing-feature': {
    severity: 'error',
    meaning: 'the kernel, or a program, lacks something that the rules of the mode need',
  },
  'two-variants': {
    severity: 'error',
    meaning: "kube-proxy's rules are in the other variant of iptables, or in both",
  },
  'lock-held': { severity: 'error', meaning: 'another program holds the xtables lock, or another kuberules runs' },
  'command-failed': { severity: 'error', meaning: 'a command failed on this host; which rules are in force is said' },
  'not-as-written': {
    severity: 'error',
    meaning: 'what was written reads back otherwise, as another program changes it',
  },
  'unwritable-state': { severity: 'error', meaning: 'the rules before could not be saved, so nothing was changed' },
  'not-confirmed': {
    severity: 'error',
    meaning: 'apply --confirm-within was not confirmed, and the rules before came back',
  },
  'host-note': { severity: 'note', meaning: 'something about this host that apply and cleanup leave as it is' },
} as const satisfies Record<string, { severity: Severity; meaning: string }>;

/** A stable name of one kind of diagnostic. */
export type DiagnosticCode = keyof typeof DIAGNOSTIC_CODES;

/** Makes a diagnostic with the severity that its code has. */
export function diagnostic(
  code: DiagnosticCode,
  message: string,
  rest: Omit<Diagnostic, 'code' | 'severity' | 'message'> = {},
): Diagnostic {
  return { code, severity: DIAGNOSTIC_CODES[code].severity, message, ...rest };
}

/** Whether any of them forbids a result. */
export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((each) => each.severity === 'error');
}

/** A field path as kubectl prints it: `spec.ports[0].port`. */
export function printPath(path: FieldPath): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

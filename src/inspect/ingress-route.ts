/** From a request that goes through Ingresses to what their controllers send to Services. */
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { show } from '../kube/fields.js';
import type { Ingress } from '../kube/ingress.js';
import { createAddressPool } from '../kube/simulate/pool.js';
import { isDiagnostics, NOTHING, type Question, type Reached, serviceReached } from './destinations.js';
import { portOf, type Sender, type Surroundings } from './ends.js';
import { decideIngress, type IngressClaim, type IngressDecision } from './ingress.js';
import type { Url } from './url.js';

/** Where the controllers send a request. */
export interface IngressRoute extends Reached {
  /** The controller's pod. */
  readonly sender: Sender;
  /** One entry a class. */
  readonly ingress: readonly IngressDecision[];
}

/**
 * Decides what becomes of a request.
 * @param given who sends for the Ingress; undefined for any pod of the node
 * @param all every Ingress, of whatever class
 */
export function ingressRoute(
  question: Question,
  given: Sender | undefined,
  url: Url,
  all: readonly Ingress[],
): IngressRoute | readonly Diagnostic[] {
  const { request, around } = question;
  if (all.length === 0) {
    const message = `--to ${show(request.to)}: ${url.host} is no name of the cluster’s DNS, and there is no Ingress.`;
    return [diagnostic('unknown-name', message, { hint: 'Give Ingresses (networking.k8s.io/v1) with -f.' })];
  }
  const { ingressClass } = request;
  const ingresses = all.filter(({ className }) => ingressClass === undefined || className === ingressClass);
  if (ingresses.length === 0) {
    const classes = [...new Set(all.map(({ className }) => className ?? 'none'))].sort();
    const hint = `Their classes: ${classes.map((each) => (/^[\w./-]+$/.test(each) ? each : show(each))).join(', ')}.`;
    return [diagnostic('usage', `--ingress-class ${show(ingressClass)}: there is no Ingress of this class.`, { hint })];
  }
  const sender = given ?? assumedController(around);
  if (sender === undefined) {
    const hint = 'Name the pod of the Ingress controller with --from; no podCIDR of the node is known.';
    return [diagnostic('usage', 'nothing tells which pod sends for the Ingress.', { hint })];
  }
  const decisions = decideIngress(ingresses, url);
  const deciding = decisions.filter(({ matches }) => matches.length > 0);
  if (deciding.length === 0) {
    const end =
      'no Ingress claims this request: the controller answers it itself (most with 404), and nothing is sent to a Service.';
    return { ...NOTHING, sender, ingress: decisions, ends: [end] };
  }
  const reached = deciding.flatMap(({ matches }) => matches).map((claim) => backendReached(question, sender, claim));
  const failed = reached.filter(isDiagnostics).flat();
  if (failed.length > 0) return failed;
  const good = reached.flatMap((each) => (isDiagnostics(each) ? [] : [each]));
  const destinations = good.flatMap((each) => each.destinations);
  const notes = [
    ...classNotes(deciding, url),
    ...(destinations.length === 0 ? [] : controllerNotes(given, sender)),
    ...new Set(good.flatMap((each) => each.notes)),
  ];
  const lookup = good.find((each) => each.lookup !== undefined)?.lookup;
  return { sender, lookup, ingress: deciding, destinations, ends: good.flatMap((each) => each.ends), notes };
}

function classNotes(decisions: readonly IngressDecision[], { host }: Url): readonly string[] {
  if (decisions.length < 2) return [];
  const names = decisions.map(({ className }) => className ?? 'without a class').join(', ');
  return [
    `Ingresses of several classes claim this request (${names}): which controller gets it depends on where ${host} leads; choose with --ingress-class.`,
  ];
}

function controllerNotes(given: Sender | undefined, sender: Sender): readonly string[] {
  const address = sender.addresses[0]?.text;
  const who =
    given === undefined
      ? `which pod the Ingress controller is was not said: ${address}, a free address among this node’s pods, stands for it (name it with --from).`
      : `the Ingress controller sends to the Service, not the client: --from is taken for it.`;
  return [
    who,
    'many controllers (ingress-nginx among them) send to the endpoints themselves, and so past these rules.',
  ];
}

/** An address of a pod of this node that no pod is known to have. */
function assumedController({ node, pods }: Surroundings): Sender | undefined {
  const addresses = node.podCIDRs.flatMap((cidr) => {
    // The first address is the node's own end of its pod network with most network plugins.
    const pool = createAddressPool(cidr, 1, 2);
    let ip = pool.takeLowest();
    while (ip !== undefined && pods.at(ip.text) !== undefined) ip = pool.takeLowest();
    return ip ?? [];
  });
  if (addresses.length === 0) return undefined;
  const name = 'a pod of this node, assumed for the Ingress controller';
  return { addresses, name, incoming: { kind: 'pod' }, pod: undefined, isNode: false };
}

/** Where a controller sends what a claim gets. */
function backendReached(
  question: Question,
  sender: Sender,
  { ingress, backend }: IngressClaim,
): Reached | readonly Diagnostic[] {
  const ends = (end: string): Reached => ({ ...NOTHING, ends: [end] });
  if (backend === undefined || backend.kind === 'resource') {
    return ends(
      `the backend is ${show(backend?.name)}, no Service: the controller serves it itself, and no rule of kube-proxy plays a part.`,
    );
  }
  const key = `${ingress.slice(0, ingress.indexOf('/'))}/${backend.name}`;
  const service = question.around.state.services.get(key)?.service;
  if (service === undefined) {
    return ends(
      `Service ${key} is not there, or was not given: without it the controller answers with an error (most with 503).`,
    );
  }
  const listed = service.ports.find(
    (each) => each.protocol === 'TCP' && (each.port === backend.port || each.name === backend.port),
  );
  // A controller knows which port of the endpoints stands behind the Service's.
  const port = service.headless && listed !== undefined ? listed.name || undefined : String(backend.port);
  const reached = serviceReached(question, sender, service, { host: key, port, protocol: 'tcp' });
  if (isDiagnostics(reached) && reached.every(({ code }) => code === 'unknown-name')) {
    return ends(
      `Service ${key} has neither a cluster IP nor an address in DNS: most controllers answer with 503 then.`,
    );
  }
  if (listed !== undefined || service.type === 'ExternalName') return reached;
  const problem = `the Ingress names port ${backend.port}, which Service ${key} does not have: most controllers answer with 503 then.`;
  if (isDiagnostics(reached)) return portOf(String(backend.port)) === undefined ? ends(problem) : reached;
  return { ...reached, notes: [...reached.notes, problem] };
}

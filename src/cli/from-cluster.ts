/** The objects of a running cluster, as its API server writes them. Loaded only on demand: the client is slow to load. */
import { existsSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { type Diagnostic, type DiagnosticCode, diagnostic } from '../kube/diagnostics.js';
import { isFields, show } from '../kube/fields.js';
import type { SourceText } from '../kube/objects.js';
import { type InputTexts, MAX_BYTES, megabytes, reason } from './input.js';

/** Which cluster, as kubectl is told. */
export interface ClusterSource {
  /** A kubeconfig; undefined: $KUBECONFIG, ~/.kube/config, or in a Pod its service account. */
  readonly kubeconfig?: string | undefined;
  /** Instead of the kubeconfig's current context. */
  readonly context?: string | undefined;
}

/** How to read. */
export interface ClusterReading {
  /** Whether Pods are wanted, which are many. */
  readonly pods: boolean;
  readonly ingresses: boolean;
  readonly progress: (text: string) => void;
  /** In milliseconds without a byte. */
  readonly timeout?: number;
  /** Objects of one answer. */
  readonly pageSize?: number;
}

/** As kubectl asks for them: an API server and etcd stay quick, and no answer is of hundreds of megabytes. */
const PAGE_SIZE = 500;

/** In milliseconds; lists of thousands of objects take seconds. */
const TIMEOUT = 30_000;

/** Where a Pod finds the credentials of its service account. */
const SERVICE_ACCOUNT_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

interface Resource {
  readonly name: string;
  readonly path: string;
  /** API servers before v1.33 have no ServiceCIDRs, and the rules that they ask for are missing then, too. */
  readonly optional?: boolean;
}

const RESOURCES: readonly Resource[] = [
  { name: 'services', path: '/api/v1/services' },
  { name: 'endpointslices', path: '/apis/discovery.k8s.io/v1/endpointslices' },
  { name: 'nodes', path: '/api/v1/nodes' },
  { name: 'servicecidrs', path: '/apis/networking.k8s.io/v1/servicecidrs', optional: true },
];
const PODS: Resource = { name: 'pods', path: '/api/v1/pods' };
const INGRESSES: Resource = { name: 'ingresses', path: '/apis/networking.k8s.io/v1/ingresses' };

/** Why there is nothing to read. */
class Refusal extends Error {
  readonly diagnostic: Diagnostic;
  constructor(code: DiagnosticCode, message: string, hint?: string) {
    super(message);
    this.diagnostic = diagnostic(code, message, { hint });
  }
}

/**
 * Lists Services, EndpointSlices, Nodes, ServiceCIDRs and if wanted Pods and Ingresses of all namespaces. Gives the answers as texts,
 * so that they are read and checked like any file. Nothing is changed in the cluster.
 */
export async function readFromCluster(from: ClusterSource, reading: ClusterReading): Promise<InputTexts> {
  try {
    const api = await connect(from, reading.timeout ?? TIMEOUT);
    reading.progress(`reading from ${api.server}`);
    const wanted = [...RESOURCES, ...(reading.pods ? [PODS] : []), ...(reading.ingresses ? [INGRESSES] : [])];
    const lists = wanted.map((each) => list(api, each, reading));
    return { sources: (await Promise.all(lists)).flat(), diagnostics: [] };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { sources: [], diagnostics: [error.diagnostic] };
  }
}

/** An API server and how it is asked. */
interface Api {
  readonly server: string;
  readonly options: https.RequestOptions;
  readonly timeout: number;
}

async function connect({ kubeconfig, context }: ClusterSource, timeout: number): Promise<Api> {
  const config = loadKubeconfig(kubeconfig);
  const known = config.getContexts().map(({ name }) => name);
  const hint = known.length === 0 ? 'The kubeconfig has no context.' : `There are ${known.join(', ')}.`;
  if (context !== undefined) config.setCurrentContext(context);
  const current = config.getCurrentContext();
  if (!current) throw new Refusal('no-kubeconfig', 'the kubeconfig has no current context.', `Use --context. ${hint}`);
  if (!known.includes(current)) throw new Refusal('no-kubeconfig', `there is no context ${show(current)}.`, hint);
  const cluster = config.getCurrentCluster();
  if (cluster === null || !URL.canParse(cluster.server)) {
    throw new Refusal('no-kubeconfig', `the context ${show(current)} names no cluster with an address.`);
  }
  // The client would refuse plain HTTP; there is no certificate then that could be wrong.
  if (cluster.server.startsWith('http:')) Object.assign(cluster, { skipTLSVerify: true });
  const options: https.RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    const file = error instanceof Error && 'path' in error ? `${error.path}: ` : '';
    const why = `${file}${oneLine(reason(error))}`;
    throw new Refusal('no-kubeconfig', `the credentials of the context ${show(current)} cannot be had: ${why}.`);
  }
  return { server: cluster.server, options, timeout };
}

/** As kubectl finds it. */
function loadKubeconfig(file: string | undefined): KubeConfig {
  if (file !== undefined) return mergeKubeconfigs([file]);
  const named = (process.env.KUBECONFIG ?? '').split(delimiter).filter((name) => name !== '');
  const usual = join(homedir(), '.kube', 'config');
  const files = (named.length > 0 ? named : [usual]).filter((name) => existsSync(name));
  if (files.length > 0) return mergeKubeconfigs(files);
  if (process.env.KUBERNETES_SERVICE_HOST !== undefined && existsSync(SERVICE_ACCOUNT_TOKEN)) {
    const config = new KubeConfig();
    config.loadFromCluster();
    return config;
  }
  const looked = named.length > 0 ? `KUBECONFIG (${named.join(', ')})` : usual;
  throw new Refusal('no-kubeconfig', `there is no kubeconfig: not ${looked}.`, 'Name one with --kubeconfig.');
}

/** Of several files the first that has something of a name counts. */
function mergeKubeconfigs(files: readonly string[]): KubeConfig {
  const configs = files.map((file) => {
    const config = new KubeConfig();
    try {
      config.loadFromFile(file);
    } catch (error) {
      throw new Refusal('no-kubeconfig', `the kubeconfig ${file} cannot be read: ${oneLine(reason(error))}.`);
    }
    return config;
  });
  const merged = new KubeConfig();
  merged.loadFromOptions({
    clusters: firstOfEach(configs.flatMap((config) => config.getClusters())),
    users: firstOfEach(configs.flatMap((config) => config.getUsers())),
    contexts: firstOfEach(configs.flatMap((config) => config.getContexts())),
    currentContext: configs.map((config) => config.getCurrentContext()).find((name) => name),
  });
  return merged;
}

function firstOfEach<T extends { readonly name: string }>(all: readonly T[]): readonly T[] {
  return all.filter((each, i) => all.findIndex(({ name }) => name === each.name) === i);
}

/** All pages of one list; `[]` of what the server need not have. */
async function list(api: Api, resource: Resource, { pageSize = PAGE_SIZE }: ClusterReading): Promise<SourceText[]> {
  const url = `${api.server}${resource.path}`;
  const pages: SourceText[] = [];
  for (let query = `?limit=${pageSize}`; ; ) {
    const { status, text } = await get(api, `${url}${query}`);
    if (status === 404 && resource.optional) return [];
    if (status === 410 && pages.length > 0) {
      // The pages took so long that the server has forgotten the moment of the first: all at once, as kubectl does.
      pages.length = 0;
      query = '';
      continue;
    }
    const { answer, next } = readAnswer(text);
    if (status !== 200) throw refused(api, resource, status, answer);
    if (answer === undefined) {
      throw new Refusal('cluster-refused', `${url} answers with something that is no JSON.`, 'Is it an API server?');
    }
    pages.push({ name: pages.length === 0 ? url : `${url} page ${pages.length + 1}`, text });
    if (next === undefined) return pages;
    query = `?limit=${pageSize}&continue=${encodeURIComponent(next)}`;
  }
}

/** An answer, undefined if it is no JSON object, and what asks for the next page. */
function readAnswer(text: string): { answer: Readonly<Record<string, unknown>> | undefined; next: string | undefined } {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    // Said by whoever knows what was asked.
  }
  if (!isFields(answer)) return { answer: undefined, next: undefined };
  const next = isFields(answer.metadata) ? answer.metadata.continue : undefined;
  return { answer, next: typeof next === 'string' && next !== '' ? next : undefined };
}

function refused(
  { server }: Api,
  { name }: Resource,
  status: number,
  answer: Readonly<Record<string, unknown>> | undefined,
): Refusal {
  const said = typeof answer?.message === 'string' ? `: ${oneLine(answer.message)}` : '';
  if (status === 401) {
    const hint = 'Log in once more, or choose another user with --context.';
    return new Refusal('cluster-refused', `${server} does not know who asks (401)${said}.`, hint);
  }
  if (status === 403) {
    const hint = `Allow the verb list on ${name} in all namespaces, or choose another user with --context.`;
    return new Refusal('cluster-refused', `${server} does not allow to list ${name} (403)${said}.`, hint);
  }
  const hint = status === 404 || status === 400 ? 'Is it an API server, of Kubernetes v1.21 or newer?' : undefined;
  return new Refusal('cluster-refused', `${server} does not list ${name} (${status})${said}.`, hint);
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function get({ server, options, timeout }: Api, url: string): Promise<Answer> {
  const headers = { ...options.headers, Accept: 'application/json' };
  const client = url.startsWith('http:') ? http : https;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(error instanceof Refusal ? error : unreachable(server, error));
    const request = client.get(url, { ...options, headers, timeout }, (response) => {
      const pieces: Buffer[] = [];
      let length = 0;
      response.on('error', fail);
      response.on('data', (piece: Buffer) => {
        pieces.push(piece);
        length += piece.length;
        if (length > MAX_BYTES) {
          const most = megabytes(MAX_BYTES);
          request.destroy(
            new Refusal('cluster-refused', `${server} answers with more than the ${most} that are read.`),
          );
        }
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() }));
    });
    request.on('timeout', () => {
      const hint = 'Is it reachable from here?';
      request.destroy(
        new Refusal('cluster-unreachable', `${server} does not answer within ${timeout / 1000} s.`, hint),
      );
    });
    request.on('error', fail);
  });
}

const CONNECTION: Readonly<Record<string, readonly [why: string, hint: string]>> = {
  ECONNREFUSED: ['the connection is refused', 'Is the API server running, and is this its address?'],
  ECONNRESET: ['the connection is cut off', 'Is it an API server?'],
  ENOTFOUND: ['its name is not known', 'Is the address in the kubeconfig right?'],
  EAI_AGAIN: ['its name cannot be looked up', 'Is there a network?'],
  EHOSTUNREACH: ['there is no way to it', 'Is it reachable from here?'],
  ENETUNREACH: ['there is no way to it', 'Is it reachable from here?'],
  ETIMEDOUT: ['the connection is not answered', 'Is it reachable from here?'],
};

function unreachable(server: string, error: unknown): Refusal {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const isTrust = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(code);
  const trust = isTrust ? 'Does the certificate-authority of the kubeconfig belong to this server?' : undefined;
  const [why, hint] = CONNECTION[code] ?? [oneLine(reason(error)), trust];
  return new Refusal('cluster-unreachable', `${server} cannot be reached: ${why}.`, hint);
}

/** Of what others say the first line, without a full stop. */
function oneLine(text: string): string {
  return (text.trim().split('\n')[0] ?? '').replace(/\.$/, '');
}

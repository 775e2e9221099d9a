/** What the programs of this host print about its rules. */
import { execFileSync } from 'node:child_process';
import type { DumpText } from '../inspect/verify/dumps.js';
import type { ProxyMode } from '../kube/config.js';
import { type Diagnostic, diagnostic } from '../kube/diagnostics.js';
import { FAMILIES, type Family } from '../net/family.js';

/** The texts of this host, and one error for each program that could not be run. */
export interface LiveDumps {
  readonly dumps: readonly DumpText[];
  readonly diagnostics: readonly Diagnostic[];
}

/** In bytes; 300,000 rules take 60 MB. */
const MOST_OUTPUT = 512 * 1024 * 1024;

/** A program takes no longer than this, in milliseconds; large rule sets take seconds. */
const TIMEOUT = 120_000;

/** Runs what tells the rules of a mode. Nothing is changed on the host. */
export function dumpHost(mode: ProxyMode): LiveDumps {
  const dumps: DumpText[] = [];
  const diagnostics: Diagnostic[] = [];
  const add = (allOf: NonNullable<DumpText['allOf']>, result: DumpText | Diagnostic, family?: Family): void => {
    if ('text' in result) dumps.push({ ...result, family, allOf });
    else diagnostics.push(result);
  };
  if (mode === 'nftables') {
    add('nft', runProgram(['nft', '-s', 'list', 'ruleset']));
    return { dumps, diagnostics };
  }
  for (const family of FAMILIES) add('xtables', saveRules(family === 'ipv4' ? 'iptables' : 'ip6tables'), family);
  if (mode === 'ipvs') {
    add('ipvsadm', runProgram(['ipvsadm', '-S', '-n']));
    add('ipset', runProgram(['ipset', 'save']));
    const addresses = ['ip', '-o', 'addr', 'show', 'dev', 'kube-ipvs0'];
    const interfaces = runProgram(['ip', '-o', 'link', 'show']);
    // Of an interface that is not there, ip says nothing but an error.
    const isThere = !('text' in interfaces) || interfaces.text.includes(' kube-ipvs0: ');
    add('addresses', isThere ? runProgram(addresses) : { name: addresses.join(' '), text: '' });
  }
  return { dumps, diagnostics };
}

/** The rules of the variant of iptables that kube-proxy uses, told by its chains; kubelet may have some of its own in the other. */
function saveRules(program: string): DumpText | Diagnostic {
  const usual = runProgram([`${program}-save`]);
  if (isOfKubeProxy(usual)) return usual;
  return ['nft', 'legacy'].map((variant) => runProgram([`${program}-${variant}-save`])).find(isOfKubeProxy) ?? usual;
}

function isOfKubeProxy(saved: DumpText | Diagnostic): boolean {
  return 'text' in saved && /^:KUBE-(?:SERVICES|POSTROUTING|FORWARD|PROXY-CANARY) /m.test(saved.text);
}

function runProgram([program = '', ...args]: readonly string[]): DumpText | Diagnostic {
  const name = [program, ...args].join(' ');
  try {
    const text = execFileSync(program, args, {
      encoding: 'utf8',
      maxBuffer: MOST_OUTPUT,
      timeout: TIMEOUT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    return { name, text };
  } catch (error) {
    return diagnostic('unreadable-rules', `${name} failed: ${whyFailed(error)}`, { hint: hintFor(error) });
  }
}

function whyFailed(error: unknown): string {
  if (codeOf(error) === 'ENOENT') return 'the program is not there.';
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  const [first = ''] = stderr.split('\n');
  return first === '' ? (error instanceof Error ? error.message : String(error)) : first;
}

function hintFor(error: unknown): string {
  return codeOf(error) === 'ENOENT'
    ? 'Install it on the node, or dump the rules elsewhere and give them with --dump.'
    : 'Run it on the node as root, or dump the rules there and give them with --dump.';
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

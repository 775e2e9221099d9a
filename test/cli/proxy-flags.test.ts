import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { configFromFlags } from '../../src/cli/proxy-flag-values.js';
import { addProxyFlags } from '../../src/cli/proxy-flags.js';
import { DEFAULT_CONFIG, type ProxyMode, readConfig } from '../../src/kube/config.js';
import type { Diagnostic } from '../../src/kube/diagnostics.js';
import { CONFIG_FILE, comparable, FLAG_CASES, peerConfig, verdictOf } from '../kube/config-peer.js';

function command(): Command {
  return new Command('compile').exitOverride().configureOutput({ writeErr: () => {} });
}

function options(args: readonly string[]): object {
  return addProxyFlags(command()).parse(args, { from: 'user' }).opts();
}

function run(args: readonly string[], file?: string, mode?: ProxyMode) {
  const base = file === undefined ? undefined : readConfig({ name: 'kp.yaml', text: file }).config;
  const { config, diagnostics } = configFromFlags(options(args), base, mode);
  return { config, lines: diagnostics.map(line) };
}

function line({ severity, code, message, hint }: Diagnostic): string {
  return `${severity} ${code} ${message}${hint === undefined ? '' : ` ${hint}`}`;
}

describe('against kube-proxy v1.36.3', () => {
  const cases = FLAG_CASES.map(
    (each) => [[...(each.args ?? []), ...(each.config ? ['with --config'] : [])], each] as const,
  );

  test.each(cases)('%j', (_, peer) => {
    const base = peer.config === true ? readConfig({ name: 'kp.yaml', text: CONFIG_FILE }).config : undefined;
    let read: object;
    try {
      read = options(peer.args ?? []);
    } catch (error) {
      expect(peer.ours ?? peer.kubeProxy, String(error)).toBe('refuses');
      return;
    }
    const { config, diagnostics } = configFromFlags(read, base);
    expect(verdictOf(diagnostics), diagnostics.map(line).join('\n')).toBe(peer.ours ?? peer.kubeProxy);
    if (peer.effective !== undefined && peer.ours !== 'refuses') {
      expect(comparable(config)).toEqual(comparable(peerConfig(peer.effective)));
    }
  });

  test('every difference has its reason, and is one', () => {
    for (const peer of FLAG_CASES) {
      if (peer.ours === undefined) continue;
      expect(peer.why).toMatch(/\w/);
      expect(peer.ours).not.toBe(peer.kubeProxy);
    }
    expect(FLAG_CASES.length).toBeGreaterThan(100);
  });
});

describe('flags', () => {
  test('none mean the defaults', () => {
    expect(run([])).toEqual({ config: DEFAULT_CONFIG, lines: [] });
  });

  test('every problem is named by its flag', () => {
    const args = [
      '--masquerade-all=yes',
      '--iptables-masquerade-bit=32',
      '--ipvs-tcp-timeout=30',
      '--cluster-cidr=10.0.0.0/8,foo',
      '--detect-local-mode=clustercidr',
      '--feature-gates=X',
    ];
    expect(run(args).lines).toEqual([
      'error invalid-config --masquerade-all: "yes" is not true or false.',
      'error invalid-config --ipvs-tcp-timeout: "30" is not a duration such as 30s or 1h30m.',
      'error invalid-config --feature-gates: "X" is not a list like Name=true,Other=false.',
      'error invalid-config --detect-local-mode: "clustercidr" is not one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix. Write ClusterCIDR.',
      'error invalid-config --cluster-cidr: "foo" is no CIDR.',
      'error invalid-config --iptables-masquerade-bit: 32 is not from 0 to 31.',
    ]);
    expect(run(['--detect-local-mode=BridgeInterface']).lines).toEqual([
      'error invalid-config --pod-bridge-interface: it must be given in mode BridgeInterface.',
    ]);
  });

  test('--masquerade-all counts in every mode', () => {
    const { iptables, nftables } = run(['--masquerade-all']).config;
    expect([iptables.masqueradeAll, nftables.masqueradeAll]).toEqual([true, true]);
  });

  test('the mode in force decides which section is checked', () => {
    const args = ['--ipvs-tcp-timeout=-1s'];
    expect(run(args).lines).toEqual([expect.stringMatching(/^warning unused-config-value --ipvs-tcp-timeout: /)]);
    expect(run(args, undefined, 'ipvs').lines).toEqual([expect.stringMatching(/^error invalid-config --ipvs-tcp/)]);
  });

  test('values that are lenient', () => {
    expect(run(['--nodeport-addresses=10.0.0.1/8,fd00::/8']).lines).toEqual([
      'warning lenient-cidr --nodeport-addresses: "10.0.0.1/8" is read as 10.0.0.0/8, as kube-proxy does. Write 10.0.0.0/8.',
    ]);
  });
});

describe('with --config', () => {
  test('one warning for each flag that kube-proxy ignores then', () => {
    const args = [
      '--proxy-mode=nftables',
      '--cluster-cidr=foo',
      '--masquerade-all',
      '--hostname-override= Node-2 ',
      '--v=4',
    ];
    const { config, lines } = run(args, CONFIG_FILE);
    expect(config).toEqual({
      ...readConfig({ name: 'kp.yaml', text: CONFIG_FILE }).config,
      hostnameOverride: 'node-2',
    });
    expect(lines).toEqual([
      'warning config-overrides-flags --proxy-mode is ignored: with --config kube-proxy takes this from the file. Set mode there.',
      'warning config-overrides-flags --cluster-cidr is ignored: with --config kube-proxy takes this from the file. Set clusterCIDR there.',
      'warning config-overrides-flags --masquerade-all is ignored: with --config kube-proxy takes this from the file. Set iptables.masqueradeAll there.',
      expect.stringMatching(/^note .*--v: no rule depends/),
    ]);
  });

  test('what Go cannot parse is refused all the same', () => {
    expect(run(['--masquerade-all=x'], CONFIG_FILE).lines[0]).toMatch(/^error invalid-config --masquerade-all: /);
  });
});

describe('the command line of a DaemonSet', () => {
  const pasted = [
    '--v=2',
    '--kubeconfig=/var/lib/kube-proxy/kubeconfig',
    '--conntrack-max-per-core=131072',
    '--metrics-bind-address=0.0.0.0:10249',
    '--iptables-sync-period=1m',
    '--bind-address-hard-fail',
    '--profiling=false',
    '--cluster-cidr=10.244.0.0/16',
    '--proxy-mode=ipvs',
    '--oom-score-adj=-998',
    '-v',
    '3',
  ];

  test('is taken as it is, with one note', () => {
    const { config, lines } = run(pasted);
    expect(config).toEqual({
      ...DEFAULT_CONFIG,
      mode: 'ipvs',
      clusterCIDRs: { ipv4: '10.244.0.0/16', ipv6: undefined },
    });
    expect(lines).toHaveLength(1);
    for (const name of ['--v', '--kubeconfig', '--bind-address-hard-fail', '--oom-score-adj', '--profiling']) {
      expect(lines[0]).toContain(name);
    }
    expect(lines[0]).toMatch(/^note /);
  });

  test('--help shows the flags that matter, and no other', () => {
    const help = addProxyFlags(command()).helpInformation();
    expect(help).toContain('--masquerade-all [BOOL]');
    expect(help).toContain('--ipvs-udp-timeout <DURATION>');
    expect(help).not.toMatch(/--(kubeconfig|conntrack-(?!tcp-be-liberal)|v |profiling|oom)/);
  });

  test("the command's own flags keep their meaning", () => {
    const own = command().option('-v, --verbose', 'say more').option('--kubeconfig <FILE>', 'the cluster');
    const opts = addProxyFlags(own).parse(['-v', '--kubeconfig', 'k'], { from: 'user' }).opts();
    expect(opts).toEqual({ verbose: true, kubeconfig: 'k' });
    expect(configFromFlags(opts, undefined)).toEqual({ config: DEFAULT_CONFIG, diagnostics: [] });
  });
});

/** IPVS mode brought from any state to any other, on a kernel in memory. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Wanted } from '../../src/apply/wanted.js';
import { readConfig } from '../../src/index.js';
import { type BringOptions, bring as bringTo, READING } from '../support/applier.js';
import { freshState, ipvsParts, NOTHING, stateOf, wantedParts } from '../support/ipvs-applier.js';
import { createIpvsKernel, type IpvsKernel } from '../support/ipvs-kernel.js';
import { node, service, slice } from '../support/small-cluster.js';

let kernel: IpvsKernel;
let folder: string;
beforeEach(() => {
  kernel = createIpvsKernel(['192.0.2.11/24', '2001:db8::11/64']);
  folder = mkdtempSync(join(tmpdir(), 'kuberules-ipvs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function bring(wanted: readonly Wanted[], options: BringOptions = {}) {
  kernel.done.length = 0;
  return bringTo(kernel, wanted, { folder, ...options });
}

function writingCommands(): readonly string[] {
  return kernel.done.filter((text) => !READING.test(text));
}

type Spec = Readonly<Record<string, unknown>>;

/** Service web with endpoints, and nothing else. */
function web(ips: readonly string[], spec: Spec = {}, vips: readonly string[] = [], mode = ''): readonly Wanted[] {
  const { config } = readConfig({ name: 'config', text: mode }, { mode: 'ipvs' });
  const objects = [node(), service(spec, vips), slice(ips.map((ip) => ({ ip, here: ip.startsWith('10.244.1.') })))];
  return wantedParts(ipvsParts(objects, mode === '' ? {} : { config }));
}

const WEB = '-t 10.96.0.20:80';
const A = '10.244.1.7:8080';
const B = '10.244.2.7:8080';
const BOTH = web(['10.244.1.7', '10.244.2.7']);
const ONLY_B = web(['10.244.2.7']);
const GONE = wantedParts(ipvsParts([node()]));

// Any case after any other, and many changes, are in test/property/apply-ipvs.test.ts.
describe('whatever was there before', () => {
  it('an apply that is killed before any command is completed by the next', async () => {
    const before = web(['10.244.1.7', '10.244.2.7'], {
      type: 'NodePort',
      ports: [{ name: 'http', port: 80, nodePort: 30080 }],
    });
    const after = web(
      ['10.244.1.7', '10.244.1.8'],
      {
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        loadBalancerSourceRanges: ['198.51.100.0/24'],
        ports: [{ name: 'http', port: 81, nodePort: 30081 }],
      },
      ['203.0.113.9'],
    );
    for (const [from, to] of [
      [before, after],
      [after, before],
      [before, NOTHING],
      [NOTHING, after],
    ] as const) {
      const expected = await freshState(to, kernel);
      let count = 0;
      for (let n = 0, isKilled = true; isKilled; n++) {
        kernel = createIpvsKernel(['192.0.2.11/24', '2001:db8::11/64']);
        await bring(from);
        let left = n;
        isKilled = false;
        kernel.before = (command) => {
          if (READING.test(command) || left-- > 0) return;
          isKilled = true;
          throw new Error('killed');
        };
        await bring(to).catch((error: Error) => expect(error.message).toContain('killed'));
        kernel.before = () => {};
        await bring(to);
        expect(stateOf(kernel)).toEqual(expected);
        count = n;
      }
      expect(count).toBeGreaterThan(5);
    }
  });
});

describe('what was there before', () => {
  it.each([
    [
      'other Services',
      () => web(['10.244.1.9'], { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] }),
    ],
    ['nothing', () => NOTHING],
  ])('comes back from what was saved, after %s', async (_, next) => {
    await bring(BOTH);
    const before = stateOf(kernel);
    const saved: Wanted[] = [];
    await bring(next(), { saved });
    expect(stateOf(kernel)).not.toEqual(before);
    await bring(saved);
    expect(stateOf(kernel)).toEqual(before);
  });

  it('is nothing where there was nothing', async () => {
    const before = stateOf(kernel);
    const saved: Wanted[] = [];
    await bring(BOTH, { saved });
    await bring(saved);
    expect(stateOf(kernel)).toEqual(before);
  });

  it('is without real servers that only wait for their connections', async () => {
    await bring(BOTH);
    kernel.connections.set(`${WEB} -r ${A}`, 1);
    const saved: Wanted[] = [];
    const killed = bring(ONLY_B, {
      drain: 30,
      sleep: () => {
        throw new Error('killed');
      },
    });
    await expect(killed).rejects.toThrow('killed');
    await bring(GONE, { saved });
    expect(saved.find(({ kind, family }) => kind === 'ipvs' && family === 'ipv4')).toMatchObject({
      ipvsadm: `-A ${WEB} -s rr\n-a ${WEB} -r ${B} -m -w 1\n`,
    });
  });
});

it('kernels that need it let connections with a used port choose again', async () => {
  const { read } = kernel;
  kernel.read = (path) => (path === '/proc/sys/kernel/osrelease' ? '5.4.0-150-generic\n' : read(path));
  await bring(BOTH);
  expect(kernel.done).toContain('write /proc/sys/net/ipv4/vs/conn_reuse_mode');
});

it('what ipvsadm says about a line is a failure, whatever its exit status', async () => {
  const { run } = kernel;
  kernel.run = async (command) => {
    const finished = await run(command);
    return command.args[0] === '-R' ? { ...finished, stderr: 'Memory allocation problem\n' } : finished;
  };
  await expect(bring(BOTH)).rejects.toThrow(
    '`ipvsadm -R`, run to add virtual and real servers, failed (exit status 0); it says: Memory allocation problem.',
  );
});

describe("what is others'", () => {
  const FOREIGN = [
    '-A -t 203.0.113.250:80 -s wlc',
    '-a -t 203.0.113.250:80 -r 10.9.9.9:80 -g -w 3',
    '-A -t 203.0.113.251:30080 -s rr',
    '-A -t 10.96.7.7:80 -s rr',
    '-a -t 10.96.7.7:80 -r 10.9.9.9:80 -m -w 1',
  ];
  const nodePort = web(['10.244.2.7'], { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] });

  it('stays through an apply and a cleanup', async () => {
    await kernel.run({ program: 'ipvsadm', args: ['-R'], input: `${FOREIGN.join('\n')}\n` });
    await kernel.run({
      program: 'ipset',
      args: ['restore', '-exist'],
      input:
        'create MINE hash:ip family inet hashsize 1024 maxelem 65536\nadd MINE 10.0.0.1\ncreate KUBE-OTHER bitmap:port range 0-65535\n',
    });
    await kernel.run({
      program: 'iptables-legacy-restore',
      args: [],
      input: '*filter\n-A INPUT -m set --match-set MINE src -j ACCEPT\nCOMMIT\n',
    });
    const before = kernel.state();
    await bring(nodePort);
    expect(kernel.state().servers).toMatchObject(before.servers);
    expect(kernel.state().sets).toMatchObject(before.sets);
    await bring(BOTH);
    await bring(NOTHING);
    expect(kernel.state()).toEqual(before);
    await bring(NOTHING);
    expect(writingCommands()).toEqual([]);
  });

  it('is what lies in excludeCIDRs, although its address is a Service address', async () => {
    const excluding = (cidr: string) => wantedParts(ipvsParts([node(), service({})]), [cidr]);
    await bring(BOTH);
    const input = '-A -t 10.96.0.20:99 -s rr\n-a -t 10.96.0.20:99 -r 10.9.9.9:80 -m -w 1\n';
    await kernel.run({ program: 'ipvsadm', args: ['-R'], input });
    await bring(excluding('10.96.0.0/24'));
    expect(kernel.state().servers['-t 10.96.0.20:99']).toEqual({ settings: '-s rr', real: { '10.9.9.9:80': 1 } });
    // The Service's own real servers are not spared by it.
    expect(kernel.state().servers[WEB]?.real).toEqual({});
    await bring(excluding('10.97.0.0/24'));
    expect(kernel.state().servers['-t 10.96.0.20:99']).toBeUndefined();
  });
});

describe('real servers that leave', () => {
  const busy = (real: string, count = 1) => kernel.connections.set(`${WEB} -r ${real}`, count);
  const weights = () => kernel.state().servers[WEB]?.real;
  const seconds = { value: 0 };
  const waiting = (drain: number, limit = 1000): BringOptions => ({
    drain,
    now: () => seconds.value * 1000,
    sleep: () => {
      seconds.value++;
      if (seconds.value > limit) throw new Error('killed');
    },
  });
  beforeEach(async () => {
    seconds.value = 0;
    await bring(BOTH);
    expect(weights()).toEqual({ [A]: 1, [B]: 1 });
  });

  it('go at once without connections, and with --drain 0', async () => {
    await bring(ONLY_B, waiting(30));
    expect([weights(), seconds.value]).toEqual([{ [B]: 1 }, 0]);
    await bring(BOTH);
    busy(A);
    await bring(ONLY_B, waiting(0));
    expect([weights(), seconds.value]).toEqual([{ [B]: 1 }, 0]);
  });

  it('keep their connections without new ones, until these end', async () => {
    busy(A, 2);
    const seen: unknown[] = [];
    const { areas, notes } = await bring(ONLY_B, {
      ...waiting(30),
      sleep: () => {
        seen.push(weights());
        seconds.value++;
        if (seconds.value === 3) busy(A, 0);
      },
    });
    expect(seen).toEqual(Array(3).fill({ [A]: 0, [B]: 1 }));
    expect(weights()).toEqual({ [B]: 1 });
    expect(areas[0]?.changes).toEqual([
      {
        what: 'set KUBE-LOOP-BACK',
        action: 'change',
        before: ['add KUBE-LOOP-BACK 10.244.1.7,tcp:8080,10.244.1.7'],
        after: [],
      },
      {
        what: WEB,
        action: 'change',
        before: [`-A ${WEB} -s rr`, `-a ${WEB} -r ${A} -m -w 1`, `-a ${WEB} -r ${B} -m -w 1`],
        after: [`-A ${WEB} -s rr`, `-a ${WEB} -r ${B} -m -w 1`],
      },
      expect.objectContaining({ what: 'nat KUBE-POSTROUTING', action: 'change' }),
    ]);
    expect(notes).toEqual([
      '1 real server (ipv4): no new connections, and gone when the open ones have ended, or after 30 s.',
    ]);
  });

  it('stay no longer than the limit, counted over several runs', async () => {
    busy(A);
    await expect(bring(ONLY_B, waiting(30, 20))).rejects.toThrow('killed');
    expect(weights()).toEqual({ [A]: 0, [B]: 1 });
    const again = await bring(ONLY_B, waiting(30));
    expect([weights(), seconds.value, again.areas]).toEqual([{ [B]: 1 }, 30, []]);
    expect(existsSync(join(folder, 'draining.json'))).toBe(true);
  });

  it('begin anew when it is not known since when they wait', async () => {
    busy(A);
    await expect(bring(ONLY_B, waiting(30, 20))).rejects.toThrow('killed');
    writeFileSync(join(folder, 'draining.json'), '{"');
    await bring(ONLY_B, waiting(30));
    expect(seconds.value).toBe(21 + 30);
  });

  it('get their weight back when they are wanted again', async () => {
    busy(A);
    await expect(bring(ONLY_B, waiting(30, 0))).rejects.toThrow('killed');
    await bring(BOTH, waiting(30));
    expect(weights()).toEqual({ [A]: 1, [B]: 1 });
    expect(writingCommands()).toEqual([
      'ipset restore -exist',
      'iptables-legacy-restore -w 5 --noflush --counters',
      'ipvsadm -R',
    ]);
  });

  it('are no difference while they wait: a dry run finds nothing', async () => {
    busy(A);
    await expect(bring(ONLY_B, waiting(30, 0))).rejects.toThrow('killed');
    expect((await bring(ONLY_B, { ...waiting(30), dryRun: true })).areas).toEqual([]);
    expect(writingCommands()).toEqual([]);
  });

  it('of UDP go at once', async () => {
    const spec = { ports: [{ name: 'http', port: 80, protocol: 'UDP' }] };
    const dns = (ips: readonly string[]) => {
      const endpoints = slice(
        ips.map((ip) => ({ ip })),
        'web',
        [{ name: 'http', port: 8080, protocol: 'UDP' }],
      );
      return wantedParts(ipvsParts([node(), service(spec), endpoints]));
    };
    await bring(dns(['10.244.1.7', '10.244.2.7']));
    kernel.connections.set(`-u 10.96.0.20:80 -r ${A}`, 5);
    await bring(dns(['10.244.2.7']), waiting(30));
    expect(kernel.state().servers['-u 10.96.0.20:80']?.real).toEqual({ [B]: 1 });
  });

  it.each([
    ['the Service goes', () => GONE],
    ['IPVS goes', () => NOTHING],
  ])('keep their address and what tells whose they are while %s', async (_, wanted) => {
    busy(A);
    const seen: unknown[] = [];
    await bring(wanted(), {
      ...waiting(30),
      sleep: () => {
        const { servers, addresses, sets } = kernel.state();
        seen.push([servers[WEB]?.real, addresses['kube-ipvs0'], sets['KUBE-IPVS-IPS']?.entries]);
        seconds.value += 10;
      },
    });
    expect(seen).toEqual(Array(3).fill([{ [A]: 0 }, ['10.96.0.20/32'], ['10.96.0.20']]));
    expect(stateOf(kernel)).toEqual(await freshState(wanted(), kernel));
  });
});

const TIMED = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
ipvs: { tcpFinTimeout: 7s }
`;

describe('what is missing is said before anything is written', () => {
  it.each([
    ['ipvsadm', 'ipvsadm is not in PATH'],
    ['ipset', 'ipset is not in PATH'],
    ['ip', 'ip is not in PATH'],
  ])('program %s', async (program, message) => {
    const all = ['ip', 'ipset', 'ipvsadm', 'iptables', 'ip6tables', 'modprobe'];
    kernel = createIpvsKernel(
      [],
      all.filter((each) => each !== program),
    );
    await expect(bring(BOTH)).rejects.toThrow(message);
    expect(writingCommands()).toEqual([]);
  });

  it.each([
    ['ip_vs', 'the kernel has no IPVS: module ip_vs is not loaded, and cannot be loaded (modprobe: FATAL'],
    ['ip_set', 'The kernel has no sets: `ipset save`, run to read sets, failed (exit status 1)'],
    ['dummy', 'The kernel has no dummy devices (module dummy): `ip link add kube-ipvs0 type dummy`'],
    ['ip_vs_rr', 'The kernel has no scheduler rr of IPVS (module ip_vs_rr): `ipvsadm -A -t 198.51.100.0:20000 -s rr`'],
  ])('module %s', async (module, message) => {
    kernel.missing.add(module);
    await expect(bring(BOTH)).rejects.toThrow(message);
    const { servers, sets } = kernel.state();
    expect([servers, sets]).toEqual([{}, {}]);
  });

  it.each([
    ['ip_vs', 'the kernel has no IPVS: module ip_vs is not loaded, and cannot be loaded (modprobe: FATAL'],
    ['ip_set', 'the kernel has no sets: module ip_set is not loaded, and cannot be loaded (modprobe: FATAL'],
  ])('module %s, also by a dry run', async (module, message) => {
    kernel.missing.add(module);
    await expect(bring(BOTH, { dryRun: true })).rejects.toThrow(message);
  });

  it('programs are not needed where IPVS mode was never', async () => {
    kernel = createIpvsKernel([], ['iptables', 'ip6tables']);
    expect((await bring(NOTHING)).areas).toEqual([]);
    kernel = createIpvsKernel([], ['ip', 'iptables', 'ip6tables']);
    await kernel.run({ program: 'ip', args: ['link', 'add', 'kube-ipvs0', 'type', 'dummy'] });
    await expect(bring(NOTHING)).rejects.toThrow('ipset is not in PATH');
  });

  it('modules that are there are loaded by an apply and not by a dry run, which shows all as to be added', async () => {
    const timed = web(['10.244.1.7'], {}, [], TIMED);
    kernel.unloaded.add('ip_vs').add('ip_set');
    const before = stateOf(kernel);
    const { areas } = await bring(timed, { dryRun: true });
    expect([...kernel.unloaded]).toEqual(['ip_vs', 'ip_set']);
    expect(writingCommands()).toEqual(['modprobe -D ip_vs', 'modprobe -D ip_set']);
    expect(stateOf(kernel)).toEqual(before);
    const changes = areas.flatMap((area) => area.changes.map(({ action, what }) => `${action} ${what}`));
    expect(changes).toEqual(expect.arrayContaining(['change IPVS timeouts', 'add set KUBE-CLUSTER-IP', `add ${WEB}`]));
    await bring(timed);
    expect([...kernel.unloaded]).toEqual([]);
    expect(kernel.done).toContain('modprobe ip_vs');
    expect(stateOf(kernel)).toEqual(await freshState(timed, kernel));
  });

  it('where nothing is to be removed no module is loaded by asking', async () => {
    kernel.missing.add('ip_vs').add('ip_set');
    await bring(NOTHING);
    expect(kernel.done.filter((text) => /^(ipvsadm|ipset|modprobe)/.test(text))).toEqual([]);
  });
});

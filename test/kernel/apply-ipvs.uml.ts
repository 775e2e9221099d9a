/**
 * IPVS mode in a real kernel, brought from any state to any other; in the first network namespace of user-mode-linux, as
 * the applier reads and writes files of the kernel itself. Many more transitions are tried on the kernel in memory
 * (test/property/apply-ipvs.test.ts); here are those that show that the real one behaves as that one does, and its traffic.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { leftoversOf, textsOf, wantedOf } from '../../src/apply/areas.js';
import { type Command, commandText, createHost, type Host } from '../../src/apply/host.js';
import type { Wanted } from '../../src/apply/wanted.js';
import { compile, loadCluster, type ProxyMode, type RawObject, readConfig, verify } from '../../src/index.js';
import { type BringOptions, bring as bringTo, READING } from '../support/applier.js';
import { loadCase } from '../support/case.js';
import { ipvsCases, ipvsParts, NOTHING, nodeAddresses, wantedParts } from '../support/ipvs-applier.js';
import { node, service, slice } from '../support/small-cluster.js';
import { skipWithReason } from './available.js';
import { closeHosts, type Host as Namespace, startHost } from './host.js';
import { type IpvsState, ipvsUnavailable, parseStates, readScript, runScript, stateOf } from './ipvs.js';
import { RANDOM_NODE, randomChanges } from './random-changes.js';
import { IN_UML } from './sizes.js';

/** A small process starts programs several times quicker than this one. */
const here = await startHost('node', false);
const skip = skipWithReason('applying IPVS', await ipvsUnavailable(here));
afterAll(() => here.close());

const folder = mkdtempSync(join(tmpdir(), 'kuberules-ipvs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** Its files are those of this machine; a small process starts its programs, see above. */
const machine = createHost(folder);

/** What was run since it was emptied, and what it printed. */
const done: (Command & { readonly stdout: string })[] = [];
const host: Host = {
  async run(command) {
    const { program, args, input } = command;
    const [result] = await here.run([
      {
        argv: [program, ...args],
        ...(input === undefined ? {} : { input }),
        allow: Array.from({ length: 256 }, (_, status) => status),
      },
    ]);
    const { status, stdout, stderr } = result ?? { status: -1, stdout: '', stderr: '' };
    done.push({ ...command, stdout });
    return { status, stdout, stderr, trouble: '' };
  },
  read: (path) => machine.read(path),
  write(path, text) {
    done.push({ program: 'tee', args: [path], stdout: '' });
    machine.write(path, text);
  },
};

function writingCommands(): readonly string[] {
  return done.map(commandText).filter((text) => !READING.test(text));
}

function bring(wanted: readonly Wanted[], options: BringOptions = {}) {
  done.length = 0;
  return bringTo(host, wanted, { folder, ...options });
}

async function script(text: string): Promise<string> {
  return runScript(here, `set -e\n${text}`);
}

/** What the kernel has, of both families. */
async function kernelState(): Promise<IpvsState | undefined> {
  return parseStates(await script(readScript(['net/ipv4/ip_forward'])))[0];
}

async function empty(): Promise<void> {
  await script(
    [
      ...['iptables-legacy', 'ip6tables-legacy'].flatMap((program) =>
        ['nat', 'filter'].map((table) => `${program} -t ${table} -F\n${program} -t ${table} -X\n`),
      ),
      'ipset destroy\nipvsadm -C\nipvsadm --set 900 120 300\n',
      'if ip link show dev kube-ipvs0 >/dev/null 2>&1; then ip link delete kube-ipvs0; fi\n',
    ].join(''),
  );
}

/** Gives this node addresses, without anything being sent there. */
async function addAddresses(addresses: readonly string[]): Promise<void> {
  const lines = addresses.map((address) => `addr replace ${address.replace(/\/.*/, '')} dev lo\n`);
  await here.run([{ argv: ['ip', '-batch', '-'], input: [...new Set(lines)].join('') }]);
}

/** Expects that the kernel has what parts say, and nothing else. */
async function expectState(wanted: readonly Wanted[]): Promise<void> {
  const texts = new Map<string, string>();
  for (const each of wanted) {
    if (each.kind !== 'ipvs' || !isSome(each)) continue;
    const { family, ipvsadm, ipset, addresses, xtables } = each;
    const parts = { ipvsadm, ipset, addresses, rules: xtables?.rules ?? '', setup: xtables?.setup ?? '' };
    for (const [part, text] of Object.entries(parts)) texts.set(`ipvs.${family}.${part}`, text);
  }
  const { timeouts: _, parameters: __, ...expected } = stateOf(texts);
  expect(await kernelState()).toMatchObject(expected);
}

/** Whether anything of IPVS is wanted. */
function isSome(wanted: Wanted): boolean {
  return wanted.kind === 'ipvs' && wanted.ipset !== '';
}

describe.skipIf(skip)('ipvs', () => {
  beforeEach(empty);

  test('some of the cases, each over the one before', async () => {
    const cases = ipvsCases().filter((_, i) => i % IN_UML.everyCase === 0);
    await addAddresses(cases.flatMap(({ wanted }) => nodeAddresses(wanted)));
    let before: readonly Wanted[] = [];
    for (const [i, { name, folder, wanted }] of cases.entries()) {
      // What is wanted of a family that has nothing and is to have nothing only takes time.
      await bring(wanted.filter((each) => isSome(each) || before.some((other) => other.family === each.family)));
      before = wanted.filter(isSome);
      const { state, config, node: nodeName } = loadCase(folder, 'ipvs');
      const found = verify({ state, config, mode: 'ipvs', node: nodeName, dumps: readDumps(before) });
      expect(found.diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(found.findings, name).toEqual([]);
      if (i % 4 > 0) continue;
      expect((await bring(wanted)).areas, name).toEqual([]);
      expect(writingCommands(), name).toEqual([]);
      await expectState(wanted);
    }
  });

  test(`${IN_UML.randomChanges} random changes`, async () => {
    const steps = Array.from(randomChanges(11, IN_UML.randomChanges), ({ objects, config }) =>
      wantedParts(ipvsParts(objects, { config, name: RANDOM_NODE })),
    );
    await addAddresses(steps.flatMap(nodeAddresses));
    for (const [i, wanted] of steps.entries()) {
      await bring(wanted);
      if (i % 5 === 4) await expectState(wanted);
    }
  });

  test("what is others' stays, and a cleanup leaves what was there before", async () => {
    await script(
      [
        'ipvsadm -A -t 203.0.113.250:80 -s wlc\nipvsadm -a -t 203.0.113.250:80 -r 10.9.9.9:80 -g -w 3\n',
        'ipvsadm -A -f 7 -s rr\nipvsadm -A -u 10.96.7.7:53 -s rr\n',
        'ipset create MINE hash:ip\nipset add MINE 10.0.0.1\n',
        'iptables-legacy -A INPUT -m set --match-set MINE src -j ACCEPT\n',
      ].join(''),
    );
    const before = await kernelState();
    const [bound, unbound] = [BOTH, web(['10.244.1.2'], { type: 'NodePort' })];
    await bring(bound);
    await bring(unbound);
    await bring(bound);
    expect((await kernelState())?.servers).toEqual(expect.arrayContaining(before?.servers as string[]));
    await bring(NOTHING);
    // Parameters stay as they are.
    expect({ ...(await kernelState()), parameters: {} }).toEqual({ ...before, parameters: {} });
    expect((await bring(NOTHING)).areas).toEqual([]);
    expect(writingCommands()).toEqual([]);
  });

  test('a dry run does not load the module, and an apply does', async () => {
    await script("rmmod $(lsmod | sed -n 's/^\\(ip_vs_[a-z]*\\) .*/\\1/p') ip_vs\n");
    const isLoaded = () => /^ip_vs /m.test(readFileSync('/proc/modules', 'utf8'));
    const modprobe: Host = {
      ...host,
      // scripts/uml has its modules elsewhere.
      run: ({ program, args, ...rest }) =>
        host.run({ program, args: program === 'modprobe' ? ['--dirname=/run/uml', ...args] : args, ...rest }),
    };
    const { areas } = await bringTo(modprobe, BOTH, { dryRun: true });
    expect(areas.flatMap(({ changes }) => changes.map(({ what }) => what))).toContain(WEB);
    expect(isLoaded()).toBe(false);
    await bringTo(modprobe, BOTH);
    expect(isLoaded()).toBe(true);
    await expectState(BOTH);
  });

  test('a set with another size or of another type', async () => {
    await bring(BOTH);
    const rule = '-m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT';
    await script(
      [
        'ipset create OLD hash:ip,port maxelem 100\nipset add OLD 10.9.9.9,tcp:1\n',
        'ipset swap OLD KUBE-CLUSTER-IP\nipset destroy OLD\n',
        // Of a run that was killed.
        'ipset create KUBERULES-SPARE hash:ip\n',
        `iptables-legacy -C KUBE-SERVICES -t nat ${rule}\n`,
      ].join(''),
    );
    await bring(BOTH);
    await expectState(BOTH);
  });

  // Before each command it is killed in test/apply/ipvs-area.test.ts.
  test.for([6])('an apply that is killed before writing command %i is completed by the next', async (n) => {
    const balanced = { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24'] };
    const after = web([POD_B], { ...balanced, ports: [{ name: 'http', port: 81 }] }, ['203.0.113.9']);
    await bring(BOTH);
    let left = n;
    const mortal: Host = {
      ...host,
      run: (command) => {
        if (!READING.test(commandText(command)) && left-- === 0) throw new Error('killed');
        return host.run(command);
      },
    };
    await expect(bringTo(mortal, after, { folder })).rejects.toThrow('killed');
    await bring(after);
    await expectState(after);
  });

  test('timeouts are set where they differ', async () => {
    const timed = web(['10.244.1.2'], {}, [], { tcpFinTimeout: '7s' });
    await bring(timed);
    expect((await kernelState())?.timeouts).toBe('900 7 300');
    await bring(timed);
    expect(writingCommands()).toEqual([]);
  });
});

/** What was read last of each family that is wanted, as dumps. */
function readDumps(wanted: readonly Wanted[]) {
  const families = wanted.filter(isSome).map(({ family }) => family);
  const dumps = new Map<string, { name: string; text: string; family?: 'ipv4' | 'ipv6' }>();
  for (const { program, args, stdout } of done) {
    const name = [program, ...args].join(' ');
    if (/version|link|-L/.test(name)) continue;
    dumps.delete(name);
    if (stdout === '') continue;
    const saves = /^(ip6?)tables/.exec(program)?.[1];
    const family = saves === undefined ? undefined : saves === 'ip' ? 'ipv4' : 'ipv6';
    if (family === undefined) dumps.set(name, { name, text: stdout });
    else if (families.includes(family)) dumps.set(name, { name, text: stdout, family });
  }
  return [...dumps.values()];
}

type Spec = Readonly<Record<string, unknown>>;

function objectsOf(ips: readonly string[], spec: Spec = {}, vips: readonly string[] = []): readonly RawObject[] {
  return [node(['192.0.2.11']), service(spec, vips), slice(ips.map((ip) => ({ ip, here: true })))];
}

/** What Service web wants of a host in a mode, and what is left there of the others. */
function web(
  ips: readonly string[],
  spec: Spec = {},
  vips: readonly string[] = [],
  ipvs: Spec = {},
  mode: ProxyMode = 'ipvs',
  others: readonly RawObject[] = [],
): readonly Wanted[] {
  const { state } = loadCluster([...objectsOf(ips, spec, vips), ...others].map((object) => ({ object })));
  const text = JSON.stringify({ apiVersion: 'kubeproxy.config.k8s.io/v1alpha1', kind: 'KubeProxyConfiguration', ipvs });
  const { config } = readConfig({ name: 'config', text }, { mode });
  const { parts } = compile(state, { mode, config, node: 'here' });
  if (mode === 'ipvs') return wantedParts(parts);
  const left = leftoversOf(mode).filter((each) => each.kind === 'ipvs');
  return [...wantedOf(mode, textsOf(parts), 'legacy'), ...left];
}

/** The server's and the client's end of connections that last. */
const POD_A = '10.244.1.2';
const POD_B = '10.244.2.2';
const BOTH = web([POD_A, POD_B]);
const VIP = '10.96.0.20';
const WEB = `-t ${VIP}:80`;

interface Line {
  /** Sends a line, and gives the next that comes back. */
  ask(text: string): Promise<string>;
  end(): void;
}

const lineProgram = fileURLToPath(new URL('./line.mjs', import.meta.url));
const children: ChildProcessWithoutNullStreams[] = [];
afterAll(() => {
  for (const child of children) child.stdin.end();
});

/** Starts line.mjs in a namespace. */
async function startLine(namespace: Namespace, ...args: readonly string[]): Promise<Line> {
  const enter = [`--net=/proc/${namespace.pid}/ns/net`, process.execPath, lineProgram];
  const child = spawn('nsenter', [...enter, ...args], { stdio: 'pipe' });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => (await lines.next()).value ?? 'ended';
  expect(await next()).toBe('ready');
  return {
    ask: (text) => {
      child.stdin.write(`${text}\n`);
      return next();
    },
    end: () => child.stdin.end(),
  };
}

describe.skipIf(skip)('ipvs and traffic', () => {
  const hosts: Namespace[] = [];
  let client: Namespace;
  const weights = async () => (await kernelState())?.servers.filter((line) => line.startsWith('-a '));

  beforeAll(async () => {
    await empty();
    client = await startHost('client');
    const pods = [await startHost('pod-a'), await startHost('pod-b')] as const;
    hosts.push(client, ...pods);
    await script(
      [
        ...(
          [
            ['c0', client, '192.0.2.11/24', '192.0.2.99/24', '192.0.2.11'],
            ['p1', pods[0], '10.244.1.1/24', `${POD_A}/24`, '10.244.1.1'],
            ['p2', pods[1], '10.244.2.1/24', `${POD_B}/24`, '10.244.2.1'],
          ] as const
        ).flatMap(([link, { pid }, own, address, via]) => [
          `ip link add ${link} type veth peer name eth0 netns ${pid}\nip addr add ${own} dev ${link}\nip link set ${link} up\n`,
          `nsenter --net=/proc/${pid}/ns/net sh -c 'ip addr add ${address} dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via ${via}'\n`,
        ]),
      ].join(''),
    );
    for (const [i, pod] of pods.entries()) {
      await pod.serve({ tcp: [8080], udp: [], sctp: [] });
      await startLine(pod, 'serve', `pod-${'ab'[i]}`, '8081');
    }
  });
  afterAll(async () => {
    await empty();
    await closeHosts(hosts);
  });
  beforeEach(empty);

  const probe = (count: number, port = 80) =>
    client.probe({ protocol: 'tcp', to: VIP, port, count, parallel: 1, timeout: 3000 });
  const lasting = { ports: [{ name: 'http', port: 80 }] };
  /** Port 80 for short connections, port 81 for those that last. */
  const both = (ips: readonly string[], ipvs: Spec = {}, mode: ProxyMode = 'ipvs') =>
    web(
      ips,
      { ports: [...lasting.ports, { name: 'line', port: 81 }] },
      [],
      ipvs,
      mode,
      [
        slice(
          ips.map((ip) => ({ ip, here: true })),
          'web',
          [{ name: 'line', port: 8081 }],
        ),
      ].map((object) => ({ ...object, metadata: { ...(object.metadata as object), name: 'web-2' } })),
    );

  test('an open connection outlives its endpoint, and ends what waits for it', async () => {
    // The client never closes; after this time the kernel forgets the connection.
    const timeouts = { tcpFinTimeout: '1s' };
    await bring(both([POD_A], timeouts));
    const line = await startLine(client, 'hold', VIP, '81');
    expect(await line.ask('one')).toBe('pod-a one');
    let polls = 0;
    await bring(both([POD_B], timeouts), {
      drain: 100,
      now: Date.now,
      sleep: async () => {
        polls++;
        expect(polls).toBeLessThan(40);
        if (polls > 1) return sleep(200);
        expect(await weights()).toEqual([
          `-a ${WEB} -r ${POD_B}:8080 -m -w 1`,
          `-a -t ${VIP}:81 -r ${POD_A}:8081 -m -w 0`,
          `-a -t ${VIP}:81 -r ${POD_B}:8081 -m -w 1`,
        ]);
        expect(await line.ask('two')).toBe('pod-a two');
        const other = await startLine(client, 'hold', VIP, '81');
        expect(await other.ask('new')).toBe('pod-b new');
        other.end();
        expect(await line.ask('close')).toBe('closed');
        return undefined;
      },
    });
    expect(polls).toBeGreaterThan(0);
    expect(await weights()).toEqual([`-a ${WEB} -r ${POD_B}:8080 -m -w 1`, `-a -t ${VIP}:81 -r ${POD_B}:8081 -m -w 1`]);
    line.end();
  });

  test('a connection that is wanted again goes on, and one that takes too long is ended', async () => {
    await bring(both([POD_A]));
    const line = await startLine(client, 'hold', VIP, '81');
    expect(await line.ask('one')).toBe('pod-a one');
    let time = 0;
    const killed = bring(both([POD_B]), {
      drain: 30,
      now: () => time,
      sleep: () => {
        throw new Error('killed');
      },
    });
    await expect(killed).rejects.toThrow('killed');
    await bring(both([POD_A, POD_B]));
    expect(await line.ask('two')).toBe('pod-a two');
    expect((await weights())?.filter((each) => each.endsWith(' -w 0'))).toEqual([]);
    await bring(both([POD_B]), {
      drain: 30,
      now: () => time,
      sleep: async () => {
        time += 10_000;
        expect(await line.ask(`at ${time}`)).toBe(`pod-a at ${time}`);
      },
    });
    expect(time).toBe(30_000);
    expect((await weights())?.filter((each) => each.includes(POD_A))).toEqual([]);
    expect(await line.ask('late')).toBe('error ECONNRESET');
    line.end();
  });

  test('nothing fails while other Services change', async () => {
    const other = (i: number): readonly RawObject[] => {
      const spec = {
        clusterIP: '10.96.0.30',
        type: i % 3 === 0 ? 'ClusterIP' : 'LoadBalancer',
        externalTrafficPolicy: i % 2 === 0 ? 'Cluster' : 'Local',
        loadBalancerSourceRanges: i % 4 === 0 ? ['198.51.100.0/24'] : [],
        ports: [{ name: 'http', port: 80, ...(i % 3 === 0 ? {} : { nodePort: 30080 }) }],
      };
      const vips = i % 3 === 0 ? [] : ['203.0.113.9'];
      return i % 5 === 4
        ? []
        : [service(spec, vips, 'other'), slice([{ ip: `10.244.1.${20 + (i % 7)}`, here: true }], 'other')];
    };
    const step = (i: number) => web([POD_A, POD_B], {}, [], {}, 'ipvs', other(i));
    await bring(step(0));
    let changes = 0;
    const outcomes: unknown[] = [];
    while (changes < IN_UML.changesUnderConnections) {
      const probing = probe(40);
      await bring(step(++changes));
      outcomes.push(...(await probing));
    }
    expect(outcomes.filter((each) => (each as { answer?: string }).answer === undefined)).toEqual([]);
    expect(outcomes.length).toBe(IN_UML.changesUnderConnections * 40);
  });

  test('from IPVS to iptables and back: open connections go on, and new ones find their way', async () => {
    await bring(both([POD_A, POD_B]));
    const old = await startLine(client, 'hold', VIP, '81');
    const [name] = (await old.ask('one')).split(' ');
    let time = 0;
    let probing = probe(100);
    await bring(both([POD_A, POD_B], {}, 'iptables'), {
      drain: 20,
      now: () => time,
      sleep: async () => {
        time += 10_000;
        expect(await old.ask(`at ${time}`)).toBe(`${name} at ${time}`);
        expect((await probe(2)).map(({ answer }) => answer === undefined)).toEqual([false, false]);
      },
    });
    expect(time).toBe(20_000);
    expect((await probing).filter(({ answer }) => answer === undefined)).toEqual([]);
    const left = await kernelState();
    expect([left?.servers, left?.sets, left?.addresses]).toEqual([[], {}, undefined]);
    const late = await startLine(client, 'hold', VIP, '81');
    const [second] = (await late.ask('one')).split(' ');
    probing = probe(100);
    await bring(both([POD_A, POD_B]));
    expect((await probing).filter(({ answer }) => answer === undefined)).toEqual([]);
    expect(await late.ask('two')).toBe(`${second} two`);
    const { servers, sets } = (await kernelState()) ?? {};
    expect([servers?.length, Object.keys(sets ?? {}).length]).toEqual([6, 17]);
    old.end();
    late.end();
  });
});

/** `kuberules lint` on a terminal, its flags and exit codes. test/transcripts shows what it prints elsewhere. */
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { processIo, type Terminal } from '../../src/cli/io.js';
import { folderWith, kuberules, onTerminal } from '../support/cli.js';
import { schemaProblems } from '../support/json-schema.js';

const SURPRISES = 'test/inspect/surprises.yaml';

describe('on a terminal', () => {
  const lines = ['lint', '-f', SURPRISES, '-n', 'guest', '--only', 'address-shared'];

  it('breaks lines at its width, in columns', async () => {
    const out = await onTerminal({ width: 100, color: false }, ...lines);
    expect(out).toBe(`Service guest/grab
  test/inspect/surprises.yaml:130  warning  external IP 203.0.113.10 is an address of Service
                                            shop/web too, on other ports. [address-shared]
                                            Way out: Give each Service an address of its own, or
                                            different ports of one address in one namespace.
                                            See also: Service shop/web
                                            (test/inspect/surprises.yaml:40)

Reasons
  address-shared: On the same port kube-proxy leaves to chance which Service answers; on other ports
  the owner of an address does not know who else answers at it. What one owner shares on purpose is
  not listed: external IPs of one namespace, and load-balancer addresses, on different ports.
  Whoever may write Services can so take over traffic that is meant for somebody else, which is
  CVE-2020-8554 and has no remedy but to restrict who may set externalIPs.

1 warning (1 check).
`);
  });

  it('puts texts below where it is too narrow for columns', async () => {
    const out = await onTerminal({ width: 60, color: false }, ...lines);
    expect(out.split('\n').slice(0, 5)).toEqual([
      'Service guest/grab',
      '  test/inspect/surprises.yaml:130  warning',
      '    external IP 203.0.113.10 is an address of Service',
      '    shop/web too, on other ports. [address-shared]',
      '    Way out: Give each Service an address of its own, or',
    ]);
  });

  it.each([200, 120, 80, 60])('of %i columns shows no longer line than that', async (width) => {
    for (const args of [
      ['lint', '-f', SURPRISES],
      ['lint', '--list'],
      ['lint', '--explain', 'external-ip-of-node'],
    ]) {
      const out = await onTerminal({ width, color: false }, ...args);
      expect(out.split('\n').filter((line) => line.length > width)).toEqual([]);
    }
  });

  it('paints, and takes no more room for it', async () => {
    const plain = await onTerminal({ width: 90, color: false }, ...lines);
    const painted = await onTerminal({ width: 90, color: true }, ...lines);
    expect(painted).toContain('\u001b[33mwarning\u001b[39m');
    expect(painted).toContain('\u001b[1mService guest/grab\u001b[22m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    expect(painted.replace(/\u001b\[[0-9]+m/g, '')).toBe(plain);
    const list = await onTerminal({ width: 90, color: true }, 'lint', '--list');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    expect(list.replace(/\u001b\[[0-9]+m/g, '')).toBe(await onTerminal({ width: 90, color: false }, 'lint', '--list'));
  });

  it('keeps JSON as it is', async () => {
    const json = [...lines, '--output', 'json'];
    expect(await onTerminal({ width: 60, color: true }, ...json)).toBe((await kuberules(...json)).out);
  });
});

describe('the terminal', () => {
  const { isTTY, columns } = process.stdout;
  afterEach(() => {
    vi.unstubAllEnvs();
    Object.assign(process.stdout, { isTTY, columns });
  });
  const terminalWith = (stream: object, env: Readonly<Record<string, string>>): Terminal | undefined => {
    Object.assign(process.stdout, stream);
    for (const name of ['NO_COLOR', 'FORCE_COLOR']) vi.stubEnv(name, undefined);
    vi.stubEnv('TERM', 'xterm');
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    return processIo().terminal;
  };

  it.each([
    ['a file or a pipe', { isTTY: false }, {}, undefined],
    ['a terminal', { isTTY: true, columns: 132 }, {}, { width: 132, color: true }],
    ['one that does not tell its width', { isTTY: true, columns: 0 }, {}, { width: 80, color: true }],
    ['NO_COLOR', { isTTY: true, columns: 132 }, { NO_COLOR: '1' }, { width: 132, color: false }],
    [
      'NO_COLOR against FORCE_COLOR',
      { isTTY: true, columns: 99 },
      { NO_COLOR: '1', FORCE_COLOR: '1' },
      { width: 99, color: false },
    ],
    ['an empty NO_COLOR, which is none', { isTTY: true, columns: 99 }, { NO_COLOR: '' }, { width: 99, color: true }],
    ['TERM=dumb', { isTTY: true, columns: 99 }, { TERM: 'dumb' }, { width: 99, color: false }],
  ])('%s', (_name, stream, env, terminal) => {
    expect(terminalWith(stream, env as Readonly<Record<string, string>>)).toEqual(terminal);
  });
});

describe('flags', () => {
  const service = (name: string, namespace: string, spec: string): string =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {${spec}}\n`;
  const file = (...objects: readonly string[]): string =>
    join(folderWith({ 'objects.yaml': objects.join('---\n') }), 'objects.yaml');
  const codes = async (...args: readonly string[]): Promise<readonly string[]> => {
    const { out } = await kuberules('lint', ...args, '--output', 'json');
    const result = JSON.parse(out) as { findings: { code: string }[] };
    expect(schemaProblems(result, 'lint.json')).toEqual([]);
    return result.findings.map(({ code }) => code);
  };
  const nodePort = (port: number): string =>
    file(service('web', 'shop', `type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: ${port}}]`));

  it('-n shows findings of a namespace, found by looking at all', async () => {
    const objects = file(
      service('web', 'shop', 'clusterIP: 10.96.0.1, ports: [{port: 80}]'),
      service('grab', 'guest', 'clusterIP: 10.96.0.2, externalIPs: [10.96.0.1], ports: [{port: 80}]'),
    );
    expect(await codes('-f', objects, '-n', 'guest')).toEqual(['external-ip-of-service']);
    expect(await codes('-f', objects, '-n', 'shop')).toEqual([]);
    const { code, out, err } = await kuberules('lint', '-f', objects, '-n', 'none');
    expect({ code, out, err }).toEqual({
      code: 2,
      out: '',
      err: 'error: the input holds no object in namespace "none". [no-objects]\n',
    });
  });

  it('the range of node ports is told by its own flag, or by the one of --simulate', async () => {
    expect(await codes('-f', nodePort(8080))).toEqual(['node-port-outside-range']);
    expect(await codes('-f', nodePort(8080), '--node-port-range', '8000-9000')).toEqual([]);
    expect(await codes('-f', nodePort(8080), '--simulate', '--service-node-port-range', '8000-9000')).toEqual([]);
    for (const range of ['8080', '9000-8000', '0-10', '1-70000', 'a-b']) {
      const { code, err } = await kuberules('lint', '-f', nodePort(8080), '--node-port-range', range);
      expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining('such as 30000-32767') });
    }
  });

  it('--only and --ignore', async () => {
    const all = await codes('-f', SURPRISES);
    expect(new Set(all).size).toBeGreaterThan(8);
    const one = ['address-refused'];
    expect(await codes('-f', SURPRISES, '--only', ...one)).toEqual(one);
    expect(await codes('-f', SURPRISES, '--ignore', ...one)).toEqual(all.filter((code) => code !== one[0]));
    expect(await codes('-f', SURPRISES, '--only', ...one, '--ignore', ...one)).toEqual([]);
  });

  it('a shared address is a finding, and so no warning beside it', async () => {
    const shared = 'externalIPs: [192.0.2.1], ports: [{port: 80}]';
    const objects = file(
      service('a', 'shop', `clusterIP: 10.96.0.1, ${shared}`),
      service('b', 'shop', `clusterIP: 10.96.0.2, ${shared}`),
    );
    const { code, out, err } = await kuberules('lint', '-f', objects);
    expect(code).toBe(1);
    expect(out).toContain('[address-shared]');
    expect(err).not.toContain('[address-conflict]');
  });

  it('Pods and workloads are read, and not called skipped', async () => {
    expect((await kuberules('lint', '-f', SURPRISES)).err).not.toContain('skipped');
  });

  it('without objects there is --list; without both it is a mistake', async () => {
    expect((await kuberules('lint', '--list')).code).toBe(0);
    expect(await kuberules('lint')).toEqual({
      code: 2,
      out: '',
      err: 'error: no objects to lint. Name files or folders with -f, give --from-cluster, or see --list. [usage]\n',
    });
  });

  it('wrong objects are named, and nothing is found in them', async () => {
    const { code, out, err } = await kuberules('lint', '-f', nodePort(70000));
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toContain('[invalid-port]');
  });
});

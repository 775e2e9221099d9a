/** kube-proxy's chains in a real kernel, brought from any state to any other by the chains that differ. */
import { describe, expect, test } from 'vitest';
import { leftoversOf } from '../../src/apply/areas.js';
import type { Wanted, WantedRules } from '../../src/apply/wanted.js';
import { verify } from '../../src/index.js';
import { caseName, expectedTexts, findCases, loadCase } from '../support/case.js';
import { compileObjects } from '../support/compile-objects.js';
import { type ApplyHost, applyHost, applyTo, writingCommands } from './apply-host.js';
import { skipWithReason, variantUnavailable } from './available.js';
import type { Host } from './host.js';
import { program, readSetup, save, type Variant } from './iptables.js';
import { root, withHost } from './load-suite.js';
import { applyRestore, applySetup, emptyTables, type TableState } from './normal-form.js';
import { type Family, families } from './places.js';
import { RANDOM_NODE, randomChanges } from './random-changes.js';
import { caseShare, RANDOM_CHANGES } from './sizes.js';

/** One family of what is applied. */
interface Rules {
  readonly family: Family;
  readonly rules: string;
  readonly setup: string;
}

const cases = findCases(root).map((folder) => {
  const texts = expectedTexts(folder, 'iptables');
  const all = families.flatMap((family): readonly Rules[] => {
    const rules = texts.get(`iptables.${family}.rules`);
    const setup = texts.get(`iptables.${family}.setup`) ?? '';
    return rules === undefined ? [] : [{ family, rules, setup }];
  });
  return { name: caseName(folder), folder, all };
});

/** What somebody else has on a node: a firewall, Docker, kubelet; rules that are close to kube-proxy's among them. */
const FOREIGN = [
  '-t filter -P FORWARD DROP',
  '-t filter -N MY-FIREWALL',
  '-t filter -A INPUT -p tcp --dport 22 -j ACCEPT',
  '-t filter -A MY-FIREWALL -m conntrack --ctstate NEW -m comment --comment mine -j RETURN',
  '-t filter -A FORWARD -j MY-FIREWALL',
  '-t nat -N DOCKER',
  '-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
  '-t nat -N KUBE-HOSTPORTS',
  '-t nat -A PREROUTING -m comment --comment "kube hostport portals" -j KUBE-HOSTPORTS',
  '-t mangle -N KUBE-IPTABLES-HINT',
  '-t mangle -N KUBE-KUBELET-CANARY',
];

/** kubelet's as well, for IPv4 only. */
const FIREWALL = [
  '-t filter -N KUBE-FIREWALL',
  '-t filter -I OUTPUT -j KUBE-FIREWALL',
  '-t filter -I INPUT -j KUBE-FIREWALL',
  '-t filter -A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
];

/** The tests of one variant. */
export async function applySuite(variant: Variant): Promise<void> {
  const reason = await withHost('check', (host) => variantUnavailable(host, variant));
  const skip = skipWithReason(`applying rules with iptables-${variant}`, reason);

  const wanted = (all: readonly Rules[]): readonly WantedRules[] =>
    all.map((each) => ({ kind: 'xtables', variant, clean: false, ...each }));
  const nothing: readonly Wanted[] = leftoversOf(undefined).filter(
    (each) => each.kind === 'xtables' && each.variant === variant,
  );

  /** Applies, and compares what the kernel has with what the texts say. */
  const bring = async (host: Host, all: readonly Rules[], applier: ApplyHost): Promise<void> => {
    await applyTo(applier, wanted(all));
    for (const { family, rules, setup } of all) {
      const written = emptyTables();
      applySetup(written, readSetup(setup).commands, family);
      applyRestore(written, rules, family);
      const read: TableState = {};
      applyRestore(read, await save(host, family, variant), family);
      expect(read).toEqual(written);
    }
  };

  describe.skipIf(skip)(`iptables-${variant}`, () => {
    // The suites are numbered by their variants, legacy and nft.
    test.concurrent.for(caseShare(cases, variant === 'nft' ? 1 : 0).map((each) => [each.name, each] as const))(
      'beside rules of others, and away again: %s',
      async ([, { folder, all }], { expect }) => {
        await withHost('node', async (host) => {
          for (const family of families) {
            const tool = [program(family, variant), '-w', '60'];
            const rules = family === 'ipv4' ? [...FOREIGN, ...FIREWALL] : FOREIGN;
            await host.run(rules.map((rule) => ({ argv: [...tool, ...words(rule)] })));
          }
          const saved = () => Promise.all(families.map((family) => save(host, family, variant)));
          const before = await saved();
          const applier = applyHost(host);
          await applyTo(applier, wanted(all));
          const texts = await saved();
          const dumps = families.flatMap((family, i) =>
            all.some((each) => each.family === family) ? [{ name: family, family, text: texts[i] ?? '' }] : [],
          );
          const { state, config, node } = loadCase(folder, 'iptables');
          expect(verify({ state, config, mode: 'iptables', node, dumps }).findings).toEqual([]);
          applier.forget();
          expect((await applyTo(applier, wanted(all))).areas).toEqual([]);
          expect(applier.done.length).toBeGreaterThan(0);
          expect(writingCommands(applier)).toEqual([]);
          expect(await saved()).toEqual(texts);
          await applyTo(applier, nothing);
          expect((await saved()).map(withoutCounters)).toEqual(before.map(withoutCounters));
          applier.forget();
          expect((await applyTo(applier, nothing)).areas).toEqual([]);
          expect(writingCommands(applier)).toEqual([]);
        });
      },
    );

    test('over the case before', async () => {
      await withHost('node', async (host) => {
        const applier = applyHost(host);
        for (const { all } of cases) await bring(host, all, applier);
      });
    });

    test(`after every one of ${RANDOM_CHANGES} random changes`, async () => {
      const seed = 20_260_702;
      await withHost('node', async (host) => {
        const applier = applyHost(host);
        let number = 0;
        for (const { objects, config } of randomChanges(seed, RANDOM_CHANGES)) {
          number++;
          const compiled = compileObjects({ objects, config, node: RANDOM_NODE }, 'iptables').families;
          const all = compiled.map(({ plan, texts: { rules = '', setup = '' } }) => ({
            family: plan.node.family,
            rules,
            setup,
          }));
          try {
            await bring(host, all, applier);
          } catch (error) {
            throw new Error(`seed ${seed}, change ${number}`, { cause: error });
          }
        }
      });
    });
  });
}

/** Packets that came by in the meantime make no difference. */
function withoutCounters(text: string): string {
  return text.replace(/\[\d+:\d+\]/g, '[0:0]');
}

/** Arguments at blanks; double quotes hold one together. */
function words(text: string): readonly string[] {
  return [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

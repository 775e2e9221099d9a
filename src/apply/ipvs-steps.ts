/** The steps that change IPVS mode of one family, each a run of a program. */
import { IPVS_DEVICE } from '../backends/ipvs/address-changes.js';
import type { IpvsChange, IpvsInputs, IpvsState } from '../backends/ipvs/changes.js';
import { PROBE } from '../backends/ipvs/ownership.js';
import type { Step } from './area.js';
import { type HostState, ipset, ipvsadm } from './ipvs-host.js';
import type { RulesReading } from './rules-area.js';

/** What the steps depend on, beside what changes. */
interface Circumstances {
  readonly wantsIpvs: boolean;
  readonly rules: RulesReading | undefined;
  readonly current: HostState;
  readonly should: IpvsState;
}

/** All steps in their order; see `IpvsInputs`. */
export function ipvsSteps({ inputs, deviceIsFree }: IpvsChange, circumstances: Circumstances): readonly Step[] {
  const { wantsIpvs, current } = circumstances;
  const sets = (input: string, purpose: string): readonly Step[] =>
    input === '' ? [] : [{ kind: 'command', command: { ...ipset(['restore', '-exist']), input }, purpose }];
  const servers = (input: string, purpose: string): readonly Step[] =>
    input === '' ? [] : [{ kind: 'command', command: { ...ipvsadm(['-R']), input }, strict: true, purpose }];
  const addresses = (input: string, purpose: string): readonly Step[] =>
    input === '' ? [] : [{ kind: 'command', command: { program: 'ip', args: ['-batch', '-'], input }, purpose }];
  const isChanged = Object.values(inputs).some((input) => input !== '');
  const rules = rulesSteps(isChanged, circumstances);
  return [
    // It is never set up: its addresses are local as it is.
    ...(wantsIpvs && !current.hasDevice
      ? [
          {
            kind: 'command' as const,
            command: { program: 'ip', args: ['link', 'add', IPVS_DEVICE, 'type', 'dummy'] },
            lacking: 'The kernel has no dummy devices (module dummy)',
            purpose: `to make ${IPVS_DEVICE}`,
          },
        ]
      : []),
    ...schedulerSteps(inputs, circumstances),
    ...rules.first,
    ...servers(inputs.open, 'to refuse what has no real server yet'),
    ...sets(inputs.prepare, 'to make sets and add to them'),
    ...rules.early,
    ...sets(inputs.restrict, 'to restrict Services to their source ranges'),
    ...servers(inputs.arrive, 'to add virtual and real servers'),
    ...addresses(inputs.bind, 'to add addresses of Services'),
    ...rules.late,
    ...servers(inputs.leave, 'to let real servers leave'),
    ...sets(inputs.release, 'to let in clients, with their addresses'),
    ...addresses(inputs.unbind, 'to remove addresses of Services'),
    ...sets(inputs.close, 'to remove ports of Services from sets'),
    ...servers(inputs.remove, 'to remove virtual servers'),
    ...sets(inputs.clear, 'to remove what sets have too much'),
    ...(!wantsIpvs && current.hasDevice && deviceIsFree
      ? [
          {
            kind: 'command' as const,
            command: { program: 'ip', args: ['link', 'delete', IPVS_DEVICE] },
            purpose: `to remove ${IPVS_DEVICE}`,
          },
        ]
      : []),
  ];
}

const NO_STEPS: readonly Step[] = [];

/**
 * The rules at their place. Usually they come before what needs them, but with those that are to go still among them,
 * which are written without them as soon as the rest is as wanted. Where iptables mode is in force its rules have the
 * traffic until they are replaced, so IPVS is made ready first; and where IPVS goes, its rules go before their sets.
 */
function rulesSteps(
  isChanged: boolean,
  { wantsIpvs, rules }: Circumstances,
): { readonly first: readonly Step[]; readonly early: readonly Step[]; readonly late: readonly Step[] } {
  const none = { first: NO_STEPS, early: NO_STEPS, late: NO_STEPS };
  if (rules === undefined) return none;
  const all = rules.work.steps;
  if (!wantsIpvs) return { ...none, first: all };
  const has = (chain: string): boolean => rules.former.rules.includes(`\n:${chain} `);
  if (has('KUBE-SERVICES') && !has('KUBE-IPVS-FILTER')) return { ...none, late: all };
  return { ...none, early: isChanged ? rules.additions() : all };
}

/** Tries schedulers that nobody uses yet before anything depends on them; the kernel loads their modules by that. */
function schedulerSteps({ open, arrive }: IpvsInputs, { current, should }: Circumstances): readonly Step[] {
  if (!/^-[AE] /m.test(open + arrive)) return [];
  const used = new Set(current.table.services.map(({ scheduler }) => scheduler));
  const needed = new Set(should.table.services.map(({ scheduler }) => scheduler));
  return [...needed]
    .filter((scheduler) => !used.has(scheduler) && !new RegExp(`^ip_vs_${scheduler} `, 'm').test(current.modules))
    .flatMap((scheduler): readonly Step[] => {
      const purpose = `to try scheduler ${scheduler}`;
      const lacking = `The kernel has no scheduler ${scheduler} of IPVS (module ip_vs_${scheduler})`;
      return [
        { kind: 'command', command: ipvsadm(['-A', '-t', PROBE, '-s', scheduler]), purpose, lacking },
        { kind: 'command', command: ipvsadm(['-D', '-t', PROBE]), purpose },
      ];
    });
}

/** What the options of a target say. */
import { type Extension, onlyOption, optionsByName, TARGET_OPTIONS, unknownOf } from './extension.js';
import type { Target } from './rule.js';
import { ALL_BITS, readMark, readNatRange, readPorts } from './values.js';

/** A target by its options. */
export function readTarget(extension: Extension, goto: boolean): Target {
  const { name = '', options } = extension;
  if (goto) return { kind: 'goto', chain: name };
  return readKnownTarget(extension) ?? (options.length === 0 ? { kind: 'jump', chain: name } : unknownOf(extension));
}

function readKnownTarget(extension: Extension): Target | undefined {
  const { name, options } = extension;
  switch (name) {
    case 'ACCEPT':
      return options.length === 0 ? { kind: 'accept' } : undefined;
    case 'DROP':
      return options.length === 0 ? { kind: 'drop' } : undefined;
    case 'RETURN':
      return options.length === 0 ? { kind: 'return' } : undefined;
    case 'REJECT': {
      const reason = options.length === 0 ? 'port-unreachable' : onlyOption(extension, '--reject-with')?.values[0];
      if (reason === undefined || options[0]?.not === true) return undefined;
      const isDefault = reason === 'icmp-port-unreachable' || reason === 'icmp6-port-unreachable';
      return { kind: 'reject', with: isDefault ? 'port-unreachable' : reason };
    }
    case 'DNAT':
    case 'SNAT':
      return readNat(extension, name === 'DNAT' ? 'dnat' : 'snat');
    case 'MASQUERADE':
      return readMasquerade(extension);
    case 'MARK':
      return readMarkTarget(extension);
    default:
      return undefined;
  }
}

function readNat(extension: Extension, kind: 'dnat' | 'snat'): Target | undefined {
  const options = optionsByName(extension, TARGET_OPTIONS);
  const to = readNatRange(options?.get(kind === 'dnat' ? '--to-destination' : '--to-source')?.values[0]);
  if (options === undefined || to === undefined) return undefined;
  return {
    kind,
    to,
    random: options.has('--random'),
    randomFully: options.has('--random-fully'),
    persistent: options.has('--persistent'),
  };
}

function readMasquerade(extension: Extension): Target | undefined {
  const options = optionsByName(extension, TARGET_OPTIONS);
  if (options === undefined) return undefined;
  const text = options.get('--to-ports')?.values[0];
  const ports = text === undefined || text.includes(':') ? undefined : readPorts(text.replace('-', ':'));
  if (ports === undefined && options.has('--to-ports')) return undefined;
  return { kind: 'masquerade', ports, random: options.has('--random'), randomFully: options.has('--random-fully') };
}

/** The five spellings of `(mark & ~mask) ^ value`. */
function readMarkTarget(extension: Extension): Target | undefined {
  const option = onlyOption(extension, '--set-xmark', '--set-mark', '--and-mark', '--or-mark', '--xor-mark');
  const mark = readMark(option?.values[0]);
  if (option === undefined || option.not || mark === undefined) return undefined;
  const { value, mask } = mark;
  if (option.name === '--set-xmark') return { kind: 'mark', value, mask };
  if (option.name === '--set-mark') return { kind: 'mark', value, mask: (value | mask) >>> 0 };
  // The others have no mask.
  if (option.values[0]?.includes('/') !== false) return undefined;
  if (option.name === '--and-mark') return { kind: 'mark', value: 0, mask: (value ^ ALL_BITS) >>> 0 };
  return { kind: 'mark', value, mask: option.name === '--or-mark' ? value : 0 };
}

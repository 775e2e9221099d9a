/**
 * Every field of KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1, as kube-proxy v1.36 knows it, and the
 * decoding of a document by that table. Whether the values make sense is not looked at here; see config.ts.
 */
import { show } from './fields.js';

/** What a field holds. Null means "not given" wherever it is not said otherwise. */
type FieldType =
  | 'string'
  | 'boolean'
  | 'int32'
  | 'uint32'
  | 'float32'
  /** `1h30m`; in seconds once decoded. Null is refused: Go reads it as the text "", which is no duration. */
  | 'duration'
  /** A duration that may be null. */
  | 'optionalDuration'
  /** A duration, or a whole number of nanoseconds; in seconds once decoded. */
  | 'durationOrNanoseconds'
  /** A Kubernetes quantity (`4Ki`). */
  | 'quantity'
  | 'strings'
  /** A mapping from names to booleans. */
  | 'switches'
  | { readonly fields: FieldTable }
  | { readonly items: FieldTable };

interface FieldTable {
  readonly [name: string]: FieldType;
}

const FIELDS = {
  apiVersion: 'string',
  kind: 'string',
  featureGates: 'switches',
  clientConnection: {
    fields: {
      kubeconfig: 'string',
      acceptContentTypes: 'string',
      contentType: 'string',
      qps: 'float32',
      burst: 'int32',
    },
  },
  logging: {
    fields: {
      format: 'string',
      flushFrequency: 'durationOrNanoseconds',
      verbosity: 'uint32',
      vmodule: { items: { filePattern: 'string', verbosity: 'uint32' } },
      options: {
        fields: {
          text: { fields: { splitStream: 'boolean', infoBufferSize: 'quantity' } },
          json: { fields: { splitStream: 'boolean', infoBufferSize: 'quantity' } },
        },
      },
    },
  },
  hostnameOverride: 'string',
  bindAddress: 'string',
  healthzBindAddress: 'string',
  metricsBindAddress: 'string',
  bindAddressHardFail: 'boolean',
  enableProfiling: 'boolean',
  showHiddenMetricsForVersion: 'string',
  mode: 'string',
  iptables: {
    fields: {
      masqueradeBit: 'int32',
      masqueradeAll: 'boolean',
      localhostNodePorts: 'boolean',
      syncPeriod: 'duration',
      minSyncPeriod: 'duration',
    },
  },
  ipvs: {
    fields: {
      syncPeriod: 'duration',
      minSyncPeriod: 'duration',
      scheduler: 'string',
      excludeCIDRs: 'strings',
      strictARP: 'boolean',
      tcpTimeout: 'duration',
      tcpFinTimeout: 'duration',
      udpTimeout: 'duration',
    },
  },
  nftables: {
    fields: {
      masqueradeBit: 'int32',
      masqueradeAll: 'boolean',
      syncPeriod: 'duration',
      minSyncPeriod: 'duration',
    },
  },
  winkernel: {
    fields: {
      networkName: 'string',
      sourceVip: 'string',
      enableDSR: 'boolean',
      rootHnsEndpointName: 'string',
      forwardHealthCheckVip: 'boolean',
    },
  },
  detectLocalMode: 'string',
  detectLocal: { fields: { bridgeInterface: 'string', interfaceNamePrefix: 'string' } },
  clusterCIDR: 'string',
  nodePortAddresses: 'strings',
  oomScoreAdj: 'int32',
  conntrack: {
    fields: {
      maxPerCore: 'int32',
      min: 'int32',
      tcpEstablishedTimeout: 'optionalDuration',
      tcpCloseWaitTimeout: 'optionalDuration',
      tcpBeLiberal: 'boolean',
      udpTimeout: 'duration',
      udpStreamTimeout: 'duration',
    },
  },
  configSyncPeriod: 'duration',
  portRange: 'string',
  windowsRunAsService: 'boolean',
} as const satisfies FieldTable;

type ValueOf<T> = T extends 'boolean'
  ? boolean
  : T extends 'strings'
    ? readonly string[]
    : T extends 'switches'
      ? Readonly<Record<string, boolean>>
      : T extends 'string' | 'quantity'
        ? string
        : T extends { readonly items: infer Item }
          ? readonly { readonly [Name in keyof Item]?: ValueOf<Item[Name]> }[]
          : number;

type Flat<Table, Prefix extends string = ''> = {
  [Name in keyof Table & string]: Table[Name] extends { readonly fields: infer Inner }
    ? Flat<Inner, `${Prefix}${Name}.`>
    : readonly [`${Prefix}${Name}`, ValueOf<Table[Name]>];
}[keyof Table & string];

/**
 * The values that a configuration gives, by the path of the field (`iptables.masqueradeBit`); fields that are not
 * given, or null, are absent. Durations are in seconds, with fractions.
 */
export type Settings = { readonly [Entry in Flat<typeof FIELDS> as Entry[0]]?: Entry[1] };

/** The path of a field. */
export type Setting = keyof Settings;

/** Hears what is wrong with a document: fields of a wrong type, and fields that v1alpha1 does not know. */
export interface DecodeListener {
  /** @param found what stands there and what was expected instead, as a sentence */
  wrongType(path: readonly (string | number)[], found: string, hint?: string): void;
  /** @param suggestion the path of a known field of nearly that name */
  unknownField(path: readonly (string | number)[], suggestion: string | undefined): void;
}

/**
 * Decodes a document as kube-proxy does: names count case, quoted numbers are no numbers, unknown fields are passed
 * over. Where kube-proxy stops at the first field of a wrong type, every one is reported here and left out.
 */
export function decodeSettings(document: Readonly<Record<string, unknown>>, listener: DecodeListener): Settings {
  const settings: Record<string, unknown> = {};
  decodeTable(document, FIELDS, [], listener, (path, value) => {
    settings[path] = value;
  });
  // The table drives both the decoding and the type.
  return settings as Settings;
}

function decodeTable(
  fields: Readonly<Record<string, unknown>>,
  table: FieldTable,
  path: readonly (string | number)[],
  listener: DecodeListener,
  found: (path: string, value: unknown) => void,
): void {
  for (const [name, value] of Object.entries(fields)) {
    const type = Object.hasOwn(table, name) ? table[name] : undefined;
    const here = [...path, name];
    if (type === undefined) {
      listener.unknownField(here, suggestField(name, table, path));
    } else if (value === undefined || (value === null && type !== 'duration')) {
      // Not given.
    } else if (typeof type === 'object' && 'fields' in type) {
      const inner = mapping(value);
      if (inner === undefined) listener.wrongType(here, expected(value, 'a mapping'));
      else decodeTable(inner, type.fields, here, listener, found);
    } else {
      const decoded = decodeValue(value, type, here, listener);
      if (decoded !== undefined) found(here.join('.'), decoded);
    }
  }
}

function decodeValue(
  value: unknown,
  type: Exclude<FieldType, { readonly fields: FieldTable }>,
  path: readonly (string | number)[],
  listener: DecodeListener,
): unknown {
  if (type === 'strings') return decodeStrings(value, path, listener);
  if (type === 'switches') return decodeSwitches(value, path, listener);
  if (typeof type === 'object') return decodeItems(value, type.items, path, listener);
  const scalar = decodeScalar(value, type);
  if (scalar === undefined) listener.wrongType(path, expected(value, SCALARS[type]), scalarHint(value, type));
  return scalar;
}

type ScalarType = Exclude<FieldType, 'strings' | 'switches' | object>;

/** What a value of each type is called in messages. */
const SCALARS: Readonly<Record<ScalarType, string>> = {
  string: 'a string',
  boolean: 'true or false',
  int32: 'a whole number of 32 bits',
  uint32: 'a whole number from 0 to 4294967295',
  float32: 'a number',
  duration: 'a duration such as "30s" or "1h30m"',
  optionalDuration: 'a duration such as "30s" or "1h30m"',
  durationOrNanoseconds: 'a duration such as "5s", nor a whole number of nanoseconds',
  quantity: 'a quantity such as 4Ki',
};

const MAX_FLOAT32 = 2 ** 128 - 2 ** 104;

function decodeScalar(value: unknown, type: ScalarType): string | number | boolean | undefined {
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? value : undefined;
    case 'int32':
      return wholeNumber(value, -(2 ** 31), 2 ** 31 - 1);
    case 'uint32':
      return wholeNumber(value, 0, 2 ** 32 - 1);
    case 'float32':
      return typeof value === 'number' && Math.abs(value) <= MAX_FLOAT32 ? value : undefined;
    case 'duration':
    case 'optionalDuration':
      return typeof value === 'string' ? parseDuration(value) : undefined;
    case 'durationOrNanoseconds': {
      if (typeof value === 'string') return parseDuration(value);
      const nanoseconds = wholeNumber(value, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      return nanoseconds === undefined ? undefined : nanoseconds / 1e9;
    }
    case 'quantity': {
      const text = typeof value === 'number' ? String(value) : value;
      return typeof text === 'string' && /^[+-]?[0-9.]+(?:[eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?$/.test(text)
        ? text
        : undefined;
    }
  }
}

function wholeNumber(value: unknown, min: number, max: number): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max ? value : undefined;
}

function scalarHint(value: unknown, type: ScalarType): string | undefined {
  if (type === 'string' && (typeof value === 'number' || typeof value === 'boolean')) return 'Put quotes around it.';
  if (typeof value === 'number' && (type === 'duration' || type === 'optionalDuration')) {
    return `Write a unit: "${show(value)}s".`;
  }
  if (typeof value !== 'string') return undefined;
  const bare =
    (type === 'boolean' && /^(?:true|false)$/.test(value)) || (type.includes('int') && /^[0-9]+$/.test(value));
  if (bare) return 'Remove the quotes.';
  return type.toLowerCase().includes('duration') && /^[0-9]+$/.test(value) ? `Write a unit: "${value}s".` : undefined;
}

function decodeStrings(value: unknown, path: readonly (string | number)[], listener: DecodeListener) {
  if (!Array.isArray(value)) {
    const hint = typeof value === 'string' ? `Write it as a list: [${JSON.stringify(value)}].` : undefined;
    listener.wrongType(path, expected(value, 'a list of strings'), hint);
    return undefined;
  }
  let sound = true;
  for (const [i, item] of value.entries()) {
    if (typeof item === 'string' || item === null) continue;
    listener.wrongType([...path, i], expected(item, 'a string'), scalarHint(item, 'string'));
    sound = false;
  }
  // Go turns null into the empty text here, which no list takes: the complaint is left to the reader of the list.
  return sound ? value.map((item) => item ?? '') : undefined;
}

function decodeSwitches(value: unknown, path: readonly (string | number)[], listener: DecodeListener) {
  const fields = mapping(value);
  if (fields === undefined) {
    listener.wrongType(path, expected(value, 'a mapping'));
    return undefined;
  }
  const switches = new Map<string, boolean>();
  for (const [name, each] of Object.entries(fields)) {
    if (typeof each === 'boolean' || each === null) switches.set(name, each === true);
    else listener.wrongType([...path, name], expected(each, SCALARS.boolean), scalarHint(each, 'boolean'));
  }
  return Object.fromEntries(switches);
}

function decodeItems(
  value: unknown,
  table: FieldTable,
  path: readonly (string | number)[],
  listener: DecodeListener,
): unknown {
  if (!Array.isArray(value)) {
    listener.wrongType(path, expected(value, 'a list'));
    return undefined;
  }
  return value.map((item, i) => {
    const fields = item === null ? {} : mapping(item);
    const decoded = new Map<string, unknown>();
    if (fields === undefined) listener.wrongType([...path, i], expected(item, 'a mapping'));
    else {
      decodeTable(fields, table, [...path, i], listener, (full, each) => {
        decoded.set(full.slice(full.lastIndexOf('.') + 1), each);
      });
    }
    return Object.fromEntries(decoded);
  });
}

function expected(value: unknown, what: string): string {
  return `${show(value)} is not ${what}.`;
}

function mapping(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}

/** A known field of the same name but for case, at the same place or anywhere else. */
function suggestField(name: string, table: FieldTable, path: readonly (string | number)[]): string | undefined {
  const lower = name.toLowerCase();
  const near = Object.keys(table).find((each) => each.toLowerCase() === lower);
  if (near !== undefined) return [...path, near].join('.');
  return fieldPaths(FIELDS, '').find((each) => each.slice(each.lastIndexOf('.') + 1).toLowerCase() === lower);
}

function fieldPaths(table: FieldTable, prefix: string): string[] {
  return Object.entries(table).flatMap(([name, type]) =>
    typeof type === 'object' && 'fields' in type ? fieldPaths(type.fields, `${prefix}${name}.`) : [`${prefix}${name}`],
  );
}

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  // Both the micro sign and the Greek letter.
  '\u00b5s': 1_000n,
  '\u03bcs': 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/**
 * A duration as Go's time.ParseDuration reads it: an optional sign, then decimal numbers each with a unit (`1h30m`,
 * `1.5s`, `-10ms`), or `0` alone.
 * @returns seconds, with a fraction; undefined when it is none, or longer than 64 bits of nanoseconds
 */
export function parseDuration(text: string): number | undefined {
  // Nobody writes so long a one, and big numbers get slow.
  if (text.length > 200) return undefined;
  const negative = text.startsWith('-');
  const unsigned = /^[+-]/.test(text) ? text.slice(1) : text;
  if (unsigned === '0') return 0;
  const part = /(?:(\d+)(?:\.(\d*))?|\.(\d+))(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;
  let total = 0n;
  while (part.lastIndex < unsigned.length) {
    const match = part.exec(unsigned);
    const unit = NANOSECONDS[match?.[4] ?? ''];
    if (match === null || unit === undefined) return undefined;
    const fraction = match[2] ?? match[3] ?? '';
    total += BigInt(match[1] ?? 0) * unit + (BigInt(fraction || 0) * unit) / 10n ** BigInt(fraction.length);
  }
  if (unsigned === '' || total > (negative ? 2n ** 63n : 2n ** 63n - 1n)) return undefined;
  const seconds = Number(total) / 1e9;
  return negative && total > 0n ? -seconds : seconds;
}

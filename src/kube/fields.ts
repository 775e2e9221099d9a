/**
 * Reading fields of objects that nobody has checked yet. Each function returns the value in its proper type, or
 * undefined after reporting what is wrong; an absent field (undefined or null) is undefined without a report.
 */
import { type Cidr, type IpAddress, parseCidr, parseIp } from '../net/ip.js';
import { PROTOCOLS, type Protocol } from '../net/protocol.js';
import { type Diagnostic, type DiagnosticCode, diagnostic, type FieldPath, type Origin } from './diagnostics.js';
import { isDnsLabel } from './names.js';

/** The object being read, and where to report. */
export interface Subject {
  /** Gives its name, `Service shop/web`; asked only when there is something to report. */
  readonly name: () => string;
  readonly origin: Origin | undefined;
  readonly diagnostics: Diagnostic[];
}

/** A JSON mapping. */
export type Fields = Readonly<Record<string, unknown>>;

/** Reports a problem of one field. */
export function report(
  subject: Subject,
  code: DiagnosticCode,
  path: FieldPath,
  message: string,
  hint?: string,
): undefined {
  subject.diagnostics.push(
    diagnostic(code, message, {
      object: subject.name(),
      path,
      origin: subject.origin,
      hint,
    }),
  );
  return undefined;
}

/** A value as it is quoted in a message: short, on one line, printable ASCII only. */
export function show(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : describe(value);
  const ascii = text.replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return ascii.length > 80 ? `${ascii.slice(0, 77)}...` : ascii;
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  return String(value);
}

/** Whether a value is a JSON mapping. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A mapping that must be there: an item of a list. */
export function readItem(subject: Subject, value: unknown, path: FieldPath): Fields | undefined {
  return isFields(value) ? value : wrongType(subject, value, path, 'a mapping');
}

/** A text that must be there: an item of a list, or a field without which its mapping means nothing. */
export function readRequiredText(subject: Subject, value: unknown, path: FieldPath): string | undefined {
  return typeof value === 'string' ? value : wrongType(subject, value, path, 'a string');
}

/** A mapping. */
export function readFields(subject: Subject, value: unknown, path: FieldPath): Fields | undefined {
  if (value === undefined || value === null) return undefined;
  return isFields(value) ? value : wrongType(subject, value, path, 'a mapping');
}

/** A list. */
export function readList(subject: Subject, value: unknown, path: FieldPath): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  wrongType(subject, value, path, 'a list');
  return [];
}

/** A text. */
export function readText(subject: Subject, value: unknown, path: FieldPath): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : wrongType(subject, value, path, 'a string');
}

/** A boolean. */
export function readBoolean(subject: Subject, value: unknown, path: FieldPath): boolean | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'boolean' ? value : wrongType(subject, value, path, 'true or false');
}

/** One of a few texts; the empty text counts as absent, as with the API server's defaulting. */
export function readChoice<T extends string>(
  subject: Subject,
  value: unknown,
  path: FieldPath,
  choices: readonly T[],
): T | undefined {
  const text = readText(subject, value, path);
  if (text === undefined || text === '') return undefined;
  const choice = choices.find((each) => each === text);
  if (choice !== undefined) return choice;
  return report(subject, 'invalid-field', path, `${show(text)} is unknown.`, `Write one of ${choices.join(', ')}.`);
}

/** A whole number between two bounds, both included. */
export function readInteger(
  subject: Subject,
  value: unknown,
  path: FieldPath,
  bounds: { readonly min: number; readonly max: number },
): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= bounds.min && value <= bounds.max) return value;
  return report(
    subject,
    'invalid-field',
    path,
    `${show(value)} is no whole number from ${bounds.min} to ${bounds.max}.`,
  );
}

/** A port number from 1 to 65535; with `zero`, 0 counts as absent. */
export function readPort(
  subject: Subject,
  value: unknown,
  path: FieldPath,
  options: { readonly zero?: boolean } = {},
): number | undefined {
  if (value === undefined || value === null || (options.zero === true && value === 0)) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535) return value;
  const quoted = typeof value === 'string' && /^[0-9]+$/.test(value);
  return report(
    subject,
    'invalid-port',
    path,
    `${show(value)} is no port: it must be a whole number from 1 to 65535.`,
    quoted ? 'Remove the quotes.' : undefined,
  );
}

/** A map of texts (labels, annotations, a selector); a value of null is the empty text, as when the API server reads it. */
export function readTextMap(subject: Subject, value: unknown, path: FieldPath): Readonly<Record<string, string>> {
  const fields = readFields(subject, value, path);
  if (fields === undefined) return {};
  for (const [key, each] of Object.entries(fields)) {
    if (typeof each === 'string' || each === null) continue;
    wrongType(subject, each, [...path, key], 'a string', 'Put quotes around it.');
  }
  return fields as Readonly<Record<string, string>>;
}

/** A protocol, TCP when absent. */
export function readProtocol(subject: Subject, value: unknown, path: FieldPath): Protocol {
  return readChoice(subject, value, path, PROTOCOLS) ?? 'TCP';
}

/** The name of a port; empty when absent. */
export function readPortName(subject: Subject, value: unknown, path: FieldPath): string | undefined {
  const name = value === undefined || value === null ? '' : readText(subject, value, path);
  if (name === undefined || name === '' || isDnsLabel(name)) return name;
  const message = `${show(name)} is no valid port name: lower-case letters, digits and "-", at most 63 characters.`;
  return report(subject, 'invalid-name', path, message, 'Rename the port.');
}

/** Reports the hostname of an endpoint that is no DNS label. */
export function reportHostname(subject: Subject, value: unknown, path: FieldPath): undefined {
  if (typeof value !== 'string') return wrongType(subject, value, path, 'a string');
  const message = `${show(value)} is no DNS label: lower-case letters, digits and "-", at most 63 characters.`;
  return report(subject, 'invalid-name', path, message, 'Rename it or leave it out.');
}

/** An address; leniently, with a warning where Go's strict parser would refuse it. */
export function readIp(subject: Subject, text: string, path: FieldPath): IpAddress | undefined {
  const ip = parseIp(text);
  if (ip === undefined) return report(subject, 'invalid-address', path, `${show(text)} is no IP address.`);
  if (ip.text !== text && isLenientAddress(text, ip)) {
    report(
      subject,
      'lenient-address',
      path,
      `${show(text)} is read as ${ip.text}, as kube-proxy does.`,
      `Write ${ip.text}.`,
    );
  }
  return ip;
}

/** A network; leniently, with a warning where something is dropped. White space around it is trimmed. */
export function readCidr(subject: Subject, text: string, path: FieldPath): Cidr | undefined {
  const trimmed = text.trim();
  const cidr = parseCidr(trimmed);
  if (cidr === undefined) {
    const bare = parseIp(trimmed);
    const hint = bare === undefined ? undefined : `Write ${bare.text}/${bare.family === 'ipv4' ? 32 : 128}.`;
    return report(subject, 'invalid-address', path, `${show(text)} is no CIDR.`, hint);
  }
  const address = trimmed.slice(0, trimmed.indexOf('/'));
  const ip = parseIp(address);
  const sloppyLength = trimmed !== `${address}/${cidr.writtenPrefixLength}`;
  if (trimmed !== text || cidr.hadHostBits || sloppyLength || (ip !== undefined && isLenientAddress(address, ip))) {
    report(
      subject,
      'lenient-cidr',
      path,
      `${show(text)} is read as ${cidr.text}, as kube-proxy does.`,
      `Write ${cidr.text}.`,
    );
  }
  return cidr;
}

/** Leading zeros, or an IPv4 address in IPv6 clothes; merely another spelling of an IPv6 address is not lenient. */
function isLenientAddress(text: string, ip: IpAddress): boolean {
  if (ip.family === 'ipv4') return text !== ip.text;
  return /[0-9a-f]{5}|\.0[0-9]|:0[0-9]+\./i.test(text);
}

/** Reports a value of another type than expected. */
export function wrongType(
  subject: Subject,
  value: unknown,
  path: FieldPath,
  expected: string,
  hint?: string,
): undefined {
  return report(subject, 'invalid-field', path, `${show(value)} is not ${expected}.`, hint);
}

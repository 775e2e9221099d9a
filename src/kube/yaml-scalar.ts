/**
 * What a YAML scalar means to kubectl: sigs.k8s.io/yaml over go-yaml v2, then JSON. That is YAML 1.1 (`yes` is true,
 * 0777 is octal) with exceptions: no numbers of base 60, and timestamps stay text.
 */

/** What a scalar may mean; numbers beyond 2^53 lose precision. */
export type ScalarValue = string | number | boolean | null;

/** Why a scalar with a tag, or a number that JSON does not have, is refused. */
export class ScalarProblem extends Error {}

const WORDS: ReadonlyMap<string, ScalarValue> = new Map([
  ...spellings(true, ['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON']),
  ...spellings(false, ['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF']),
  ...spellings(null, ['', '~', 'null', 'Null', 'NULL']),
  ...spellings(Number.NaN, ['.nan', '.NaN', '.NAN']),
  ...spellings(Number.POSITIVE_INFINITY, ['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF']),
  ...spellings(Number.NEGATIVE_INFINITY, ['-.inf', '-.Inf', '-.INF']),
]);
const LONGEST_WORD = 5;

function spellings(value: ScalarValue, words: readonly string[]): [string, ScalarValue][] {
  return words.map((word) => [word, value]);
}

/** What the first character (by its code, below 128) lets a plain scalar be. */
const TEXT = 0;
const WORD = 1;
const NUMBER = 2;
const STARTS = new Uint8Array(128);
for (const char of 'yYnNtTfFoO~') STARTS[char.charCodeAt(0)] = WORD;
for (const char of '+-.0123456789') STARTS[char.charCodeAt(0)] = NUMBER;

/** The meaning of a scalar without quotes and without a tag. May be infinite or no number: see {@link scalarValue}. */
export function plainScalar(text: string): ScalarValue {
  if (text === '') return null;
  const start = STARTS[text.charCodeAt(0)] ?? TEXT;
  if (start === TEXT) return text;
  if (text.length <= LONGEST_WORD) {
    const word = WORDS.get(text);
    if (word !== undefined) return word;
  }
  return start === WORD ? text : (number(text) ?? text);
}

/** Longer digit strings are text here; go-yaml has no limit, but nothing in a manifest is a number that long. */
const LONGEST_NUMBER = 400;
const SHORT_DECIMAL = /^(?:0|[1-9][0-9]{0,14})$/;
const INTEGER = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
/** With a leading point underscores count only between digits. */
const POINT_FLOAT = /^\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+)?$/;
const MAX_SIGNED = 2n ** 63n - 1n;
const MAX_UNSIGNED = 2n ** 64n - 1n;

function number(text: string): number | undefined {
  if (SHORT_DECIMAL.test(text)) return Number(text);
  if (text.length > LONGEST_NUMBER) return undefined;
  const digits = text.includes('_') ? text.replaceAll('_', '') : text;
  if (text.charCodeAt(0) === 0x2e) return POINT_FLOAT.test(text) ? finite(digits) : undefined;
  const whole = integer(digits);
  if (whole !== undefined) return Number(whole);
  return FLOAT.test(digits) ? finite(digits) : undefined;
}

/** A whole number that 64 bits hold; with a sign, 63. */
function integer(text: string): bigint | undefined {
  const match = INTEGER.exec(text);
  const digits = match?.[2];
  if (match === null || digits === undefined) return undefined;
  const octal = /^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits;
  const size = BigInt(octal.toLowerCase());
  if (match[1] === '-') return size > MAX_SIGNED + 1n ? undefined : -size;
  return size > (match[1] === '+' ? MAX_SIGNED : MAX_UNSIGNED) ? undefined : size;
}

/** A decimal number; one too large for a double stays text. */
function finite(text: string): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** A value that JSON has; throws a {@link ScalarProblem} for infinities and NaN. */
export function scalarValue(value: ScalarValue): ScalarValue {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new ScalarProblem('JSON has no infinities and no NaN');
  return value;
}

/**
 * The meaning of a scalar with a tag as it stands in the text (`!!int`, `!<tag:yaml.org,2002:int>`, `!local`); quoting
 * makes no difference then. Throws a {@link ScalarProblem} where the text does not fit the tag.
 */
export function taggedScalar(tag: string, text: string): ScalarValue {
  const name = coreName(tag);
  if (name === 'binary') return binary(text);
  if (name === 'str' || name === undefined || !RESOLVED.has(name)) return text;
  const value = plainScalar(text);
  if (name === 'timestamp' ? TIMESTAMP.test(text) : KINDS[name]?.(value) === true) return value;
  throw new ScalarProblem(`${JSON.stringify(text.slice(0, 40))} does not fit the tag ${tag}`);
}

const CORE_PREFIX = '!<tag:yaml.org,2002:';

function coreName(tag: string): string | undefined {
  if (tag.startsWith('!!')) return tag.slice(2);
  return tag.startsWith(CORE_PREFIX) && tag.endsWith('>') ? tag.slice(CORE_PREFIX.length, -1) : undefined;
}

const KINDS: Readonly<Record<string, (value: ScalarValue) => boolean>> = {
  bool: (value) => typeof value === 'boolean',
  int: (value) => typeof value === 'number' && Number.isInteger(value),
  float: (value) => typeof value === 'number',
  null: (value) => value === null,
};
const RESOLVED: ReadonlySet<string> = new Set([...Object.keys(KINDS), 'timestamp']);

const DATE = '[0-9]{4}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12][0-9]|3[01])';
const TIME = '(?:[01]?[0-9]|2[0-3]):[0-5]?[0-9]:[0-5]?[0-9](?:\\.[0-9]+)?';
const TIMESTAMP = new RegExp(`^${DATE}(?:[Tt]${TIME}(?:Z|[-+][0-9]{2}:[0-9]{2})| ${TIME})?$`);

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The bytes of base64 text read as UTF-8, since JSON has no bytes. */
function binary(text: string): string {
  const packed = text.replace(/[\r\n]/g, '');
  if (!BASE64.test(packed)) throw new ScalarProblem('the value of !!binary is no base64');
  const bytes = Uint8Array.from(atob(packed), (char) => char.charCodeAt(0));
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

/** The key of a JSON object that a scalar without quotes and tag becomes; undefined for null, which cannot be one. */
export function plainKey(text: string): string | undefined {
  const value = plainScalar(text);
  if (typeof value !== 'number') return value === null ? undefined : String(value);
  return (integer(text.replaceAll('_', '')) ?? singleText(value)).toString();
}

/** A value (of an alias or a scalar with a tag) as the key of a JSON object; undefined for null. */
export function keyOfValue(value: ScalarValue): string | undefined {
  if (typeof value === 'number' && !Number.isInteger(value)) return singleText(value);
  return value === null ? undefined : String(value);
}

/** A float as sigs.k8s.io/yaml writes it in a key: as Go's `%g` with the fewest digits that tell 32-bit floats apart. */
function singleText(value: number): string {
  if (Number.isNaN(value)) return '.nan';
  const single = Math.fround(value);
  if (!Number.isFinite(single)) return single > 0 ? '.inf' : '-.inf';
  let digits = 1;
  while (digits < 9 && Math.fround(Number(single.toPrecision(digits))) !== single) digits++;
  const [mantissa = '', power = ''] = single.toExponential(digits - 1).split('e');
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return Object.is(single, -0) ? '-0' : String(Number(single.toPrecision(digits)));
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

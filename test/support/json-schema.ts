/** Checks JSON by the schemas of docs/schema: the part of JSON Schema that they use, and an error for any other. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

type Schema = Readonly<Record<string, unknown>>;

const ANNOTATIONS = new Set(['$schema', '$defs', 'title', 'description']);

/**
 * What is wrong with a value, a line each: `/zones/0/name: …`; nothing when it is as the schema says.
 * @param file a file of docs/schema
 */
export function schemaProblems(value: unknown, file: string): readonly string[] {
  const root = load(file);
  return check(value, root, root, '');
}

function load(file: string): Schema {
  return JSON.parse(readFileSync(join('docs', 'schema', file), 'utf8')) as Schema;
}

function check(value: unknown, schema: Schema, root: Schema, path: string): readonly string[] {
  return Object.entries(schema).flatMap(([keyword, rule]): readonly string[] => {
    if (ANNOTATIONS.has(keyword)) return [];
    const wrong = (what: string): readonly string[] => [`${path || '/'}: ${JSON.stringify(value)} ${what}`];
    switch (keyword) {
      case '$ref': {
        const [file = '', pointer = ''] = String(rule).split('#');
        const base = file === '' ? root : load(file);
        return check(value, resolve(base, pointer), base, path);
      }
      case 'anyOf': {
        const problems = (rule as Schema[]).map((each) => check(value, each, root, path));
        // Of one that fits none, what is wrong with it as the alternative that it is most like.
        return problems.reduce((least, each) => (each.length < least.length ? each : least));
      }
      case 'type':
        return [rule].flat().includes(typeOf(value)) || (rule === 'number' && typeOf(value) === 'integer')
          ? []
          : wrong(`is no ${rule}`);
      case 'enum':
        return (rule as unknown[]).includes(value) ? [] : wrong(`is none of ${rule}`);
      case 'pattern':
        return typeof value !== 'string' || new RegExp(String(rule), 'u').test(value) ? [] : wrong(`is not ${rule}`);
      case 'minimum':
        return typeof value !== 'number' || value >= Number(rule) ? [] : wrong(`is below ${rule}`);
      case 'items':
        return Array.isArray(value)
          ? value.flatMap((each, i) => check(each, rule as Schema, root, `${path}/${i}`))
          : [];
      case 'required':
        return isMapping(value)
          ? (rule as string[]).flatMap((name) => (name in value ? [] : wrong(`has no ${name}`)))
          : [];
      case 'properties':
        return isMapping(value)
          ? Object.entries(rule as Record<string, Schema>).flatMap(([name, each]) =>
              name in value ? check(value[name], each, root, `${path}/${name}`) : [],
            )
          : [];
      case 'additionalProperties': {
        if (rule !== false) throw new Error('additionalProperties is false, or not there');
        const known = Object.keys((schema.properties as Schema | undefined) ?? {});
        return isMapping(value)
          ? Object.keys(value).flatMap((name) => (known.includes(name) ? [] : wrong(`has an unknown ${name}`)))
          : [];
      }
      default:
        throw new Error(`the schema has ${keyword}, which this check does not know`);
    }
  });
}

function resolve(base: Schema, pointer: string): Schema {
  const steps = pointer.split('/').slice(1);
  return steps.reduce((schema: Schema, step) => {
    const next = schema[step];
    if (!isMapping(next)) throw new Error(`the schema has no ${pointer}`);
    return next;
  }, base);
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value === 'number' && Number.isInteger(value) ? 'integer' : typeof value;
}

function isMapping(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export type JsonSchema = boolean | { readonly [key: string]: unknown };
type SchemaObject = Exclude<JsonSchema, boolean>;

/** A schema asks for what cannot be turned into a regular expression. */
export class JsonSchemaError extends Error {
  override readonly name = 'JsonSchemaError';
  constructor(readonly path: string, problem: string) { super(`JSON schema, at ${path === '' ? 'its root' : path}: ${problem}`); }
}

/** What tells people something and constrains nothing. */
const annotations = new Set(['$schema', '$id', '$comment', '$defs', 'definitions', 'title', 'description', 'default', 'examples', 'deprecated', 'readOnly', 'writeOnly']);
const keysOfType: Readonly<Record<string, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'], array: ['items', 'minItems', 'maxItems'], string: ['minLength', 'maxLength', 'format'], integer: [], number: [], boolean: [], null: [],
};
/** A character of a JSON string, as itself or as a short escape. */
const character = String.raw`(?:[^"\\\u0000-\u001f]|\\["\\/bfnrt])`;
const integer = String.raw`-?(?:0|[1-9]\d{0,14})`;
const date = String.raw`\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])`, time = String.raw`(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ`;
/** Days run to 28, so that each is one of its month. */
const formats: Readonly<Record<string, string>> = { date, time, 'date-time': `${date}T${time}`, uuid: '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}' };

/**
 * The source of a regular expression whose texts are JSON that the schema describes, as `JSON.stringify` writes it: without
 * spaces, properties in the schema's order, none beside those it names. The schema may hold `type` (one or several) with
 * `properties`, `required`, `additionalProperties`; `items`, `minItems`, `maxItems`; `minLength`, `maxLength`, `format` (date,
 * time, date-time, uuid); `enum`, `const`, `anyOf`, and `$ref` into itself that does not come back to itself.
 * @throws {JsonSchemaError} on all else, by its name and place.
 */
export function jsonSchemaPattern(schema: JsonSchema): string {
  const patternOf = (one: unknown, path: string, refs: readonly string[]): string => bounded(wholePatternOf(one, path, refs), path);
  const wholePatternOf = (one: unknown, path: string, refs: readonly string[]): string => {
    if (typeof one !== 'object' || one === null || Array.isArray(one)) throw new JsonSchemaError(path, `expected a schema object, got ${JSON.stringify(one)}`);
    const given = one as SchemaObject, keys = Object.keys(given).filter((key) => !annotations.has(key));
    const alone = (key: string): void => {
      const other = keys.find((one) => one !== key && !(one === 'type' && (key === 'enum' || key === 'const')));
      if (other !== undefined) throw new JsonSchemaError(path, `${key} beside ${other} is not supported`);
    };
    const inner = (child: unknown, ...steps: (string | number)[]): string => patternOf(child, `${path}/${steps.join('/')}`, refs);
    if ('$ref' in given) {
      alone('$ref');
      const ref = String(given.$ref);
      if (refs.includes(ref)) throw new JsonSchemaError(path, `${ref} holds itself, which no regular expression can say`);
      return patternOf(resolve(schema, ref, path), ref, [...refs, ref]);
    }
    for (const key of ['enum', 'const'] as const) {
      if (!(key in given)) continue;
      alone(key);
      const values = key === 'const' ? [given.const] : given.enum;
      if (!Array.isArray(values) || values.length === 0) throw new JsonSchemaError(path, 'enum must be an array of at least one value');
      const types = given.type === undefined ? undefined : [given.type].flat(), odd = values.find((value) => types && !types.some((type) => isOfType(value, String(type))));
      if (odd !== undefined) throw new JsonSchemaError(path, `${JSON.stringify(odd)} is not of type ${types!.join(' or ')}`);
      return either(values.map((value) => literal(JSON.stringify(value))));
    }
    if ('anyOf' in given) {
      alone('anyOf');
      if (!Array.isArray(given.anyOf) || given.anyOf.length === 0) throw new JsonSchemaError(path, 'anyOf must be an array of at least one schema');
      return either(given.anyOf.map((child, i) => inner(child, 'anyOf', i)));
    }
    const types = [given.type].flat() as unknown[];
    if (given.type === undefined) throw new JsonSchemaError(path, `say a type, enum, const, anyOf or $ref${keys.length > 0 ? `; ${keys[0]} alone is not supported` : ''}`);
    const wrong = types.find((type) => typeof type !== 'string' || !Object.hasOwn(keysOfType, type));
    if (wrong !== undefined) throw new JsonSchemaError(path, `type must be one of ${Object.keys(keysOfType).join(', ')}, got ${JSON.stringify(wrong)}`);
    const odd = keys.find((key) => key !== 'type' && !types.some((type) => keysOfType[String(type)]!.includes(key)));
    if (odd !== undefined) throw new JsonSchemaError(path, `${odd} is not supported${types.length === 1 ? ` for ${String(types[0])}` : ''}`);
    return either(types.map((type) => {
      switch (type) {
        case 'object': return objectPattern(given, path, inner);
        case 'array': {
          const most = count(given, 'maxItems', path), least = count(given, 'minItems', path) ?? 0;
          if (most === 0) return String.raw`\[\]`;
          if (given.items === undefined) throw new JsonSchemaError(path, 'an array needs items');
          const item = inner(given.items, 'items'), list = `${item}(?:,${item})${times(Math.max(least - 1, 0), most === undefined ? undefined : most - 1, path)}`;
          return least === 0 ? String.raw`\[(?:${list})?\]` : String.raw`\[${list}\]`;
        }
        case 'string': {
          const format = given.format;
          if (format === undefined) return `"${character}${times(count(given, 'minLength', path) ?? 0, count(given, 'maxLength', path), path)}"`;
          if ('minLength' in given || 'maxLength' in given) throw new JsonSchemaError(path, 'a length beside format is not supported');
          if (typeof format !== 'string' || !Object.hasOwn(formats, format)) throw new JsonSchemaError(path, `format must be one of ${Object.keys(formats).join(', ')}, got ${JSON.stringify(format)}`);
          return `"${formats[format]!}"`;
        }
        case 'integer': return integer;
        case 'number': return String.raw`${integer}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?`;
        case 'boolean': return '(?:true|false)';
        default: return 'null';
      }
    }));
  };
  return patternOf(schema, '', []);
}

function objectPattern(given: SchemaObject, path: string, inner: (child: unknown, ...steps: (string | number)[]) => string): string {
  const { properties = {}, required = [] } = given;
  if (typeof properties !== 'object' || properties === null || Array.isArray(properties)) throw new JsonSchemaError(path, 'properties must be an object');
  if (!Array.isArray(required)) throw new JsonSchemaError(path, 'required must be an array of names');
  const unnamed = required.find((name) => typeof name !== 'string' || !Object.hasOwn(properties, name)) as unknown;
  if (unnamed !== undefined) throw new JsonSchemaError(path, `${JSON.stringify(unnamed)} is required, and properties does not name it`);
  const members = Object.entries(properties).map(([name, child]) => ({ isRequired: required.includes(name), pattern: `${literal(JSON.stringify(name))}:${inner(child, 'properties', name)}` }));
  const following = (list: typeof members): string => list.map(({ isRequired, pattern }) => (isRequired ? `,${pattern}` : `(?:,${pattern})?`)).join('');
  const first = members.findIndex(({ isRequired }) => isRequired), beginnings = first < 0 ? members.length : first + 1;
  if (beginnings * members.reduce((sum, { pattern }) => sum + pattern.length, 0) > longest) throw new JsonSchemaError(path, tooMuch);
  // The first member that is there has no comma before it: one of those up to the first required, or any.
  const starts = members.slice(0, beginnings).map(({ pattern }, i) => `${pattern}${following(members.slice(i + 1))}`);
  return String.raw`\{${starts.length === 0 ? '' : `${either(starts)}${first < 0 ? '?' : ''}`}\}`;
}

function count(given: SchemaObject, key: string, path: string): number | undefined {
  const value = given[key];
  if (value !== undefined && !(Number.isSafeInteger(value) && (value as number) >= 0)) throw new JsonSchemaError(path, `${key} must be a whole number from 0, got ${JSON.stringify(value)}`);
  return value as number | undefined;
}

function times(least: number, most: number | undefined, path: string): string {
  if (most !== undefined && most < least) throw new JsonSchemaError(path, `the most (${most}) is less than the least (${least})`);
  return most === undefined ? `{${least},}` : `{${least},${most}}`;
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value);
  return type === (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
}

/** The part of the schema that `#/…` points at. */
function resolve(root: JsonSchema, ref: string, path: string): unknown {
  if (!ref.startsWith('#/')) throw new JsonSchemaError(path, `$ref must begin with "#/", got ${JSON.stringify(ref)}`);
  let at: unknown = root;
  for (const step of ref.slice(2).split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, step)) throw new JsonSchemaError(path, `there is nothing at ${ref}`);
    at = (at as Readonly<Record<string, unknown>>)[step];
  }
  return at;
}

/** Parts that stand in several places are written out in each. */
const longest = 100_000, tooMuch = `as a regular expression it would have more than ${longest} characters; ask for less at once`;
function bounded(pattern: string, path: string): string {
  if (pattern.length > longest) throw new JsonSchemaError(path, tooMuch);
  return pattern;
}

const either = (patterns: readonly string[]): string => (patterns.length === 1 ? patterns[0]! : `(?:${patterns.join('|')})`);
const literal = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);

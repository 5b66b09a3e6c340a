import type { z } from 'zod';
import { keysAt, type JsonSchema } from './json-schema.js';
import { suggestion } from './nearest.js';

type Issue = z.core.$ZodIssue;

/** What is wrong with a config, a line each: `training.step: unknown key. Did you mean "steps"? Allowed: …`. */
export function describeIssues(issues: readonly Issue[], config: unknown, schema: JsonSchema): string[] {
  return issues.flatMap((issue) => describe(issue, [], config, schema));
}

function describe(issue: Issue, prefix: readonly PropertyKey[], config: unknown, schema: JsonSchema): string[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const allowed = keysAt(schema, path, config);
    return issue.keys.map((key) => `${pathText([...path, key])}: unknown key.${suggestion(key, allowed)} Allowed: ${allowed.join(', ')}`);
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) return describeUnion(issue.errors, path, config, schema);
  return [`${pathText(path)}: ${expectation(issue)}, got ${shown(valueAt(config, path))}`];
}

/** The branch of a union that the value was most likely meant for speaks; where all refuse the value itself, all do. */
function describeUnion(errors: readonly (readonly Issue[])[], path: readonly PropertyKey[], config: unknown, schema: JsonSchema): string[] {
  const refusesWhole = (branch: readonly Issue[]): boolean => branch.some((issue) => issue.path.length === 0 && issue.code !== 'unrecognized_keys');
  const inside = errors.filter((branch) => !refusesWhole(branch));
  if (inside.length > 0) {
    const wrongConstants = (branch: readonly Issue[]): number => branch.filter((issue) => issue.code === 'invalid_value' && issue.values.length === 1).length;
    const [best] = [...inside].sort((a, b) => wrongConstants(a) - wrongConstants(b) || a.length - b.length);
    return best!.flatMap((issue) => describe(issue, path, config, schema));
  }
  const value = valueAt(config, path);
  const expected = [...new Set(errors.flat().filter((issue) => issue.path.length === 0).map(expectation))];
  const words = errors.flat().flatMap((issue) => (issue.code === 'invalid_value' ? issue.values : [])).filter((one): one is string => typeof one === 'string');
  return [`${pathText(path)}: must be ${expected.map((text) => text.replace(/^must be /, '')).join(', or ')}, got ${shown(value)}.${typeof value === 'string' ? suggestion(value, words) : ''}`];
}

/** What would have been right. */
function expectation(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type': return issue.expected === 'int' ? 'must be a whole number' : `must be ${article(issue.expected)}`;
    case 'invalid_value': return `must be ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}`;
    case 'too_small': return issue.origin === 'string' || issue.origin === 'array' ? 'must not be empty' : `must be ${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`;
    case 'too_big': return `must be ${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`;
    default: return issue.message;
  }
}

const article = (noun: string): string => (noun === 'tuple' ? 'a list' : /^[aeio]/.test(noun) ? `an ${noun}` : `a ${noun}`);

const shown = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));

/** `training.learningRate.peak`, `training.betas[0]`; `config` for the whole. */
function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('').replace(/^\./, '');
  return text === '' ? 'config' : text;
}

/** The value at a path; undefined where there is none. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inside, key) => (typeof inside === 'object' && inside !== null ? (inside as Record<PropertyKey, unknown>)[key] : undefined), value);
}

import { closest } from 'fastest-levenshtein';
import { z } from 'zod';

/** A config that cannot be used; the message has a line for each thing that is wrong. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(readonly problems: readonly string[]) { super(problems.join('\n')); }
}

/** An object schema that refuses unknown keys and names the known key nearest to each. */
export const closedObject = <Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> =>
  z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? unknownKeys(issue.keys as string[], Object.keys(shape)) : undefined) });

function unknownKeys(keys: readonly string[], known: readonly string[]): string {
  const told = keys.map((key) => `unknown key ${JSON.stringify(key)}${known.length > 0 ? `; did you mean ${JSON.stringify(closest(key, known))}?` : ''}`).join('; ');
  return `${told} (known: ${known.join(', ') || 'none'})`;
}

/**
 * What is wrong with a config, as lines `path: problem`.
 * @param name What stands before every path, such as a file name; default none.
 */
export function describeProblems(error: z.ZodError, name = ''): string[] {
  return error.issues.flatMap((issue) => describeIssue(issue, [])).map(({ path, message }) => [name, path, message].filter((part) => part !== '').join(': '));
}

function describeIssue(issue: z.core.$ZodIssue, outer: readonly PropertyKey[]): { path: string; message: string }[] {
  const path = [...outer, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const branch = likeliestBranch(issue.errors);
    return branch.flatMap((inner) => describeIssue(inner, path));
  }
  return [{ path: path.join('.'), message: issue.message }];
}

/** Of the alternatives of a union, the one that got furthest into the value. */
function likeliestBranch(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] {
  const wrongKind = (branch: readonly z.core.$ZodIssue[]): boolean => branch.some((issue) => issue.path.length === 0 && (issue.code === 'invalid_type' || issue.code === 'invalid_value'));
  return branches.find((branch) => !wrongKind(branch)) ?? branches[0]!;
}

/** The value of a schema. @throws {ConfigError} */
export function parseConfig<Schema extends z.ZodType>(schema: Schema, value: unknown, name?: string): z.output<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) throw new ConfigError(describeProblems(result.error, name));
  return result.data;
}

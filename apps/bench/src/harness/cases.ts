/** The cases of a benchmark: all combinations of its parameters. */
import type { Benchmark, CaseParameters } from '@ashlar/conformance/benchmark';

type Value = string | number | boolean;

/** Values given in place of a benchmark's own, by parameter. */
export type Settings = ReadonlyMap<string, readonly string[]>;

/** `length=512,2048` as settings. @throws {Error} on a text without `=`, or a parameter said twice. */
export function parseSettings(texts: readonly string[]): Settings {
  const settings = new Map<string, string[]>();
  for (const text of texts) {
    const [, key, values] = /^([^=]+)=(.+)$/.exec(text) ?? [];
    if (key === undefined || values === undefined) throw new Error(`--set takes PARAMETER=VALUE[,VALUE…], got ${text}`);
    if (settings.has(key)) throw new Error(`--set ${key} is given twice: give its values once, with commas between`);
    settings.set(key, splitList(values));
  }
  return settings;
}

/** Splits at commas outside brackets, so that names such as `slidingWindow(128, 2)` stay whole. */
function splitList(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const character of text) {
    if (character === '(') depth++;
    if (character === ')') depth--;
    if (character === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += character;
  }
  return parts.map((part) => part.trim());
}

/**
 * The cases of a benchmark in order, the last parameter changing fastest. Settings of parameters that the benchmark
 * does not have are left to others.
 * @throws {Error} where a value is not allowed, or no case is left.
 */
export function casesOf(benchmark: Benchmark, settings: Settings): CaseParameters[] {
  let cases: Record<string, Value>[] = [{}];
  for (const [key, own] of Object.entries(benchmark.parameters)) {
    const texts = settings.get(key), values = texts ? texts.map((text) => valueOf(benchmark.name, key, text, own)) : own;
    cases = cases.flatMap((one) => values.map((value) => ({ ...one, [key]: value })));
  }
  const left = cases.filter((one) => benchmark.when?.(one) ?? true);
  if (left.length === 0) throw new Error(`${benchmark.name}: no case is left of ${cases.map(caseName).join('; ')}`);
  return left;
}

function valueOf(name: string, key: string, text: string, own: readonly Value[]): Value {
  const known = own.find((value) => String(value) === text);
  if (known !== undefined) return known;
  if (own.every((value) => typeof value === 'number')) {
    const value = Number(text);
    if (Number.isFinite(value) && text !== '') return value;
    throw new Error(`${name}: ${key} must be a number, got ${text}`);
  }
  throw new Error(`${name}: ${key} must be among ${own.join(', ')}; got ${text}`);
}

export const caseName = (parameters: CaseParameters): string =>
  Object.entries(parameters).map(([key, value]) => (typeof value === 'string' ? value : `${key} ${value}`)).join(', ') || 'one case';

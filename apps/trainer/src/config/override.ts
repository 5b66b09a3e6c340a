import { parse } from 'yaml';
import { exitCodes, Failure } from '../failure.js';

/** One `--set`: the path of a key and the text that it is set to. */
export interface Override {
  readonly path: readonly string[];
  readonly text: string;
}

/** Takes `training.steps=100` apart. Throws a Failure with exit code 2. */
export function parseOverride(text: string): Override {
  const at = text.indexOf('=');
  const path = text.slice(0, Math.max(at, 0)).split('.');
  if (at < 1 || path.some((key) => !/^[A-Za-z$][\w$]*$/.test(key))) {
    throw new Failure(exitCodes.usage, `--set ${text}: expected key=value with the key's full path, for example --set training.steps=100`);
  }
  return { path, text: text.slice(at + 1) };
}

/** What an override's text may stand for: a number, list, object, true, false or null as YAML writes them; the text itself. */
export function readings({ text }: Override): unknown[] {
  if (text.trim() === '') return [text];
  try {
    const value: unknown = parse(text);
    return typeof value === 'string' ? [text] : [value, text];
  } catch {
    return [text];
  }
}

/** A copy of `config` with the value at `path` replaced; objects on the way are made where there are none. */
export function withValue(config: Readonly<Record<string, unknown>>, path: readonly string[], value: unknown): Record<string, unknown> {
  const [key, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) return { ...config, [key]: value };
  const inside = Object.hasOwn(config, key) ? config[key] : undefined;
  const object = typeof inside === 'object' && inside !== null && !Array.isArray(inside) ? (inside as Record<string, unknown>) : {};
  return { ...config, [key]: withValue(object, rest, value) };
}

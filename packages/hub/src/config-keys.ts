/** A config does not describe a model that can be built, or a model that the other side has. */
export class HuggingFaceConfigError extends Error {
  override readonly name = 'HuggingFaceConfigError';
}

/**
 * An object of options of which every one must be asked for: what nobody asked for may change what a model computes, so
 * it is an error. Both sides of a translation are read this way, Hugging Face's config.json and our own configs.
 */
export class ConfigKeys {
  readonly #taken = new Set<string>();
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #inside: ConfigKeys[] = [];

  /**
   * @param source What stands before messages: a file, or what the object is.
   * @param path Where the object stands in the source, with a full stop at its end; empty for the whole.
   */
  constructor(object: unknown, readonly source: string, readonly path = '') {
    if (typeof object !== 'object' || object === null || Array.isArray(object)) throw new HuggingFaceConfigError(`${source}: ${path === '' ? '' : `${path.slice(0, -1)} `}must be an object, got ${shown(object)}`);
    this.#object = object as Readonly<Record<string, unknown>>;
  }

  /** The value of a key, whatever it is; undefined where it is absent. */
  take(key: string): unknown {
    this.#taken.add(key);
    return Object.hasOwn(this.#object, key) ? this.#object[key] : undefined;
  }

  /** As `take`, and null is absence. */
  optional(key: string): unknown { return this.take(key) ?? undefined; }

  text(key: string): string {
    const value = this.take(key);
    if (typeof value !== 'string') throw this.wrong(key, 'a string', value);
    return value;
  }

  flag(key: string, otherwise: boolean): boolean {
    const value = this.optional(key) ?? otherwise;
    if (typeof value !== 'boolean') throw this.wrong(key, 'true or false', value);
    return value;
  }

  /** A number from 0. */
  number(key: string, otherwise: number): number {
    const value = this.optional(key) ?? otherwise;
    if (typeof value !== 'number' || !(value >= 0 && value < Infinity)) throw this.wrong(key, 'a number from 0', value);
    return value;
  }

  /** A whole number from 1. */
  count(key: string, otherwise?: number): number {
    const value = this.optionalCount(key) ?? otherwise;
    if (value === undefined) throw this.wrong(key, 'a whole number from 1', undefined);
    return value;
  }

  optionalCount(key: string): number | undefined {
    const value = this.optional(key);
    if (value !== undefined && (!Number.isSafeInteger(value) || (value as number) < 1)) throw this.wrong(key, 'a whole number from 1', value);
    return value as number | undefined;
  }

  /** The value of a key, which must be one of these. */
  only<const Value>(key: string, values: readonly Value[], otherwise: unknown): Value {
    const taken = this.take(key), value = (taken === undefined ? otherwise : taken) as Value;
    if (!values.includes(value)) throw this.wrong(key, values.map((one) => JSON.stringify(one) ?? 'left out').join(' or '), value);
    return value;
  }

  /** What a name of the other side is on this one. */
  translated<Value>(key: string, names: Readonly<Record<string, Value>>, otherwise: string | undefined): Value {
    return names[this.only(key, Object.keys(names), otherwise)]!;
  }

  /** An object inside, such as `rope_scaling`. */
  inside(key: string): ConfigKeys {
    const keys = new ConfigKeys(this.take(key), this.source, `${this.path}${key}.`);
    this.#inside.push(keys);
    return keys;
  }

  /** Takes keys that say nothing about what the model computes. */
  ignore(keys: Iterable<string>): void { for (const key of keys) this.#taken.add(key); }

  /** @throws {HuggingFaceConfigError} on a key that nobody asked for, here or inside. `reader`: who did not know it. */
  refuseOthers(reader: string): void {
    for (const keys of this.#inside) keys.refuseOthers(reader);
    const unknown = Object.keys(this.#object).find((key) => !this.#taken.has(key) && this.#object[key] !== undefined);
    if (unknown !== undefined) {
      throw new HuggingFaceConfigError(`${this.source}: ${this.path}${unknown} is unknown for ${reader} and may change what the model computes: remove it if it does not`);
    }
  }

  wrong(key: string, allowed: string, got: unknown): HuggingFaceConfigError {
    return new HuggingFaceConfigError(`${this.source}: ${this.path}${key} must be ${allowed}, got ${shown(got)}`);
  }
}

/** @throws {HuggingFaceConfigError} where the division leaves a rest. */
export function divided(whole: number, parts: number, wholeName: string, partsName: string, source = 'config.json'): number {
  if (whole % parts !== 0) throw new HuggingFaceConfigError(`${source}: ${partsName} must divide ${wholeName} (${whole}), got ${parts}`);
  return whole / parts;
}

/** A value in a message, cut short. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? `a list of ${value.length}` : `an object of ${Object.keys(value).slice(0, 5).join(', ') || 'nothing'}`;
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

import { Variable, assign, bytesPerElement, hostArray, read, tensor, type Tensor, type TypedArray } from '@ashlar/tensor';
import { requireCount, type Cache, type CacheState, type LayerCache } from '@ashlar/nn';

export interface DecodingCacheOptions {
  /** The longest sequence that layers without a window can remember, in tokens. */
  readonly capacity: number;
  /** The longest sequence at all: that of the model, where it has one. */
  readonly maxLength?: number | undefined;
  /** In which dtype keys and values are kept; `f16` takes half the memory, on devices that have it. Default `f32`. */
  readonly dtype?: 'f32' | 'f16' | undefined;
}

/** What decoding remembers of every layer: full, rolling and recurrent states alike. Make one with `decodingCache`. */
class DecodingCache implements Cache {
  readonly contract = 'cache/1';
  readonly capacity: number;
  readonly maxLength: number | undefined;
  readonly dtype: 'f32' | 'f16' | undefined;
  #length = 0;
  readonly #states = new Map<string, { readonly variable: Variable; readonly state: CacheState }>();

  constructor({ capacity, maxLength, dtype }: DecodingCacheOptions) {
    requireCount('decodingCache', 'capacity', capacity);
    if (maxLength !== undefined) requireCount('decodingCache', 'maxLength', maxLength);
    this.capacity = capacity;
    this.maxLength = maxLength;
    this.dtype = dtype;
  }

  get length(): number { return this.#length; }

  get bytes(): number {
    let sum = 0;
    for (const { variable } of this.#states.values()) sum += variable.size * bytesPerElement(variable.dtype);
    return sum;
  }

  get room(): number {
    let most = this.maxLength ?? Infinity;
    for (const { state: { tokens, rolls } } of this.#states.values()) if (!rolls && tokens > 0) most = Math.min(most, tokens);
    return most - this.#length;
  }

  extend(count: number): Tensor {
    requireCount('extend', 'count', count);
    const start = this.#length, end = start + count;
    if (this.maxLength !== undefined && end > this.maxLength) throw new RangeError(`a sequence may have up to ${this.maxLength} tokens, and it would have ${end}`);
    for (const [name, { state: { tokens, rolls } }] of this.#states) {
      if (!rolls && tokens > 0 && end > tokens) throw new RangeError(`${name} holds ${tokens} tokens, and ${end} would stand in it; make the cache with a larger capacity, or use windowed attention`);
    }
    this.#length = end;
    return tensor(Int32Array.of(start), { shape: [] });
  }

  layer(name: string, start: Tensor): LayerCache {
    return { start, capacity: this.capacity, dtype: this.dtype, state: (state, asked) => this.#variable(`${name}.${state}`, asked), has: (state) => this.#states.has(`${name}.${state}`) };
  }

  trim(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#length) throw new RangeError(`trim: length must be a whole number from 0 to ${this.#length}, got ${length}`);
    if (length === this.#length) return;
    const recurrent = [...this.#states].filter(([, { state }]) => state.tokens === 0);
    for (const [name, { state: { tokens } }] of this.#states) {
      if (length > 0 && tokens === 0) throw new Error(`trim: ${name} sums up all tokens and cannot go back to ${length}; trim to 0, or compute the text again`);
      if (length > 0 && this.#length > tokens) throw new Error(`trim: ${name} has forgotten tokens that stand before ${length}; trim to 0, or compute the text again`);
    }
    for (const [, { variable }] of recurrent) variable.write(hostArray(variable.dtype, variable.size));
    this.#length = length;
  }

  remembers(length: number): boolean {
    if (length === 0 || length === this.#length) return true;
    return length < this.#length && [...this.#states.values()].every(({ state: { tokens } }) => tokens > 0 && this.#length <= tokens);
  }

  reorder(rows: Tensor): void { for (const { variable } of this.#states.values()) assign(variable, read(variable).gather(rows)); }

  async state(): Promise<ReadonlyMap<string, TypedArray>> {
    return new Map(await Promise.all([...this.#states].map(async ([name, { variable }]) => [name, await variable.read()] as const)));
  }

  /** Releases its memory. */
  release(): void { for (const { variable } of this.#states.values()) variable.release(); }

  #variable(name: string, asked: CacheState | undefined): Variable {
    const known = this.#states.get(name);
    if (!asked) {
      if (!known) throw new Error(`the cache has no ${name} yet`);
      return known.variable;
    }
    if (known) {
      if (known.variable.shape.join() !== asked.shape.join() || known.variable.dtype !== asked.dtype) throw new Error(`${name} is ${known.variable.dtype} [${known.variable.shape.join(', ')}] and was asked for as ${asked.dtype} [${asked.shape.join(', ')}]; a cache serves one model and one batch size`);
      return known.variable;
    }
    const variable = new Variable(asked.shape, asked.dtype, undefined, { name });
    this.#states.set(name, { variable, state: asked });
    return variable;
  }
}

/**
 * A cache for decoding: `const start = cache.extend(1)`, then a compiled step that is given `start` and the token. It
 * serves one model at one batch size. Layers whose mask reaches back W keys keep W of them; the others `capacity`.
 */
export const decodingCache = (options: DecodingCacheOptions): DecodingCache => new DecodingCache(options);
export type { DecodingCache };

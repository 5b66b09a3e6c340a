import { Variable, assign, jit, tensor, type Device, type Jitted, type Tensor } from '@ashlar/tensor';
import type { DecodingCache } from '@ashlar/attention';
import { requireCount } from '@ashlar/nn';

/** What reading a text asks of a model; every `Decoder` has it. */
export interface ReadableModel {
  /** V */
  readonly vocabulary: number;
  /** The longest sequence, where there is one. */
  readonly maxLength: number | undefined;
  /** Whether `cachedLogits` works. */
  readonly keepsCache: boolean;
  /** Tokens [B, T] (i32) give logits [B, T, V], each from the tokens up to its own alone. */
  logits(tokens: Tensor): Tensor;
  cache(options?: { readonly capacity?: number; readonly dtype?: 'f32' | 'f16' | undefined }): DecodingCache;
  /** The same for tokens that follow those in the cache. */
  cachedLogits(tokens: Tensor, cache: DecodingCache, start: Tensor): Tensor;
}

/** What reading and writing ask of a model that writes from a source; every `EncoderDecoder` has it. */
export interface ReadablePairModel {
  /** V, of the target. */
  readonly vocabulary: number;
  /** The longest target, where there is one. */
  readonly maxLength: number | undefined;
  readonly encoder: { readonly maxLength: number | undefined };
  /** Source tokens [B, S] (i32), of which some are padding (bool [B, S]), give states [B, S, C]. */
  encode(source: Tensor, input: { readonly padding: Tensor }): Tensor;
  cache(options?: { readonly capacity?: number; readonly dtype?: 'f32' | 'f16' | undefined }): DecodingCache;
  /** Logits of target tokens that follow those in the cache; `encoded` and its padding with the first of them. */
  cachedLogits(tokens: Tensor, cache: DecodingCache, start: Tensor, input?: { readonly encoded: Tensor; readonly sourcePadding: Tensor }): Tensor;
}

/** What comes of a step: the next token's logits, or the most likely token, found on the device. */
export type Wanted = 'logits' | 'token';

/** Reads B texts side by side, all of the same length, and tells what may follow. */
export interface Reader {
  /** Number of tokens that each text holds. */
  readonly length: number;
  /** How many more tokens it can read, by steps that give what is wanted; Infinity where nothing limits it. */
  room(wanted: Wanted): number;
  /** Reads tokens [B, T] in as few compiled sizes as it can: the logits [B, V] after the last, or the most likely tokens [B]. */
  read(tokens: Int32Array, wanted: 'logits'): Promise<Float32Array>;
  read(tokens: Int32Array, wanted: 'token'): Promise<Int32Array>;
  /** Reads tokens [B, T] at once: the logits [B, T, V] after each. */
  readEach(tokens: Int32Array): Promise<Float32Array>;
  /** Goes back to the first `length` tokens where it remembers them, else to none. The length it has then. */
  trim(length: number): number;
  /** Text b goes on from text rows[b] with the next tokens [B]: the logits [B, V] after them. */
  readReordered(tokens: Int32Array, rows: Int32Array): Promise<Float32Array>;
  /** Begins anew, as targets of these sources: B texts. @throws {Error} where the model has none. */
  begin(sources: readonly ArrayLike<number>[]): void;
  release(): void;
}

export interface ReaderOptions {
  readonly model: ReadableModel | ReadablePairModel;
  readonly device: Device;
  /** B; default 1. */
  readonly batch?: number | undefined;
  /** How many tokens layers without a window remember; default: the model's maxLength. */
  readonly context?: number | undefined;
  /** Of a model that writes from a source: the longest one; shorter ones are padded to it. Default: the encoder's maxLength. */
  readonly sourceContext?: number | undefined;
  /** Whether each token is computed once, by the model's cache; default: where the model keeps one. */
  readonly cache?: boolean | undefined;
  /** In which dtype the cache keeps keys and values; `f16` takes half the memory, on devices that have it. Default `f32`. */
  readonly cacheDtype?: 'f32' | 'f16' | undefined;
}

/** A source and its padding, each [B, S]. */
interface SourceTensors { readonly [name: string]: Tensor; readonly tokens: Tensor; readonly padding: Tensor }

interface CachedReaderOptions {
  readonly device: Device;
  readonly cache: DecodingCache;
  readonly batch: number;
  /** S, where texts have sources. */
  readonly sourceContext?: number | undefined;
  /** With `source` in the first step of a text that has one. */
  readonly logits: (tokens: Tensor, start: Tensor, source: SourceTensors | undefined) => Tensor;
}

/** How many tokens are read at once, the largest first; the rest goes one by one. Each size is compiled when it is first needed. */
const chunks = [512, 64, 8] as const;

/** Where steps leave their logits [B, T, V]: for each T the same memory at every run. */
class Outputs {
  readonly #variables = new Map<number, Variable>();

  write(logits: Tensor): void {
    const T = logits.shape[1]!;
    let variable = this.#variables.get(T);
    if (!variable) this.#variables.set(T, variable = new Variable(logits.shape, 'f32', undefined, { name: 'logits' }));
    assign(variable, logits.cast('f32'));
  }

  async read(T: number): Promise<Float32Array> { return await this.#variables.get(T)!.read() as Float32Array; }

  release(): void { for (const variable of this.#variables.values()) variable.release(); }
}

/** Reads each token once, by the model's cache. */
class CachedReader implements Reader {
  readonly #cache: DecodingCache;
  readonly #batch: number;
  readonly #outputs = new Outputs();
  readonly #sourceContext: number | undefined;
  /** Of the text that begins with the next step. */
  #source: SourceTensors | undefined;
  readonly #step: Jitted<[Tensor, Tensor, Wanted | 'nothing', Tensor | undefined, SourceTensors | undefined], Tensor | undefined>;

  constructor({ device, cache, batch, sourceContext, logits: logitsOf }: CachedReaderOptions) {
    this.#cache = cache;
    this.#batch = batch;
    this.#sourceContext = sourceContext;
    this.#step = jit((tokens: Tensor, start: Tensor, wanted: Wanted | 'nothing', rows: Tensor | undefined, source: SourceTensors | undefined) => {
      if (rows) cache.reorder(rows);
      const logits = logitsOf(tokens, start, source);
      if (wanted === 'token') return logits.at(-1, 1).argmax();
      if (wanted === 'logits') this.#outputs.write(logits);
      return undefined;
    }, { device, name: 'generate' });
  }

  get length(): number { return this.#cache.length; }

  #checkSource(): void {
    if (this.#sourceContext !== undefined && this.#cache.length === 0 && !this.#source) throw new Error('generate: the model writes from a source; give one (source)');
  }

  room(wanted: Wanted): number {
    this.#checkSource();
    // The states of the cache are known once a step is compiled.
    if (this.#step.compilations.length === 0) this.#step.prepare(tensor(new Int32Array(this.#batch), { shape: [this.#batch, 1] }), tensor(Int32Array.of(0), { shape: [] }), wanted, undefined, this.#source);
    return this.#cache.room;
  }

  #run(tokens: Int32Array, wanted: Wanted | 'nothing', rows?: Int32Array): Tensor | undefined {
    const T = tokens.length / this.#batch;
    this.#checkSource();
    const source = this.#source;
    this.#source = undefined;
    return this.#step(tensor(tokens, { shape: [this.#batch, T] }), this.#cache.extend(T), wanted, rows && tensor(rows), source);
  }

  begin(sources: readonly ArrayLike<number>[]): void {
    const B = this.#batch, S = this.#sourceContext;
    if (S === undefined) throw new Error('generate: the model writes from no source; leave it out');
    const tokens = new Int32Array(B * S), padding = new Uint32Array(B * S).fill(1);
    for (const [b, source] of sources.entries()) {
      if (source.length === 0 || source.length > S) throw new RangeError(`generate: a source must have 1 to ${S} tokens (sourceContext), got ${source.length}`);
      tokens.set(Array.from(source), b * S);
      padding.fill(0, b * S, b * S + source.length);
    }
    this.trim(0);
    this.#source = { tokens: tensor(tokens, { shape: [B, S] }), padding: tensor(padding, { shape: [B, S], dtype: 'bool' }) };
  }

  read(tokens: Int32Array, wanted: 'logits'): Promise<Float32Array>;
  read(tokens: Int32Array, wanted: 'token'): Promise<Int32Array>;
  async read(tokens: Int32Array, wanted: Wanted): Promise<Float32Array | Int32Array> {
    const T = tokens.length / this.#batch;
    let at = 0, result: Tensor | undefined;
    const columns = (count: number): Int32Array => {
      if (count === T) return tokens;
      const part = new Int32Array(this.#batch * count);
      for (let b = 0; b < this.#batch; b++) part.set(tokens.subarray(b * T + at, b * T + at + count), b * count);
      return part;
    };
    for (const size of chunks) for (; T - 1 - at >= size; at += size) {
      this.#run(columns(size), 'nothing');
      await this.#step.ready();
    }
    for (; at < T; at++) result = this.#run(columns(1), wanted);
    return wanted === 'token' ? await result!.data() as Int32Array : await this.#outputs.read(1);
  }

  async readEach(tokens: Int32Array): Promise<Float32Array> {
    this.#run(tokens, 'logits');
    return this.#outputs.read(tokens.length / this.#batch);
  }

  async readReordered(tokens: Int32Array, rows: Int32Array): Promise<Float32Array> {
    this.#run(tokens, 'logits', rows);
    return this.#outputs.read(1);
  }

  trim(length: number): number {
    this.#cache.trim(this.#cache.remembers(length) ? length : 0);
    return this.#cache.length;
  }

  release(): void {
    this.#step.release();
    this.#cache.release();
    this.#outputs.release();
  }
}

/** Computes all of the text for each token: for attention that keeps no cache, and to measure what a cache saves. */
class WindowReader implements Reader {
  #texts: number[][];
  readonly #context: number;
  readonly #outputs = new Outputs();
  readonly #step: Jitted<[Tensor, Tensor, Wanted], Tensor | undefined>;

  constructor(model: Pick<ReadableModel, 'logits'>, device: Device, context: number, batch: number) {
    this.#texts = Array.from({ length: batch }, () => []);
    this.#context = context;
    this.#step = jit((window: Tensor, places: Tensor, wanted: Wanted) => {
      const chosen = model.logits(window).permute(1, 0, 2).gather(places).permute(1, 0, 2);
      if (wanted === 'token') return chosen.at(-1, 1).argmax();
      this.#outputs.write(chosen);
      return undefined;
    }, { device, name: 'generate' });
  }

  get length(): number { return this.#texts[0]!.length; }
  room(): number { return this.#context - this.length; }

  /** What lies after the text is padding, which a causal model does not see from within it. */
  #run(tokens: Int32Array, results: number, wanted: Wanted): Tensor | undefined {
    const B = this.#texts.length, T = tokens.length / B, windows = new Int32Array(B * this.#context);
    if (T > this.room()) throw new RangeError(`a text may have up to ${this.#context} tokens, and it would have ${this.length + T}`);
    this.#texts.forEach((text, b) => {
      text.push(...tokens.subarray(b * T, (b + 1) * T));
      windows.set(text, b * this.#context);
    });
    const places = Int32Array.from({ length: results }, (_, i) => this.length - results + i);
    return this.#step(tensor(windows, { shape: [B, this.#context] }), tensor(places), wanted);
  }

  read(tokens: Int32Array, wanted: 'logits'): Promise<Float32Array>;
  read(tokens: Int32Array, wanted: 'token'): Promise<Int32Array>;
  async read(tokens: Int32Array, wanted: Wanted): Promise<Float32Array | Int32Array> {
    const result = this.#run(tokens, 1, wanted);
    return wanted === 'token' ? await result!.data() as Int32Array : await this.#outputs.read(1);
  }

  async readEach(tokens: Int32Array): Promise<Float32Array> {
    const T = tokens.length / this.#texts.length;
    this.#run(tokens, T, 'logits');
    return this.#outputs.read(T);
  }

  readReordered(tokens: Int32Array, rows: Int32Array): Promise<Float32Array> {
    this.#texts = Array.from(rows, (row) => [...this.#texts[row]!]);
    return this.read(tokens, 'logits');
  }

  begin(): void { throw new Error('generate: the model writes from no source; leave it out'); }

  trim(length: number): number {
    for (const text of this.#texts) text.length = Math.min(text.length, length);
    return this.length;
  }

  release(): void {
    this.#step.release();
    this.#outputs.release();
  }
}

/** @throws {RangeError} where neither `context` nor the model says how long a text may be. */
export function openReader({ model, device, batch = 1, context = model.maxLength, sourceContext, cache: wantsCache, cacheDtype: dtype }: ReaderOptions): Reader {
  if (context === undefined) throw new RangeError('generate: say how many tokens the text may have (context), as the model has no maxLength');
  requireCount('generate', 'context', context);
  requireCount('generate', 'batch', batch);
  if (model.maxLength !== undefined && context > model.maxLength) throw new RangeError(`generate: context must be at most the model's maxLength (${model.maxLength}), got ${context}`);
  if (dtype !== undefined && !device.dtypes.has(dtype)) throw new RangeError(`generate: cacheDtype ${dtype} is none of ${device.description}, which has ${[...device.dtypes].join(', ')}`);
  if ('encode' in model) {
    const longest = sourceContext ?? model.encoder.maxLength;
    if (longest === undefined) throw new RangeError('generate: say how many tokens a source may have (sourceContext), as the encoder has no maxLength');
    requireCount('generate', 'sourceContext', longest);
    if (wantsCache === false) throw new RangeError('generate: a model that writes from a source is read with its cache; leave out cache: false');
    const cache = model.cache({ capacity: context, dtype });
    return new CachedReader({ device, cache, batch, sourceContext: longest, logits: (tokens, start, source) => model.cachedLogits(tokens, cache, start, source && { encoded: model.encode(source.tokens, { padding: source.padding }), sourcePadding: source.padding }) });
  }
  if (sourceContext !== undefined) throw new RangeError('generate: sourceContext is of models that write from a source');
  if (dtype !== undefined && !(wantsCache ?? model.keepsCache)) throw new RangeError('generate: cacheDtype is of a cache, and there is none; leave it out');
  if (!(wantsCache ?? model.keepsCache)) return new WindowReader(model, device, context, batch);
  const cache = model.cache({ capacity: context, dtype });
  return new CachedReader({ device, cache, batch, logits: (tokens, start) => model.cachedLogits(tokens, cache, start) });
}

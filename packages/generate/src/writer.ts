import { hostRandom, randomKey } from '@ashlar/tensor';
import { requireCount } from '@ashlar/nn';
import { openReader, type Reader, type ReaderOptions } from './reader.js';
import { checkSampling, distribution, draw, isGreedy, type SamplingOptions } from './sampling.js';

/** What a text must be like, known token by token: see `constraint`. */
export interface Constraint {
  /** A text from its beginning. */
  begin(): ConstrainedText;
}
export interface ConstrainedText {
  /** Sets the logits of tokens that cannot stand next to −∞. */
  mask(logits: Float32Array): void;
  /** The token that came. */
  accept(token: number): void;
  /** Whether the text is whole and nothing can follow. */
  readonly finished: boolean;
}

export interface WritingOptions extends SamplingOptions {
  /** What a model that writes from a source writes from: tokens, of each row of a batch. */
  readonly source?: ArrayLike<number> | readonly ArrayLike<number>[] | undefined;
  /** How many tokens to write at most. */
  readonly maxTokens: number;
  /** The same seed writes the same on the same device. Row r of a batch draws as a text alone does with seed + r. Default 0. */
  readonly seed?: number | undefined;
  /** Tokens that end the text; they are not given out. */
  readonly endTokens?: readonly number[] | undefined;
  readonly constraint?: Constraint | undefined;
  /** What to do where the text would grow longer than the model's context; default `error`. `slide`: forget the older half, and read the newer anew. */
  readonly overflow?: 'error' | 'slide' | undefined;
  /** Stops writing: the iteration throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Why a text ended. */
export type Ending = 'maxTokens' | 'endToken' | 'constraint';

export type Written = { readonly row: number; readonly token: number } | { readonly row: number; readonly ending: Ending };

/** The text does not fit into the model's context. */
export class ContextError extends RangeError {
  override readonly name = 'ContextError';
  constructor(readonly tokens: number, readonly context: number) {
    super(`the text would have ${tokens} tokens, and the context holds ${context}; give a shorter prompt, write fewer tokens, or let it slide (overflow: 'slide')`);
  }
}

/** Writes with one model. It keeps what it has read: a prompt that begins as the text before is read from where they part. */
export class Writer {
  readonly #reader: Reader;
  readonly #batch: number;
  readonly #vocabulary: number;
  /** The tokens that the reader holds, row by row. */
  #held: readonly (readonly number[])[] = [];
  #busy = false;

  constructor(options: ReaderOptions) {
    this.#reader = openReader(options);
    this.#batch = options.batch ?? 1;
    this.#vocabulary = options.model.vocabulary;
  }

  /** How many tokens a text can have in the context; Infinity where nothing limits it. */
  get context(): number { return this.#reader.length + this.#reader.room('logits'); }

  /** Tokens that follow a prompt of at least one token, as they come; then why the text ended. @throws {RangeError | ContextError} */
  async *write(prompt: ArrayLike<number>, options: WritingOptions): AsyncGenerator<number, Ending> {
    for await (const written of this.writeBatch([prompt], options)) {
      if ('ending' in written) return written.ending;
      yield written.token;
    }
    throw new Error('a text has ended without a reason');
  }

  /**
   * The same for B prompts side by side, as many as the writer's `batch`; they may differ in length. All are read from their
   * first tokens on at the same places, and a shorter one goes on while a longer one is still read: each is written as it
   * would be alone.
   */
  async *writeBatch(prompts: readonly ArrayLike<number>[], options: WritingOptions): AsyncGenerator<Written, void> {
    this.#check(prompts, options);
    const { endTokens = [], constraint, seed = 0, maxTokens, overflow = 'error', signal, source } = options;
    const reader = this.#reader, B = this.#batch, V = this.#vocabulary, wanted = isGreedy(options) && !constraint ? 'token' : 'logits';
    const texts = prompts.map((prompt) => Array.from(prompt)), shortest = Math.min(...texts.map(({ length }) => length));
    const rows = texts.map((text, r) => ({ text, written: 0, ended: false, uniform: hostRandom(randomKey(seed + r)), constrained: constraint?.begin() }));
    if (source !== undefined) {
      if (overflow === 'slide') throw new RangeError("generate: a text with a source cannot slide; leave out overflow: 'slide'");
      reader.begin(sourcesOf(source, B));
      this.#held = [];
    }
    const context = reader.length + reader.room(wanted);
    let at = reader.trim(this.#shared(texts, shortest - 1)), from = 0, whole = true;
    /** Reads up to the column `end`. */
    const readTo = async (end: number): Promise<Float32Array | Int32Array> => {
      if (end - from > context) {
        if (overflow === 'error') throw new ContextError(end, context);
        from = end - Math.ceil(context / 2);
        at = from + reader.trim(0);
      }
      const count = end - at, tokens = new Int32Array(B * count);
      for (let r = 0; r < B; r++) for (let i = 0; i < count; i++) tokens[r * count + i] = texts[r]![at + i] ?? 0;
      whole = false;
      const result = await (wanted === 'token' ? reader.read(tokens, 'token') : reader.read(tokens, 'logits'));
      whole = true;
      at = end;
      return result;
    };

    this.#busy = true;
    try {
      const longest = Math.max(...texts.map(({ length }) => length));
      if (overflow === 'error' && longest > context) throw new ContextError(longest, context);
      for (let end = shortest, open = B; open > 0; end++) {
        signal?.throwIfAborted();
        const result = await readTo(end);
        for (const [r, row] of rows.entries()) {
          if (row.ended || row.text.length > end) continue;
          const { text, constrained } = row;
          let token = result[r]!;
          if (wanted === 'logits') {
            const logits = result.subarray(r * V, (r + 1) * V) as Float32Array;
            constrained?.mask(logits);
            token = draw(distribution(logits, options, text), row.uniform());
          }
          let ending: Ending | undefined;
          if (endTokens.includes(token)) ending = 'endToken';
          else {
            text.push(token);
            constrained?.accept(token);
            yield { row: r, token };
            ending = constrained?.finished ? 'constraint' : ++row.written === maxTokens ? 'maxTokens' : undefined;
          }
          if (ending === undefined) continue;
          row.ended = true;
          open--;
          yield { row: r, ending };
        }
      }
    } finally {
      this.#busy = false;
      this.#held = whole ? texts.map((text) => Array.from({ length: reader.length }, (_, i) => text[from + i] ?? 0)) : [];
    }
  }

  release(): void { this.#reader.release(); }

  /** How many of the first tokens, at most `most`, the reader holds already. */
  #shared(texts: readonly (readonly number[])[], most: number): number {
    let count = 0;
    while (count < most && this.#held.length > 0 && this.#held.every((held, r) => held.length > count && held[count] === texts[r]![count])) count++;
    return count;
  }

  #check(prompts: readonly ArrayLike<number>[], options: WritingOptions): void {
    if (this.#busy) throw new Error('generate: the writer is still writing; wait until it has ended, or make another');
    if (prompts.length !== this.#batch) throw new RangeError(`generate: the writer takes ${this.#batch} prompts at once (batch), got ${prompts.length}`);
    for (const prompt of prompts) {
      if (prompt.length === 0) throw new RangeError('generate: the prompt must hold at least one token');
      const bad = Array.prototype.find.call(prompt, (id: number) => !(Number.isInteger(id) && id >= 0 && id < this.#vocabulary)) as number | undefined;
      if (bad !== undefined) throw new RangeError(`generate: tokens of the model run from 0 to ${this.#vocabulary - 1}, got ${bad}: does the tokenizer belong to the model?`);
    }
    requireCount('generate', 'maxTokens', options.maxTokens);
    checkSampling(options);
  }
}

/** The source of each row. */
function sourcesOf(source: NonNullable<WritingOptions['source']>, batch: number): readonly ArrayLike<number>[] {
  const sources = typeof source[0] === 'number' || source.length === 0 ? [source as ArrayLike<number>] : source as readonly ArrayLike<number>[];
  if (sources.length !== batch) throw new RangeError(`generate: each of the ${batch} texts needs a source, got ${sources.length}`);
  return sources;
}

/** A writer that can be used again and again; release it when it is done. @throws {RangeError} */
export const writer = (options: ReaderOptions): Writer => new Writer(options);

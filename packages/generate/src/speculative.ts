import { hostRandom, randomKey, type Device } from '@ashlar/tensor';
import { requireCount } from '@ashlar/nn';
import { openReader, type ReadableModel, type Reader } from './reader.js';
import { checkSampling, distribution, draw, type SamplingOptions } from './sampling.js';
import { ContextError, type Ending } from './writer.js';

export interface SpeculatorOptions {
  /** Its distribution is that of the text. */
  readonly model: ReadableModel;
  /** A smaller model of the same vocabulary, which guesses. */
  readonly draft: ReadableModel;
  readonly device: Device;
  /** How many tokens the draft guesses before the model reads them all at once; default 4. */
  readonly guesses?: number | undefined;
  /** The longest text; default: what both models take. */
  readonly context?: number | undefined;
}

export interface SpeculativeWriting extends SamplingOptions {
  readonly maxTokens: number;
  /** Default 0. */
  readonly seed?: number | undefined;
  /** Tokens that end the text; they are not given out. */
  readonly endTokens?: readonly number[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told after each reading of the model: how many of how many guesses were right. */
  readonly onReading?: ((right: number, guessed: number) => void) | undefined;
}

/** Writes with one model by the guesses of another: see `speculator`. */
class Speculator {
  readonly #target: Reader;
  readonly #guesser: Reader;
  readonly #vocabulary: number;
  readonly #guesses: number;
  readonly #context: number;
  #busy = false;

  constructor({ model, draft, device, guesses = 4, context = Math.min(model.maxLength ?? Infinity, draft.maxLength ?? Infinity) }: SpeculatorOptions) {
    if (model.vocabulary !== draft.vocabulary) throw new RangeError(`speculator: the draft's vocabulary must be the model's (${model.vocabulary}), got ${draft.vocabulary}`);
    requireCount('speculator', 'guesses', guesses);
    this.#target = openReader({ model, device, context });
    this.#guesser = openReader({ model: draft, device, context });
    this.#vocabulary = model.vocabulary;
    this.#guesses = guesses;
    this.#context = context;
  }

  /** Tokens that follow a prompt of at least one token, as they come; then why the text ended. @throws {RangeError | ContextError} */
  async *write(prompt: ArrayLike<number>, { maxTokens, seed = 0, endTokens = [], signal, onReading, ...sampling }: SpeculativeWriting): AsyncGenerator<number, Ending> {
    if (this.#busy) throw new Error('speculator: it is still writing; wait until it has ended, or make another');
    if (prompt.length === 0) throw new RangeError('speculator: the prompt must hold at least one token');
    requireCount('speculator', 'maxTokens', maxTokens);
    checkSampling(sampling);
    const target = this.#target, guesser = this.#guesser, context = this.#context, V = this.#vocabulary;
    const text = Array.from(prompt), limit = text.length + maxTokens, uniform = hostRandom(randomKey(seed));
    this.#busy = true;
    try {
      for (const reader of [target, guesser]) reader.trim(0);
      if (text.length > context) throw new ContextError(text.length, context);
      // The model has read all but the last token.
      if (text.length > 1) await target.read(Int32Array.from(text.slice(0, -1)), 'logits');
      for (;;) {
        signal?.throwIfAborted();
        const before = text.length;
        if (before > context) throw new ContextError(before, context);
        // Near the end of the context there are none: two sizes are compiled, not one for each rest.
        const count = context - before >= this.#guesses ? this.#guesses : 0, guessed = [...text], q: Float64Array[] = [];
        for (let i = 0; i < count; i++) {
          q.push(distribution(await guesser.read(Int32Array.from(guessed.slice(guesser.length)), 'logits'), sampling, guessed));
          guessed.push(draw(q[i]!, uniform()));
        }
        const logits = await target.readEach(Int32Array.from(guessed.slice(before - 1)));
        let right = 0;
        for (;;) {
          const p = distribution(logits.subarray(right * V, (right + 1) * V), sampling, text), guess = guessed[before + right], of = q[right];
          const stays = of !== undefined && uniform() < p[guess!]! / of[guess!]!;
          const token = stays ? guess! : draw(of ? p.map((value, id) => Math.max(0, value - of[id]!)) : p, uniform());
          if (endTokens.includes(token)) return 'endToken';
          text.push(token);
          yield token;
          if (text.length === limit) return 'maxTokens';
          if (!stays) break;
          right++;
        }
        if (count > 0) onReading?.(right, count);
        back(target, before + right);
        if (guesser.length > before + right) back(guesser, before + right);
      }
    } finally {
      this.#busy = false;
    }
  }

  release(): void {
    this.#target.release();
    this.#guesser.release();
  }
}

export type { Speculator };

/**
 * Writes with the distribution of `model`, which reads several tokens at once that `draft` has guessed. A guess x, drawn from
 * the draft's q, stays with probability min(1, p(x) / q(x)); the first that does not is drawn anew from max(0, p − q), and
 * where all stay the model adds one of its own. With temperature 0 the text is the model's own, token by token. Leviathan et
 * al. 2023, arXiv 2211.17192; Chen et al. 2023, arXiv 2302.01318.
 *
 * Both models must be able to go back by a few tokens: attention that keeps all keys can; writing throws where one cannot.
 * @throws {RangeError} where vocabularies differ or options are out of range.
 */
export const speculator = (options: SpeculatorOptions): Speculator => new Speculator(options);

function back(reader: Reader, length: number): void {
  if (reader.trim(length) !== length) throw new Error('speculator: a model of windows or recurrent states cannot go back by a few tokens; take one whose attention keeps all keys');
}

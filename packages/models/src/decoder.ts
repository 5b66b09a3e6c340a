import { arange, type Tensor } from '@ashlar/tensor';
import { decodingCache, type DecodingCache } from '@ashlar/attention';
import { crossEntropy, requireCount, type AttentionVariant, type Cache, type Embedding, type Linear, type Parameter, type Stack } from '@ashlar/nn';
import { CombinationError } from './combinations.js';
import type { LayerCaches, LayerInput } from './layer.js';
import { LayerStack, type StackOptions } from './layer-stack.js';
import { parameterCountsOf, type ParameterCounts } from './parameter-counts.js';
import type { SequenceInput } from './sequence-input.js';
import { VocabularyHead, paddedVocabulary, type VocabularyHeadOptions } from './vocabulary-head.js';

export interface DecoderOptions extends StackOptions, VocabularyHeadOptions {
  /** V */
  readonly vocabulary: number;
  /** The token table has a multiple of so many rows; logits are of the V tokens alone. Default 1. */
  readonly vocabularyMultiple?: number | undefined;
  /** How each layer attends to another sequence (`context`), such as an encoder's states. Default: it does not. */
  readonly crossAttention?: AttentionVariant | undefined;
  /** Width of that sequence; default C. */
  readonly contextWidth?: number | undefined;
  /** Of the first weights; default 0. `none`: they are 0, to be written by `load`, and take no memory before. */
  readonly seed?: number | 'none' | undefined;
}

/** What a decoder may be given beside its tokens [B, T]. */
export interface DecoderInput extends SequenceInput {
  /** What a model with cross attention attends to, [B, S, C′]; with a cache, in the first call alone. */
  readonly context?: Tensor | undefined;
  /** Which of its tokens are padding, bool [B, S]; a cache keeps it too. */
  readonly contextPadding?: Tensor | undefined;
}

/** A language model: tokens in, the next token's logits out, each from what stands before it. Make one with `decoder` or `build`. */
export class Decoder extends LayerStack {
  /** From C to the width of a factorised token table, where the head is tied to it. */
  readonly headProjection: Linear | undefined;
  readonly head: Linear | undefined;
  /** [V] */
  readonly headBias: Parameter | undefined;
  /** V */
  readonly vocabulary: number;
  readonly #head: VocabularyHead;
  readonly #crosses: boolean;
  /** The attention that keeps no cache, if there is such a one. */
  readonly #uncached: string | undefined;

  /** @param place In an encoder-decoder: the stack's kind, and the token table that it shares. */
  constructor(options: DecoderOptions, { kind = { kind: 'decoderOnly', depth: options.depth }, tokens }: { readonly kind?: Stack; readonly tokens?: Embedding | undefined } = {}) {
    const { vocabulary, width, crossAttention, contextWidth } = options;
    super(options, { owner: 'decoder', kind, rows: paddedVocabulary('decoder', vocabulary, options.vocabularyMultiple), tokens, crossAttention, contextWidth });
    this.#head = new VocabularyHead(options, { owner: 'decoder', vocabulary, width, tokens: this.tokens, initializers: this.initializers });
    this.headProjection = this.#head.projection;
    this.head = this.#head.output;
    this.headBias = this.#head.bias;
    this.vocabulary = vocabulary;
    this.#crosses = crossAttention !== undefined;
    this.#uncached = [options.attention, crossAttention].find((attention) => attention && !attention.capabilities.cache)?.name;
    this.initialize(options.seed ?? 0);
  }

  /** Whether `cachedLogits` works: the attention keeps a cache. */
  get keepsCache(): boolean { return this.#uncached === undefined; }

  /**
   * Logits of the next token: tokens [B, T] (i32) give [B, T, V].
   * @throws {RangeError} where T is greater than maxLength. @throws {Error} where the attention does not take what is given.
   */
  logits(tokens: Tensor, input: DecoderInput = {}): Tensor { return this.#forward(tokens, input).logits; }

  /**
   * A cache for `cachedLogits`. @param options.capacity How many tokens layers without a window remember; default maxLength.
   * @param options.dtype In which keys and values are kept; default f32.
   * @throws {RangeError} where neither is given, or it is greater than maxLength.
   */
  cache({ capacity = this.maxLength, dtype }: { readonly capacity?: number | undefined; readonly dtype?: 'f32' | 'f16' | undefined } = {}): DecodingCache {
    if (capacity === undefined) throw new RangeError('decoder: a cache needs a capacity, in tokens, as the model has no maxLength');
    if (this.maxLength !== undefined && capacity > this.maxLength) throw new RangeError(`decoder: the capacity must be at most the model's maxLength (${this.maxLength}), got ${capacity}`);
    return decodingCache({ capacity, maxLength: this.maxLength, dtype });
  }

  /**
   * Logits of tokens [B, T] that follow those which the cache holds, from these alone: `start` is what `cache.extend(T)`
   * gave. Inside a function given to `jit`, which is then compiled once for each T:
   * `jit((tokens, start) => model.cachedLogits(tokens, cache, start))`.
   * @param input A `context` and its padding are given with the first call alone; `prefix` with the call whose tokens hold
   *   the whole prefix. `positions`: default those after `start`.
   * @throws {CombinationError} where the attention keeps no cache.
   */
  cachedLogits(tokens: Tensor, cache: Pick<Cache, 'layer' | 'maxLength'>, start: Tensor, input: DecoderInput = {}): Tensor {
    if (this.#uncached !== undefined) throw new CombinationError(`a cache does not go with ${this.#uncached} attention, which keeps none; use logits on the whole text, or attention such as grouped`);
    if (this.maxLength !== undefined && (cache.maxLength ?? Infinity) > this.maxLength) throw new RangeError(`decoder: the cache may grow to ${cache.maxLength ?? 'any number of'} tokens, and the model takes ${this.maxLength} (maxLength); make it by model.cache()`);
    return this.#forward(tokens, { positions: start.add(arange(tokens.shape[1]!)), ...input }, (layer) => ({
      attention: cache.layer(`layers.${layer}.attention`, start), crossAttention: cache.layer(`layers.${layer}.crossAttention`, start),
    })).logits;
  }

  /** Logits and, in training, the sum of what layers add to the loss. */
  #forward(tokens: Tensor, { context, contextPadding, ...input }: DecoderInput, cacheOf?: (layer: number) => LayerCaches): { readonly logits: Tensor; readonly auxiliary: Tensor | undefined } {
    if (context && !this.#crosses) throw new Error('decoder: the model attends to no other sequence; leave out context, or build it with crossAttention');
    const given: Pick<LayerInput, 'context' | 'contextPadding'> = { context, contextPadding };
    const { states, auxiliary } = this.run(tokens, input, given, cacheOf);
    return { logits: this.#head.forward(states), auxiliary };
  }

  /**
   * Mean cross-entropy in nats: tokens and targets [B, T] (i32; a negative target does not count), weights [B, T] (f32);
   * in training, with what parts such as a mixture of experts add. Result: a scalar. See `crossEntropy`.
   */
  loss(tokens: Tensor, targets: Tensor, weights?: Tensor, input: DecoderInput = {}): Tensor {
    const { logits, auxiliary } = this.#forward(tokens, input), loss = crossEntropy(logits, targets, weights);
    return auxiliary ? loss.add(auxiliary) : loss;
  }

  /**
   * Operations of the matrix products for a token of a sequence of `length`: `forward`, and `training` (forward and
   * backward: three times as many). Attention counts the keys that a causal mask leaves, and all of `context` tokens of
   * another sequence, whose own projections are not counted.
   */
  flopsPerToken(length: number, context = 0): { readonly forward: number; readonly training: number } {
    requireCount('flopsPerToken', 'length', length);
    const forward = this.stackFlops((length + 1) / 2, context) + this.#head.flops;
    return { forward, training: 3 * forward };
  }

  /** Parameters by part; a tied head is in `embedding`. The sum is `parameterCount`. */
  get parameterCounts(): ParameterCounts { return parameterCountsOf(this); }
}

/**
 * A decoder-only language model from its parts.
 * @throws {RangeError | CombinationError} where sizes or parts do not fit together.
 */
export const decoder = (options: DecoderOptions): Decoder => new Decoder(options);

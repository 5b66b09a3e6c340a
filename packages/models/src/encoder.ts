import type { Tensor } from '@ashlar/tensor';
import { crossEntropy, requireCount, type Stack } from '@ashlar/nn';
import { encoderHead, pooled, type EncoderHead, type EncoderHeadOptions, type Pooling } from './encoder-heads.js';
import { LayerStack, type StackOptions } from './layer-stack.js';
import { parameterCountsOf, type ParameterCounts } from './parameter-counts.js';
import type { SequenceInput } from './sequence-input.js';
import { paddedVocabulary } from './vocabulary-head.js';

export interface EncoderOptions extends StackOptions {
  /** V */
  readonly vocabulary: number;
  /** The token table has a multiple of so many rows. Default 1. */
  readonly vocabularyMultiple?: number | undefined;
  /** What the model says of its states; default: nothing, it gives `states` and `embed` alone. */
  readonly head?: EncoderHeadOptions | undefined;
  /** Of the first weights; default 0. `none`: they are 0, to be written by `load`, and take no memory before. */
  readonly seed?: number | 'none' | undefined;
}

export interface EmbedOptions {
  /** Default `mean`. */
  readonly pooling?: Pooling | undefined;
  /** Whether vectors have length 1. Default true. */
  readonly normalized?: boolean | undefined;
}

/** What an encoder may be given beside its tokens [B, T]. Tokens see each other both ways: there is no prefix. */
export type EncoderInput = Omit<SequenceInput, 'prefix'>;

/** A model whose tokens see each other both ways. Make one with `encoder` or `build`. */
export class Encoder extends LayerStack {
  readonly head: EncoderHead | undefined;
  /** V */
  readonly vocabulary: number;

  /** @param kind In an encoder-decoder: the stack's kind. */
  constructor(options: EncoderOptions, kind: Stack = { kind: 'encoderOnly', depth: options.depth }) {
    const { vocabulary, width, bias = false, norm } = options;
    super(options, { owner: 'encoder', kind, rows: paddedVocabulary('encoder', vocabulary, options.vocabularyMultiple) });
    this.head = options.head && encoderHead(options.head, {
      width, vocabulary, bias, tokens: this.tokens, initializers: this.initializers,
      norm: () => {
        if (!norm) throw new Error('encoder: head.transform.norm needs a norm, and the model has none; give it one, such as layerNorm, or leave out transform.norm');
        return norm.build({ width, bias });
      },
    });
    this.vocabulary = vocabulary;
    this.initialize(options.seed ?? 0);
  }

  /**
   * States of the last layer: tokens [B, T] (i32) give [B, T, C].
   * @throws {RangeError} where T is greater than maxLength. @throws {Error} where the attention does not take what is given.
   */
  states(tokens: Tensor, input: EncoderInput = {}): Tensor { return this.run(tokens, input).states; }

  /** What the head says: tokens [B, T] give [B, T, V] (`language`), [B, classes] or [B, T, classes]. @throws {Error} without a head. */
  logits(tokens: Tensor, input: EncoderInput = {}): Tensor { return this.#headOf('logits').forward(this.run(tokens, input).states, input.padding); }

  /** A vector a row: tokens [B, T] give [B, C], the mean of the states or the first one, of length 1. Reimers and Gurevych 2019, arXiv 1908.10084. */
  embed(tokens: Tensor, { pooling = 'mean', normalized = true, ...input }: EncoderInput & EmbedOptions = {}): Tensor {
    const vectors = pooled(this.run(tokens, input).states, pooling, input.padding);
    return normalized ? vectors.mul(vectors.square().sum(-1, { keepDims: true }).maximum(1e-24).rsqrt()) : vectors;
  }

  /**
   * Mean cross-entropy in nats: targets [B, T], of `classes` [B] (i32; a negative target does not count), weights of the
   * same shape (f32); in training, with what parts such as a mixture of experts add. Result: a scalar. See `crossEntropy`.
   * @throws {Error} without a head.
   */
  loss(tokens: Tensor, targets: Tensor, weights?: Tensor, input: EncoderInput = {}): Tensor {
    const head = this.#headOf('loss'), { states, auxiliary } = this.run(tokens, input), loss = crossEntropy(head.forward(states, input.padding), targets, weights);
    return auxiliary ? loss.add(auxiliary) : loss;
  }

  #headOf(what: string): EncoderHead {
    if (!this.head) throw new Error(`encoder: ${what} needs a head, and the model has none; use states or embed, or build it with a head such as { type: 'language' }`);
    return this.head;
  }

  /** Operations of the matrix products for a token of a sequence of `length`: `forward`, and `training`, three times as many. */
  flopsPerToken(length: number): { readonly forward: number; readonly training: number } {
    requireCount('flopsPerToken', 'length', length);
    const forward = this.stackFlops(length) + (this.head?.flops(length) ?? 0) / length;
    return { forward, training: 3 * forward };
  }

  /** Parameters by part; a tied head is in `embedding`. The sum is `parameterCount`. */
  get parameterCounts(): ParameterCounts { return parameterCountsOf(this); }
}

/**
 * An encoder-only model from its parts: masked language model, classifier, or embeddings. Devlin et al. 2018, arXiv
 * 1810.04805.
 * @throws {RangeError | CombinationError} where sizes or parts do not fit together.
 */
export const encoder = (options: EncoderOptions): Encoder => new Encoder(options);

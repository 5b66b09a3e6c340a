import type { Tensor } from '@ashlar/tensor';
import type { DecodingCache } from '@ashlar/attention';
import { Module, requireCount, type AttentionVariant, type Cache } from '@ashlar/nn';
import { CombinationError } from './combinations.js';
import { Decoder, type DecoderInput } from './decoder.js';
import { Encoder, type EncoderInput } from './encoder.js';
import type { StackOptions } from './layer-stack.js';
import { parameterCountsOf, type ParameterCounts } from './parameter-counts.js';
import type { VocabularyHeadOptions } from './vocabulary-head.js';

export interface EncoderDecoderOptions extends VocabularyHeadOptions {
  /** V, of the target. */
  readonly vocabulary: number;
  /** Of the source, where it has tokens of its own; default: those of the target, and one table for both. */
  readonly sourceVocabulary?: number | undefined;
  /** The token tables have a multiple of so many rows; logits are of the V tokens alone. Default 1. */
  readonly vocabularyMultiple?: number | undefined;
  /** Whether encoder and decoder have one token table. Default: where they have the same tokens. */
  readonly sharedEmbedding?: boolean | undefined;
  readonly encoder: StackOptions;
  /** `crossAttention`: how each layer attends to the encoder's states, such as `cross({ heads: 8 })`. */
  readonly decoder: StackOptions & { readonly crossAttention: AttentionVariant };
  /** Of the first weights; default 0. `none`: they are 0, to be written by `load`, and take no memory before. */
  readonly seed?: number | 'none' | undefined;
}

/** What may be said of a pair of sequences beside their tokens: of the source as `source`, of the target the rest. */
export interface PairInput extends Omit<DecoderInput, 'context' | 'contextPadding'> { readonly source?: EncoderInput | undefined }

/** What a decoding step is given of the source: its states, with the first call alone, and its padding. */
export interface CachedPairInput extends Omit<DecoderInput, 'context' | 'contextPadding'> {
  /** What `encode` gave, [B, S, C]. */
  readonly encoded?: Tensor | undefined;
  /** bool [B, S] */
  readonly sourcePadding?: Tensor | undefined;
}

/** Reads one sequence and writes another. Make one with `encoderDecoder` or `build`. */
export class EncoderDecoder extends Module {
  readonly encoder: Encoder;
  readonly decoder: Decoder;

  constructor({ encoder: source, decoder: target, vocabulary, sourceVocabulary, vocabularyMultiple, sharedEmbedding = sourceVocabulary === undefined, seed = 0, ...head }: EncoderDecoderOptions) {
    super();
    if (sharedEmbedding && sourceVocabulary !== undefined && sourceVocabulary !== vocabulary) throw new CombinationError(`sharedEmbedding does not go with a sourceVocabulary (${sourceVocabulary}) that is not the vocabulary (${vocabulary}); leave out one of them`);
    const widths = [source, target].map(({ width, embeddingWidth = width }) => embeddingWidth);
    if (sharedEmbedding && widths[0] !== widths[1]) throw new CombinationError(`sharedEmbedding does not go with token tables of different widths, ${widths.join(' and ')}; give both stacks one width, or sharedEmbedding: false`);
    if (!target.crossAttention) throw new CombinationError('encoderDecoder: the decoder needs a crossAttention, such as cross({ heads: 8 })');
    const shared = { vocabularyMultiple, seed: 'none' } as const;
    this.encoder = new Encoder({ ...source, ...shared, vocabulary: sourceVocabulary ?? vocabulary }, { kind: 'encoder', depth: source.depth, decoderDepth: target.depth });
    this.decoder = new Decoder({ ...target, ...head, ...shared, vocabulary, contextWidth: source.width }, {
      kind: { kind: 'decoder', depth: target.depth, encoderDepth: source.depth }, tokens: sharedEmbedding ? this.encoder.tokens : undefined,
    });
    this.initialize(seed);
  }

  /** V, of the target. */
  get vocabulary(): number { return this.decoder.vocabulary; }
  /** The longest target, where there is one; that of the source is `encoder.maxLength`. */
  get maxLength(): number | undefined { return this.decoder.maxLength; }

  /** States of the source: tokens [B, S] (i32) give [B, S, C]. */
  encode(source: Tensor, input: EncoderInput = {}): Tensor { return this.encoder.states(source, input); }

  /** Logits of the target's next token: source [B, S] and target [B, T] (i32) give [B, T, V]. */
  logits(source: Tensor, target: Tensor, { source: about = {}, ...input }: PairInput = {}): Tensor {
    return this.decoder.logits(target, { ...input, context: this.encode(source, about), contextPadding: about.padding });
  }

  /**
   * Mean cross-entropy in nats: source [B, S], the target's tokens and what follows each of them, [B, T] (i32; a negative
   * one does not count), weights [B, T] (f32); in training, with what parts such as a mixture of experts add. A scalar.
   */
  loss(source: Tensor, tokens: Tensor, targets: Tensor, weights?: Tensor, { source: about = {}, ...input }: PairInput = {}): Tensor {
    const { states, auxiliary } = this.encoder.run(source, about);
    const loss = this.decoder.loss(tokens, targets, weights, { ...input, context: states, contextPadding: about.padding });
    return auxiliary ? loss.add(auxiliary) : loss;
  }

  /** A cache for `cachedLogits`, of target tokens; see `Decoder.cache`. */
  cache(options: { readonly capacity?: number | undefined; readonly dtype?: 'f32' | 'f16' | undefined } = {}): DecodingCache { return this.decoder.cache(options); }

  /**
   * Logits of target tokens [B, T] that follow those which the cache holds. The first call is given the source's states
   * (`encoded`) and padding, whose keys and values the cache keeps; those after it are not:
   *
   * `const begin = jit((source, tokens, start) => model.cachedLogits(tokens, cache, start, { encoded: model.encode(source) }))`,
   * then `jit((tokens, start) => model.cachedLogits(tokens, cache, start))`.
   */
  cachedLogits(tokens: Tensor, cache: Pick<Cache, 'layer' | 'maxLength'>, start: Tensor, { encoded, sourcePadding, ...input }: CachedPairInput = {}): Tensor {
    return this.decoder.cachedLogits(tokens, cache, start, { ...input, context: encoded, contextPadding: sourcePadding });
  }

  /** Operations of the matrix products for a pair of sequences of these lengths: `forward`, and `training`, three times as many. */
  flops({ source, target }: { readonly source: number; readonly target: number }): { readonly forward: number; readonly training: number } {
    requireCount('flops', 'source', source);
    const projections = this.decoder.layers.reduce((sum, { crossAttention }) => sum + (crossAttention?.flopsPerContextToken?.() ?? 0), 0);
    const forward = source * (this.encoder.flopsPerToken(source).forward + projections) + target * this.decoder.flopsPerToken(target, source).forward;
    return { forward, training: 3 * forward };
  }

  /** Parameters by part, of both stacks; tied and shared tables are in `embedding`. The sum is `parameterCount`. */
  get parameterCounts(): ParameterCounts { return parameterCountsOf(this); }
}

/**
 * An encoder-decoder from its parts. Vaswani et al. 2017, arXiv 1706.03762; Raffel et al. 2019, arXiv 1910.10683.
 * @throws {RangeError | CombinationError} where sizes or parts do not fit together.
 */
export const encoderDecoder = (options: EncoderDecoderOptions): EncoderDecoder => new EncoderDecoder(options);

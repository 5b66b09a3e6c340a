import type { Tensor } from '@ashlar/tensor';
import {
  Embedding, Linear, Module, checkRate, crossEntropy, dropout, normalInitializer, recomputed, requireCount,
  type Attention, type AttentionVariant, type FeedForward, type FeedForwardVariant, type Norm, type NormVariant, type PositionalEncoding,
  type PositionalVariant, type Positions, type Residual, type ResidualVariant, type SiteInitializers,
} from '@ashlar/nn';
import { preNorm } from '@ashlar/norm';
import { checkCombination } from './combinations.js';

export interface Initialisation {
  /** Standard deviation of weights and tables; default 0.02. */
  readonly std?: number;
  /** Whether weights that end a sublayer begin with std / √(2 depth), as GPT-2. Default true. */
  readonly scaledResidual?: boolean;
}

/** Rates of dropout. One number stands for all three. */
export interface DropoutRates {
  /** On the sum of token and positional embeddings. */
  readonly embedding?: number;
  /** On attention weights; they are then stored, T × T a head, in training. */
  readonly attention?: number;
  /** On what a sublayer adds to the stream. */
  readonly residual?: number;
}

export interface DecoderOptions {
  /** V */
  readonly vocabulary: number;
  /** C */
  readonly width: number;
  /** L: pairs of attention and feed-forward. */
  readonly depth: number;
  /** The longest sequence; default: that of the positional encoding, if it has one. */
  readonly maxLength?: number;
  readonly attention: AttentionVariant;
  readonly positional: PositionalVariant;
  readonly norm: NormVariant;
  /** Default `preNorm()`. */
  readonly residual?: ResidualVariant;
  readonly feedForward: FeedForwardVariant;
  /** Whether linear layers and norms have a bias; parts may say otherwise. Default false. */
  readonly bias?: boolean;
  /** Whether the output head is the token embedding. Default true. */
  readonly tiedHead?: boolean;
  /** Default 0. */
  readonly dropout?: number | DropoutRates;
  readonly initialisation?: Initialisation;
  /** Of the first weights; default 0. `none`: they are 0, to be written by `load`. */
  readonly seed?: number | 'none';
}

class Block extends Module {
  readonly attentionResidual: Residual;
  readonly attention: Attention;
  readonly feedForwardResidual: Residual;
  readonly feedForward: FeedForward;

  constructor(parts: { attentionResidual: Residual; attention: Attention; feedForwardResidual: Residual; feedForward: FeedForward }) {
    super();
    this.attentionResidual = parts.attentionResidual;
    this.attention = parts.attention;
    this.feedForwardResidual = parts.feedForwardResidual;
    this.feedForward = parts.feedForward;
  }

  forward(x: Tensor, positions: Positions): Tensor {
    const attended = this.attentionResidual.forward(x, (inner) => this.attention.forward({ x: inner, positions }));
    return this.feedForwardResidual.forward(attended, (inner) => this.feedForward.forward(inner));
  }
}

/** A language model: tokens in, the next token's logits out, each from what stands before it. Make one with `decoder` or `build`. */
export class Decoder extends Module {
  readonly tokens: Embedding;
  readonly positional: PositionalEncoding;
  readonly layers: readonly Block[];
  readonly finalNorm: Norm | undefined;
  readonly head: Linear | undefined;
  readonly #vocabulary: number;
  readonly #maxLength: number | undefined;
  readonly #embeddingDropout: number;

  constructor(options: DecoderOptions) {
    super();
    const { vocabulary, width, depth, residual = preNorm(), bias = false, tiedHead = true } = options;
    requireCount('decoder', 'vocabulary', vocabulary);
    requireCount('decoder', 'width', width);
    requireCount('decoder', 'depth', depth);
    if (options.maxLength !== undefined) requireCount('decoder', 'maxLength', options.maxLength);
    checkCombination(options);
    const rates = dropoutRates(options.dropout ?? 0), initializers = initializersOf(options.initialisation ?? {}, depth);

    this.tokens = new Embedding({ rows: vocabulary, width, initializer: initializers.weight });
    this.positional = options.positional.build({ width, maxLength: options.maxLength, initializers });
    const norm = (): Norm => options.norm.build({ width, bias });
    const residualPart = (): Residual => residual.build({ width, depth, norm });
    this.layers = Array.from({ length: depth }, () => new Block({
      attentionResidual: residualPart(),
      attention: options.attention.build({ width, bias, dropout: { attention: rates.attention, residual: rates.residual }, positional: this.positional, initializers }),
      feedForwardResidual: residualPart(),
      feedForward: options.feedForward.build({ width, bias, dropout: rates.residual, initializers }),
    }));
    this.finalNorm = residual.finalNorm ? norm() : undefined;
    this.head = tiedHead ? undefined : new Linear({ inputs: width, outputs: vocabulary, bias: false, initializer: initializers.weight });
    this.#vocabulary = vocabulary;
    this.#maxLength = options.maxLength ?? this.positional.maxLength;
    this.#embeddingDropout = rates.embedding;
    if (options.seed === 'none') this.nameParameters();
    else this.initialize(options.seed ?? 0);
  }

  get vocabulary(): number { return this.#vocabulary; }

  /** The longest sequence, where there is one. */
  get maxLength(): number | undefined { return this.#maxLength; }

  /**
   * Logits of the next token: tokens [B, T] (i32) give [B, T, V]. `positions`: default 0, 1, ….
   * @throws {RangeError} where T is greater than maxLength.
   */
  logits(tokens: Tensor, positions: Positions = 0): Tensor {
    if (tokens.rank !== 2) throw new TypeError(`decoder: tokens must be [B, T], got [${tokens.shape.join(', ')}]`);
    const T = tokens.shape[1]!;
    if (this.#maxLength !== undefined && T > this.#maxLength) throw new RangeError(`decoder: a sequence may have up to ${this.#maxLength} tokens (maxLength), got ${T}`);
    const embedded = this.tokens.forward(tokens);
    let x = dropout(this.positional.embed?.(embedded, positions) ?? embedded, this.#embeddingDropout);
    for (const layer of this.layers) x = recomputed((inner: Tensor) => layer.forward(inner, positions))(x);
    if (this.finalNorm) x = this.finalNorm.forward(x);
    return this.head ? this.head.forward(x) : this.tokens.attend(x);
  }

  /**
   * Mean cross-entropy in nats: tokens and targets [B, T] (i32; a negative target does not count), weights [B, T] (f32).
   * Result: a scalar. See `crossEntropy`.
   */
  loss(tokens: Tensor, targets: Tensor, weights?: Tensor): Tensor { return crossEntropy(this.logits(tokens), targets, weights); }

  /**
   * Operations of the matrix products for a token of a sequence of `length`: `forward`, and `training` (forward and
   * backward: three times as many). Attention counts the keys that a causal mask leaves.
   */
  flopsPerToken(length: number): { readonly forward: number; readonly training: number } {
    requireCount('flopsPerToken', 'length', length);
    const layers = this.layers.reduce((sum, { attention, feedForward }) => sum + attention.flopsPerToken((length + 1) / 2) + feedForward.flopsPerToken(), 0);
    const forward = layers + (this.head?.flops ?? 2 * this.tokens.weight.size);
    return { forward, training: 3 * forward };
  }

  /** Parameters by part; a tied head is in `embedding`. The sum is `parameterCount`. */
  get parameterCounts(): Readonly<Record<'embedding' | 'positional' | 'attention' | 'feedForward' | 'norm' | 'head', number>> {
    const counts = { embedding: 0, positional: 0, attention: 0, feedForward: 0, norm: 0, head: 0 };
    for (const [name, { size }] of this.namedParameters()) {
      const [top, , part] = name.split('.');
      const kind = top === 'tokens' ? 'embedding' : top === 'positional' ? 'positional' : top === 'head' ? 'head' : top === 'layers' && (part === 'attention' || part === 'feedForward') ? part : 'norm';
      counts[kind] += size;
    }
    return counts;
  }
}

/**
 * A decoder-only language model from its parts.
 * @throws {RangeError | CombinationError} where sizes or parts do not fit together.
 */
export const decoder = (options: DecoderOptions): Decoder => new Decoder(options);

function dropoutRates(given: number | DropoutRates): Required<DropoutRates> {
  const rates = typeof given === 'number' ? { embedding: given, attention: given, residual: given } : { embedding: 0, attention: 0, residual: 0, ...given };
  for (const [name, rate] of Object.entries(rates)) checkRate(`decoder: dropout.${name}`, rate);
  return rates;
}

function initializersOf({ std = 0.02, scaledResidual = true }: Initialisation, depth: number): SiteInitializers {
  const weight = normalInitializer(std);
  return { weight, value: weight, residual: scaledResidual ? normalInitializer(std / Math.sqrt(2 * depth)) : weight };
}

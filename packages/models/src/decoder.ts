import { arange, type Tensor } from '@ashlar/tensor';
import { decodingCache, type DecodingCache } from '@ashlar/attention';
import {
  Embedding, Linear, Module, checkRate, crossEntropy, dropPath, dropout, isTraining, normalInitializer, recomputed, requireCount,
  type Attention, type AttentionVariant, type Cache, type FeedForward, type FeedForwardVariant, type Initializer, type LayerCache, type Norm, type NormVariant, type PositionalEncoding,
  type PositionalVariant, type Positions, type Residual, type ResidualInitializers, type ResidualVariant, type Stack,
} from '@ashlar/nn';
import { preNorm } from '@ashlar/norm';
import { CombinationError, checkDecoderCombination } from './combinations.js';

export interface Initialisation {
  /** Standard deviation of weights and tables; default 0.02. */
  readonly std?: number;
  /**
   * Whether weights that end a sublayer begin with std / √(2 depth), as GPT-2. Default true. Residual schemes with a
   * beginning of their own (deepNorm, subNorm) refuse it.
   */
  readonly scaledResidual?: boolean;
}

/** Rates of dropout. One number stands for embedding, attention and residual. */
export interface DropoutRates {
  /** On the sum of token and positional embeddings. */
  readonly embedding?: number;
  /** On attention weights; they are then stored, T × T a head, in training. */
  readonly attention?: number;
  /** On what a sublayer adds to the stream. */
  readonly residual?: number;
  /** Stochastic depth: how often the last layer's sublayers are left out; the others in proportion to their place. Default 0. */
  readonly depth?: number;
}

export interface DecoderOptions {
  /** V */
  readonly vocabulary: number;
  /** C */
  readonly width: number;
  /** Width of the token table, where it is not C: a projection leads to C, and one back to a tied head. Lan et al. 2019, arXiv 1909.11942. */
  readonly embeddingWidth?: number;
  /** L: pairs of attention and feed-forward. */
  readonly depth: number;
  /** The longest sequence; default: that of the positional encoding, if it has one. */
  readonly maxLength?: number;
  readonly attention: AttentionVariant;
  readonly positional: PositionalVariant;
  /** Left out where the residual scheme has no norms. */
  readonly norm?: NormVariant;
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

interface BlockParts { readonly residual: Residual; readonly attention: Attention; readonly feedForward: FeedForward; readonly dropPath: number }

class Block extends Module {
  readonly residual: Residual;
  readonly attention: Attention;
  readonly feedForward: FeedForward;
  readonly #dropPath: number;

  constructor({ residual, attention, feedForward, dropPath: rate }: BlockParts) {
    super();
    this.residual = residual;
    this.attention = attention;
    this.feedForward = feedForward;
    this.#dropPath = rate;
  }

  /** The stream after the layer and, in training, what the layer adds to the loss, where it does. */
  forward(x: Tensor, positions: Positions, cache?: LayerCache): readonly [Tensor, ...Tensor[]] {
    const losses: Tensor[] = [];
    const feedForward = (inner: Tensor): Tensor => {
      if (!isTraining() || !this.feedForward.forwardWithLoss) return this.feedForward.forward(inner);
      const { output, loss } = this.feedForward.forwardWithLoss(inner);
      losses.push(loss);
      return output;
    };
    const sublayers = [(inner: Tensor) => this.attention.forward({ x: inner, positions, cache }), feedForward];
    const stream = this.residual.forward(x, sublayers.map((sublayer) => (inner: Tensor) => dropPath(sublayer(inner), this.#dropPath)));
    return [stream, ...losses];
  }
}

/** A language model: tokens in, the next token's logits out, each from what stands before it. Make one with `decoder` or `build`. */
export class Decoder extends Module {
  readonly tokens: Embedding;
  /** From the width of a factorised token table to C. */
  readonly embeddingProjection: Linear | undefined;
  readonly positional: PositionalEncoding;
  readonly layers: readonly Block[];
  readonly finalNorm: Norm | undefined;
  /** From C to the width of a factorised token table, where the head is tied to it. */
  readonly headProjection: Linear | undefined;
  readonly head: Linear | undefined;
  readonly #vocabulary: number;
  readonly #maxLength: number | undefined;
  readonly #embeddingDropout: number;
  /** The attention that keeps no cache, if it is such a one. */
  readonly #uncached: string | undefined;

  constructor(options: DecoderOptions) {
    super();
    const { vocabulary, width, embeddingWidth = width, depth, residual = preNorm(), bias = false, tiedHead = true } = options;
    requireCount('decoder', 'vocabulary', vocabulary);
    requireCount('decoder', 'width', width);
    requireCount('decoder', 'embeddingWidth', embeddingWidth);
    requireCount('decoder', 'depth', depth);
    if (options.maxLength !== undefined) requireCount('decoder', 'maxLength', options.maxLength);
    const rates = dropoutRates(options.dropout ?? 0), stack: Stack = { kind: 'decoderOnly', depth };
    checkDecoderCombination({ ...options, residual, dropout: rates });
    const own = residual.initializers?.(stack), { weight, layers } = initializersOf(options.initialisation ?? {}, depth, residual.name, own);
    const general = { weight, value: weight, residual: weight };

    this.tokens = new Embedding({ rows: vocabulary, width: embeddingWidth, initializer: weight });
    this.embeddingProjection = embeddingWidth === width ? undefined : new Linear({ inputs: embeddingWidth, outputs: width, bias: false, initializer: weight });
    this.positional = options.positional.build({ width, maxLength: options.maxLength, heads: options.attention.heads?.(width), causal: true, initializers: general });
    const norm = (normWidth = width): Norm => options.norm!.build({ width: normWidth, bias }), innerNorm = residual.innerNorm ? { innerNorm: norm } : {};
    this.layers = Array.from({ length: depth }, (_, layer) => new Block({
      residual: residual.build({ width, stack, sublayers: 2, norm }),
      attention: options.attention.build({ width, layer, bias, dropout: { attention: rates.attention, residual: rates.residual }, positional: this.positional, initializers: layers.attention, ...innerNorm }),
      feedForward: options.feedForward.build({ width, bias, dropout: rates.residual, initializers: layers.feedForward, ...innerNorm }),
      dropPath: depth === 1 ? rates.depth : rates.depth * layer / (depth - 1),
    }));
    this.finalNorm = residual.finalNorm ? norm() : undefined;
    this.headProjection = tiedHead && this.embeddingProjection ? new Linear({ inputs: width, outputs: embeddingWidth, bias: false, initializer: weight }) : undefined;
    this.head = tiedHead ? undefined : new Linear({ inputs: width, outputs: vocabulary, bias: false, initializer: weight });
    this.#vocabulary = vocabulary;
    this.#maxLength = options.maxLength ?? this.positional.maxLength;
    this.#embeddingDropout = rates.embedding;
    this.#uncached = options.attention.capabilities.cache ? undefined : options.attention.name;
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
  logits(tokens: Tensor, positions: Positions = 0): Tensor { return this.#forward(tokens, positions).logits; }

  /**
   * A cache for `cachedLogits`. @param options.capacity How many tokens layers without a window remember; default maxLength.
   * @throws {RangeError} where neither is given, or it is greater than maxLength.
   */
  cache({ capacity = this.#maxLength }: { readonly capacity?: number } = {}): DecodingCache {
    if (capacity === undefined) throw new RangeError('decoder: a cache needs a capacity, in tokens, as the model has no maxLength');
    if (this.#maxLength !== undefined && capacity > this.#maxLength) throw new RangeError(`decoder: the capacity must be at most the model's maxLength (${this.#maxLength}), got ${capacity}`);
    return decodingCache({ capacity, maxLength: this.#maxLength });
  }

  /**
   * Logits of tokens [B, T] that follow those which the cache holds, from these alone: `start` is what `cache.extend(T)`
   * gave. Inside a function given to `jit`, which is then compiled once for each T:
   * `jit((tokens, start) => model.cachedLogits(tokens, cache, start))`.
   * @throws {CombinationError} where the attention keeps no cache.
   */
  cachedLogits(tokens: Tensor, cache: Cache, start: Tensor): Tensor {
    if (this.#uncached !== undefined) throw new CombinationError(`a cache does not go with ${this.#uncached} attention, which keeps none; use logits on the whole text, or attention such as grouped`);
    if (this.#maxLength !== undefined && (cache.maxLength ?? Infinity) > this.#maxLength) throw new RangeError(`decoder: the cache may grow to ${cache.maxLength ?? 'any number of'} tokens, and the model takes ${this.#maxLength} (maxLength); make it by model.cache()`);
    return this.#forward(tokens, start.add(arange(tokens.shape[1]!)), (layer) => cache.layer(`layers.${layer}.attention`, start)).logits;
  }

  /** Logits and, in training, the sum of what layers add to the loss. */
  #forward(tokens: Tensor, positions: Positions, cacheOf?: (layer: number) => LayerCache): { readonly logits: Tensor; readonly auxiliary: Tensor | undefined } {
    if (tokens.rank !== 2) throw new TypeError(`decoder: tokens must be [B, T], got [${tokens.shape.join(', ')}]`);
    const T = tokens.shape[1]!;
    if (this.#maxLength !== undefined && T > this.#maxLength) throw new RangeError(`decoder: a sequence may have up to ${this.#maxLength} tokens (maxLength), got ${T}`);
    const rows = this.tokens.forward(tokens), embedded = this.embeddingProjection?.forward(rows) ?? rows, losses: Tensor[] = [];
    let x = dropout(this.positional.embed?.(embedded, positions) ?? embedded, this.#embeddingDropout);
    for (const [index, layer] of this.layers.entries()) {
      const [stream, ...added] = recomputed((inner: Tensor) => layer.forward(inner, positions, cacheOf?.(index)))(x);
      x = stream;
      losses.push(...added);
    }
    if (this.finalNorm) x = this.finalNorm.forward(x);
    const logits = this.head ? this.head.forward(x) : this.tokens.attend(this.headProjection?.forward(x) ?? x);
    return { logits, auxiliary: losses.length > 0 ? losses.reduce((sum, loss) => sum.add(loss)) : undefined };
  }

  /**
   * Mean cross-entropy in nats: tokens and targets [B, T] (i32; a negative target does not count), weights [B, T] (f32);
   * in training, with what parts such as a mixture of experts add. Result: a scalar. See `crossEntropy`.
   */
  loss(tokens: Tensor, targets: Tensor, weights?: Tensor): Tensor {
    const { logits, auxiliary } = this.#forward(tokens, 0), loss = crossEntropy(logits, targets, weights);
    return auxiliary ? loss.add(auxiliary) : loss;
  }

  /**
   * Operations of the matrix products for a token of a sequence of `length`: `forward`, and `training` (forward and
   * backward: three times as many). Attention counts the keys that a causal mask leaves.
   */
  flopsPerToken(length: number): { readonly forward: number; readonly training: number } {
    requireCount('flopsPerToken', 'length', length);
    const layers = this.layers.reduce((sum, { attention, feedForward }) => sum + attention.flopsPerToken((length + 1) / 2) + feedForward.flopsPerToken(), 0);
    const forward = layers + (this.embeddingProjection?.flops ?? 0) + (this.headProjection?.flops ?? 0) + (this.head?.flops ?? 2 * this.tokens.weight.size);
    return { forward, training: 3 * forward };
  }

  /** Parameters by part; a tied head is in `embedding`. The sum is `parameterCount`. */
  get parameterCounts(): Readonly<Record<'embedding' | 'positional' | 'attention' | 'feedForward' | 'norm' | 'head', number>> {
    const counts = { embedding: 0, positional: 0, attention: 0, feedForward: 0, norm: 0, head: 0 };
    for (const [name, { size }] of this.namedParameters()) {
      const [top, , part] = name.split('.');
      const kind = top === 'tokens' || top === 'embeddingProjection' ? 'embedding' : top === 'positional' ? 'positional' : top === 'head' || top === 'headProjection' ? 'head' : top === 'layers' && (part === 'attention' || part === 'feedForward') ? part : 'norm';
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
  const rates = typeof given === 'number' ? { embedding: given, attention: given, residual: given, depth: 0 } : { embedding: 0, attention: 0, residual: 0, depth: 0, ...given };
  for (const [name, rate] of Object.entries(rates)) checkRate(`decoder: dropout.${name}`, rate);
  return rates;
}

/** How tables and heads begin, and how layers do: as the residual scheme says, if it does. */
function initializersOf({ std = 0.02, scaledResidual }: Initialisation, depth: number, scheme: string, own: ResidualInitializers | undefined): { weight: Initializer; layers: ResidualInitializers } {
  const weight = normalInitializer(std);
  if (own && scaledResidual !== undefined) throw new CombinationError(`initialisation.scaledResidual does not go with ${scheme} residuals, which say how layers begin; leave it out, or use preNorm`);
  const site = { weight, value: weight, residual: normalInitializer(scaledResidual ?? true ? std / Math.sqrt(2 * depth) : std) };
  return { weight, layers: own ?? { attention: site, feedForward: site } };
}

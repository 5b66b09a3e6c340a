import { zeros, type Tensor } from '@ashlar/tensor';
import {
  Embedding, Linear, Module, dropout, recomputed, requireCount,
  type AttentionVariant, type FeedForwardVariant, type Norm, type NormVariant, type PositionalEncoding, type PositionalVariant, type Positions, type ResidualVariant, type Stack,
} from '@ashlar/nn';
import { preNorm } from '@ashlar/norm';
import { checkCombination, type Topology } from './combinations.js';
import { dropoutRates, initializersOf, type DropoutRates, type EveryRate, type Initialisation, type StackInitializers } from './initialisation.js';
import { Layer, type LayerCaches, type LayerInput } from './layer.js';
import { checkSequenceInput, positionsOf, type SequenceInput } from './sequence-input.js';

/** What every stack of layers is made of, whatever model it is in. */
export interface StackOptions {
  /** C */
  readonly width: number;
  /** Width of the token table, where it is not C: a projection leads to C, and one back to a tied head. Lan et al. 2019, arXiv 1909.11942. */
  readonly embeddingWidth?: number | undefined;
  /** Factor of the token embeddings, such as √C; default 1. */
  readonly embeddingScale?: number | undefined;
  /** Whether the sum of the embeddings is normalized before the first layer, as in BERT. Default false. */
  readonly embeddingNorm?: boolean | undefined;
  /** How many kinds of tokens there are, each with a learned vector that is added to its tokens' embeddings. Default: none. */
  readonly tokenTypes?: number | undefined;
  /** L: layers of attention and feed-forward. */
  readonly depth: number;
  /** The longest sequence; default: that of the positional encoding, if it has one. */
  readonly maxLength?: number | undefined;
  readonly attention: AttentionVariant;
  readonly positional: PositionalVariant;
  /** Left out where the residual scheme has no norms. */
  readonly norm?: NormVariant | undefined;
  /** Default `preNorm()`. */
  readonly residual?: ResidualVariant | undefined;
  readonly feedForward: FeedForwardVariant;
  /** Whether linear layers and norms have a bias; parts may say otherwise. Default false. */
  readonly bias?: boolean | undefined;
  /** Default 0. */
  readonly dropout?: number | DropoutRates | undefined;
  readonly initialisation?: Initialisation | undefined;
}

/** What the model says of a stack, beside its options. */
export interface StackPlace {
  /** For messages. */
  readonly owner: Topology;
  readonly kind: Stack;
  /** Rows of the token table. */
  readonly rows: number;
  /** The table itself, where it is another stack's too. */
  readonly tokens?: Embedding | undefined;
  /** How each layer attends to another sequence, [B, S, contextWidth]. */
  readonly crossAttention?: AttentionVariant | undefined;
  readonly contextWidth?: number | undefined;
}

/** What a stack gives: [B, T, C] and, in training, the sum of what its layers add to the loss. */
export interface StackOutput { readonly states: Tensor; readonly auxiliary: Tensor | undefined }

/** Tokens to states: embeddings, layers, and the last norm. What encoders and decoders share. */
export abstract class LayerStack extends Module {
  readonly tokens: Embedding;
  /** From the width of a factorised token table to C. */
  readonly embeddingProjection: Linear | undefined;
  readonly tokenTypes: Embedding | undefined;
  readonly positional: PositionalEncoding;
  readonly embeddingNorm: Norm | undefined;
  readonly layers: readonly Layer[];
  readonly finalNorm: Norm | undefined;
  readonly width: number;
  /** The longest sequence, where there is one. */
  readonly maxLength: number | undefined;
  /** Whether tokens may be padding that nobody sees. */
  readonly takesPadding: boolean;
  protected readonly owner: Topology;
  protected readonly initializers: StackInitializers;
  readonly #embeddingScale: number;
  readonly #dropout: Pick<EveryRate, 'token' | 'embedding'>;

  protected constructor(options: StackOptions, { owner, kind, rows, tokens, crossAttention, contextWidth }: StackPlace) {
    super();
    const { width, embeddingWidth = width, embeddingScale = 1, tokenTypes, depth, maxLength, attention, positional, residual = preNorm(), bias = false } = options;
    for (const [name, count] of Object.entries({ width, embeddingWidth, depth, maxLength, tokenTypes })) if (count !== undefined) requireCount(owner, name, count);
    if (!(embeddingScale > 0 && Number.isFinite(embeddingScale))) throw new RangeError(`${owner}: embeddingScale must be greater than 0, got ${embeddingScale}`);
    const rates = dropoutRates(owner, options.dropout ?? 0), sublayers = crossAttention ? 3 : 2;
    checkCombination(owner, { ...options, residual, crossAttention, dropout: rates });
    const heads = attention.heads?.(width), initializers = initializersOf(options.initialisation ?? {}, { width, sublayers: sublayers * depth, headWidth: heads?.width }, residual.name, residual.initializers?.(kind));
    const { table, positions, projection, layers } = initializers;
    const normOf = (layer: number) => (normWidth = width): Norm => options.norm!.build({ width: normWidth, bias, layer });

    this.tokens = tokens ?? new Embedding({ rows, width: embeddingWidth, initializer: table });
    this.embeddingProjection = embeddingWidth === width ? undefined : new Linear({ inputs: embeddingWidth, outputs: width, bias: false, initializer: projection });
    this.tokenTypes = tokenTypes === undefined ? undefined : new Embedding({ rows: tokenTypes, width, initializer: table });
    this.positional = positional.build({ width, maxLength, heads, causal: attention.capabilities.causal, initializers: { weight: positions, value: positions, residual: positions } });
    this.embeddingNorm = options.embeddingNorm ? normOf(0)() : undefined;
    this.layers = Array.from({ length: depth }, (_, layer) => {
      const norm = normOf(layer), innerNorm = residual.innerNorm ? { innerNorm: norm } : {};
      const site = { width, layer, bias, dropout: { attention: rates.attention, residual: rates.residual }, positional: this.positional.ofLayer?.(layer) ?? this.positional, initializers: layers.attention, ...innerNorm };
      return new Layer({
        residual: residual.build({ width, stack: kind, layer, sublayers, norm }),
        attention: attention.build(site),
        crossAttention: crossAttention?.build({ ...site, ...(contextWidth === undefined ? {} : { contextWidth }) }),
        feedForward: options.feedForward.build({ width, layer, bias, dropout: rates.residual, initializers: layers.feedForward, ...innerNorm }),
        dropPath: depth === 1 ? rates.depth : rates.depth * layer / (depth - 1),
      });
    });
    this.finalNorm = residual.finalNorm ? normOf(depth - 1)() : undefined;
    this.width = width;
    this.maxLength = maxLength ?? this.positional.maxLength;
    this.takesPadding = attention.capabilities.keyPadding ?? false;
    this.owner = owner;
    this.initializers = initializers;
    this.#embeddingScale = embeddingScale;
    this.#dropout = rates;
  }

  /**
   * Internal: states, and what layers add to the loss in training.
   * @param cacheOf What a layer remembers, by its number.
   * @throws {RangeError} where T is greater than maxLength.
   */
  run(tokens: Tensor, input: SequenceInput, context: Pick<LayerInput, 'context' | 'contextPadding'> = {}, cacheOf?: (layer: number) => LayerCaches): StackOutput {
    const { owner } = this, { segments, padding, prefix } = input;
    checkSequenceInput(owner, tokens, input);
    const T = tokens.shape[1]!, positions = positionsOf(owner, input);
    if (this.maxLength !== undefined && T > this.maxLength) throw new RangeError(`${owner}: a sequence may have up to ${this.maxLength} tokens (maxLength), got ${T}`);
    let x = dropout(dropout(this.#embedded(tokens, positions, input.tokenTypes), this.#dropout.token, [...tokens.shape, 1]), this.#dropout.embedding);
    const losses: Tensor[] = [], given: LayerInput = { positions, segments, keyPadding: padding, prefix, ...context };
    for (const [index, layer] of this.layers.entries()) {
      const [stream, ...added] = recomputed((inner: Tensor) => layer.forward(inner, given, cacheOf?.(index)))(x);
      x = stream;
      losses.push(...added);
    }
    return { states: this.finalNorm?.forward(x) ?? x, auxiliary: losses.length > 0 ? losses.reduce((sum, loss) => sum.add(loss)) : undefined };
  }

  #embedded(tokens: Tensor, positions: Positions, types: Tensor | undefined): Tensor {
    if (types && !this.tokenTypes) throw new Error(`${this.owner}: the model has no tokenTypes; leave them out, or build it with tokenTypes: 2`);
    const rows = this.tokens.forward(tokens), projected = this.embeddingProjection?.forward(rows) ?? rows;
    const scaled = this.#embeddingScale === 1 ? projected : projected.mul(this.#embeddingScale), typed = this.tokenTypes ? scaled.add(this.tokenTypes.forward(types ?? zeros(tokens.shape, 'i32'))) : scaled;
    const placed = this.positional.embed?.(typed, positions) ?? typed;
    return this.embeddingNorm?.forward(placed) ?? placed;
  }

  /** Operations of a token's matrix products, without the head, where it sees `keys` keys on average, and `contextKeys` of another sequence. */
  protected stackFlops(keys: number, contextKeys = 0): number {
    return this.layers.reduce((sum, { attention, crossAttention, feedForward }) => sum + attention.flopsPerToken(keys) + (crossAttention?.flopsPerToken(contextKeys) ?? 0) + feedForward.flopsPerToken(), this.embeddingProjection?.flops ?? 0);
  }
}

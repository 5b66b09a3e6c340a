/**
 * What the parts of a model are to each other. A variant (`rmsNorm()`, `grouped({ … })`) holds options and builds a part
 * for a site: a place in a model, whose sizes it is told. Shared code asks for capabilities, never for a name.
 *
 * Axis letters: B batch, T queries, S keys, C width, H query heads, G key/value heads, D head width.
 */
import type { ScoreMod, Tensor, TypedArray } from '@ashlar/tensor';
import type { Initializer } from './initializers.js';
import type { Module } from './module.js';

/** Options, ready to build a part at a site. */
export interface Variant<Contract extends string, Site, Part> {
  /** The contract and its version: parts of another version are refused by their type. */
  readonly contract: Contract;
  /** The name in configs and messages. */
  readonly name: string;
  /** @throws {Error} where the options do not fit the site; the message says what would. */
  build(site: Site): Part;
}

/** How weights begin. */
export interface SiteInitializers {
  /** Tables; in attention, the projections of queries and keys; in feed-forward, all but the last layer. */
  readonly weight: Initializer;
  /** In attention, the projection of values. */
  readonly value: Initializer;
  /** Weights whose product is added to the residual stream. */
  readonly residual: Initializer;
}

export interface NormSite { readonly width: number; readonly bias: boolean }
/** x [..., C] → [..., C] */
export interface Norm extends Module { forward(x: Tensor): Tensor }
export type NormVariant = Variant<'norm/1', NormSite, Norm>;

/** Which stack of layers a part is in, and how many layers it has; of an encoder-decoder, also those of the other stack. */
export type Stack =
  | { readonly kind: 'encoderOnly' | 'decoderOnly'; readonly depth: number }
  | { readonly kind: 'encoder'; readonly depth: number; readonly decoderDepth: number }
  | { readonly kind: 'decoder'; readonly depth: number; readonly encoderDepth: number };

/** x [B, T, C] → what it adds to the stream [B, T, C]. */
export type Sublayer = (x: Tensor) => Tensor;
export interface ResidualSite {
  readonly width: number;
  readonly stack: Stack;
  /** How many sublayers the layer has: attention, perhaps cross attention, feed-forward. */
  readonly sublayers: number;
  norm(): Norm;
}
/** A layer without its sublayers: how they are normalized and joined to the stream. x [B, T, C] → [B, T, C]. It owns its norms. */
export interface Residual extends Module {
  /** `sublayers` in the order of the layer, as many as the site has. */
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor;
}
/** How the weights of a layer begin, where the residual scheme decides it. */
export interface ResidualInitializers {
  readonly attention: SiteInitializers;
  readonly feedForward: SiteInitializers;
}
export interface ResidualVariant extends Variant<'residual/1', ResidualSite, Residual> {
  /** Whether the stream must be normalized once more before the head. */
  readonly finalNorm: boolean;
  /** Whether sublayers must normalize what goes into their last projection. */
  readonly innerNorm: boolean;
  /** The beginning that belongs to the scheme; absent: that of the model. */
  initializers?(stack: Stack): ResidualInitializers;
}

export interface FeedForwardSite {
  readonly width: number;
  readonly bias: boolean;
  readonly dropout: number;
  readonly initializers: SiteInitializers;
  /** Where the residual scheme asks for it: a norm for what goes into the last projection. */
  innerNorm?(width: number): Norm;
}
/** x [..., C] → [..., C] */
export interface FeedForward extends Module {
  forward(x: Tensor): Tensor;
  /** As `forward`, with a scalar that training adds to the model's loss. Absent: it has none. */
  forwardWithLoss?(x: Tensor): { readonly output: Tensor; readonly loss: Tensor };
  /** Operations of the matrix products of a token's forward pass. */
  flopsPerToken(): number;
}
export interface FeedForwardVariant extends Variant<'feedForward/1', FeedForwardSite, FeedForward> {
  readonly capabilities: {
    /** It can normalize what goes into its last projection (`innerNorm` of its site). */
    readonly innerNorm: boolean;
    /** It adds to the loss in training. */
    readonly auxiliaryLoss: boolean;
  };
}

/** Where the tokens stand: the position of the first (they follow one by one), or each one's own, [T] or [B, T], i32. */
export type Positions = number | Tensor;

export interface PositionalSite {
  readonly width: number;
  /** The longest sequence of the model, where it has one. */
  readonly maxLength: number | undefined;
  /** Query heads and their width, of all layers; absent where the attention has no heads, or layers differ. */
  readonly heads: HeadShape | undefined;
  /** Whether tokens see only themselves and those before them. */
  readonly causal: boolean;
  readonly initializers: SiteInitializers;
}
export interface HeadShape { readonly count: number; readonly width: number }

/** The attention that a score mod is for. */
export interface ScoreModInput {
  /** Rotated, not scaled: [B, H, T, D]. */
  readonly queries: Tensor;
  /** Factor of the products q·k. */
  readonly scale: number;
  /** The position, in the terms of the mod's `q` and `k`, of the first query: a number, or a scalar i32. */
  readonly firstQuery: number | Tensor;
}

/** Acts where it belongs, through the hooks it has. */
export interface PositionalEncoding extends Module {
  /** The longest sequence it is made for; absent: any. */
  readonly maxLength?: number;
  /** On the token embeddings: x [B, T, C] → [B, T, C]. */
  embed?(x: Tensor, positions: Positions): Tensor;
  /** On queries or keys: x [B, H, T, D] → the same shape. */
  rotate?(x: Tensor, positions: Positions, of: 'query' | 'key'): Tensor;
  /** A change of the scores by where they stand; traced into the attention kernel. Tables that it captures are trained. */
  scoreMod?(input: ScoreModInput): ScoreMod;
  /** Throws where heads of this width cannot be rotated. */
  checkHeadWidth?(headWidth: number): void;
}
export interface PositionalVariant extends Variant<'positional/1', PositionalSite, PositionalEncoding> {
  /** The hooks that what it builds will have. */
  readonly capabilities: {
    readonly embed: boolean;
    readonly rotate: boolean;
    readonly scoreMod: boolean;
    /** Whether it also makes sense where tokens see those after them. */
    readonly bidirectional: boolean;
  };
}

/** What an attention variant can do. What is not declared throws. */
export interface AttentionCapabilities {
  /** A token sees itself and those before it. */
  readonly causal: boolean;
  /** A token sees all. */
  readonly bidirectional: boolean;
  /** Keys and values may come from another sequence. */
  readonly cross: boolean;
  /** Keys and values (or a state) may be kept between calls. */
  readonly cache: boolean;
  /** Queries and keys may be rotated by a positional encoding. */
  readonly rotate: boolean;
  /** Scores may be changed by a function of their place. */
  readonly scoreMod: boolean;
  /** Any mask may be given. */
  readonly arbitraryMask: boolean;
  /** Several documents may share a row. */
  readonly packing: boolean;
  /** It can normalize what goes into its output projection (`innerNorm` of its site). */
  readonly innerNorm: boolean;
  readonly maxLength?: number;
}

export interface AttentionSite {
  readonly width: number;
  readonly bias: boolean;
  /** On the attention weights, and on the result. */
  readonly dropout: { readonly attention: number; readonly residual: number };
  readonly positional: PositionalEncoding;
  readonly initializers: SiteInitializers;
  /** Where the residual scheme asks for it: a norm for what goes into the output projection. */
  innerNorm?(width: number): Norm;
}

/** What is given to an attention. */
export interface AttentionInput {
  /** [B, T, C] */
  readonly x: Tensor;
  readonly positions: Positions;
}

export interface Attention extends Module {
  forward(input: AttentionInput): Tensor;
  /** Operations of the matrix products of a token's forward pass, where a token sees `keys` keys on average. */
  flopsPerToken(keys: number): number;
}
export interface AttentionVariant extends Variant<'attention/1', AttentionSite, Attention> {
  readonly capabilities: AttentionCapabilities;
  /** Its query heads in a model of this width; absent: it has none. */
  heads?(width: number): HeadShape;
}

/** What decoding remembers: keys and values, or the state of a recurrent mixer. One protocol for both. */
export interface Cache {
  readonly contract: 'cache/1';
  /** Number of tokens it stands for. */
  readonly length: number;
  /** Bytes it holds. */
  readonly bytes: number;
  /** Adds what a layer computed for new tokens; gives all that it remembers. */
  append(layer: number, added: readonly Tensor[]): readonly Tensor[];
  /** Forgets all but the first `length` tokens. @throws {Error} where its state cannot go back. */
  trim(length: number): void;
  /** A copy of its contents, by name. */
  state(): Promise<ReadonlyMap<string, TypedArray>>;
}

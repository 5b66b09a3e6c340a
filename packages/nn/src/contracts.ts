/**
 * What the parts of a model are to each other. A variant (`rmsNorm()`, `grouped({ … })`) holds options and builds a part
 * for a site: a place in a model, whose sizes it is told. Shared code asks for capabilities, never for a name.
 *
 * Axis letters: B batch, T queries, S keys, C width, H query heads, G key/value heads, D head width.
 */
import type { DType, MaskMod, ScoreMod, Shape, Tensor, TypedArray, Variable } from '@ashlar/tensor';
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
  /** In attention, the projection of queries. Absent: `weight`. */
  readonly query?: Initializer;
  /** In attention, the projection of values. */
  readonly value: Initializer;
  /** Weights whose product is added to the residual stream. */
  readonly residual: Initializer;
}

export interface NormSite {
  readonly width: number;
  readonly bias: boolean;
  /** Which layer of its stack it is in, from 0; that of the embeddings counts to the first, the one before the head to the last. Absent: 0. */
  readonly layer?: number;
}
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
  /** Which layer of its stack it is, from 0. Absent: 0. */
  readonly layer?: number;
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
  /** Whether it uses norms at all. */
  readonly norms: boolean;
  /** Whether sublayers must normalize what goes into their last projection. */
  readonly innerNorm: boolean;
  /** The beginning that belongs to the scheme; absent: that of the model. */
  initializers?(stack: Stack): ResidualInitializers;
}

export interface FeedForwardSite {
  readonly width: number;
  /** Which layer of its stack it is in, from 0. Absent: 0. */
  readonly layer?: number;
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
  /** Where layers differ: the encoding whose `rotate` and `scoreMod` act in a layer, from 0. Absent: this one acts in all. */
  ofLayer?(layer: number): PositionalEncoding;
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
  /** Several documents may share a row: each then gives what it gives alone. */
  readonly packing: boolean;
  /** The first tokens of a row may see each other both ways. Absent: no. */
  readonly prefix?: boolean;
  /** Keys may be padding. Absent: no. */
  readonly keyPadding?: boolean;
  /** It can normalize what goes into its output projection (`innerNorm` of its site). */
  readonly innerNorm: boolean;
  /** It has attention weights, of which training may drop some (`dropout.attention` of its site). */
  readonly weightDropout: boolean;
  readonly maxLength?: number;
}

export interface AttentionSite {
  readonly width: number;
  /** Which layer of its stack it is in, from 0. Absent: 0. */
  readonly layer?: number;
  /** Width of the sequence that keys and values come from, for cross attention. Absent: `width`. */
  readonly contextWidth?: number;
  readonly bias: boolean;
  /** On the attention weights, and on the result. */
  readonly dropout: { readonly attention: number; readonly residual: number };
  readonly positional: PositionalEncoding;
  readonly initializers: SiteInitializers;
  /** Where the residual scheme asks for it: a norm for what goes into the output projection. */
  innerNorm?(width: number): Norm;
}

/** What is given to an attention. Whatever a part does not declare in its capabilities makes it throw. */
export interface AttentionInput {
  /** [B, T, C] */
  readonly x: Tensor;
  readonly positions: Positions;
  /** Capability `cross`: keys and values come from it, [B, S, C′]. */
  readonly context?: Tensor | undefined;
  /** Capability `arbitraryMask`: which scores count, beside what the part itself leaves out. */
  readonly mask?: MaskMod | undefined;
  /** Capability `keyPadding`: bool [B, S], true where a key is padding. */
  readonly keyPadding?: Tensor | undefined;
  /**
   * Capability `packing`: the number of each token's document, i32 [B, T]; tokens see their own document alone. A
   * document's tokens stand together, and no two documents of a row have the same number.
   */
  readonly segments?: Tensor | undefined;
  /** Capability `prefix`: how many tokens of each row, the first ones, see each other both ways: i32 [B]. */
  readonly prefix?: Tensor | undefined;
  /** Capability `cache`: what this layer remembers of the tokens before. */
  readonly cache?: LayerCache | undefined;
}

export interface Attention extends Module {
  forward(input: AttentionInput): Tensor;
  /** Operations of the matrix products of a token's forward pass, where a token sees `keys` keys on average. */
  flopsPerToken(keys: number): number;
  /** Capability `cross`: those of a token of the context, which are not in `flopsPerToken`. */
  flopsPerContextToken?(): number;
}
export interface AttentionVariant extends Variant<'attention/1', AttentionSite, Attention> {
  readonly capabilities: AttentionCapabilities;
  /** Its query heads in a model of this width; absent or undefined: it has none, or they differ between layers. */
  heads?(width: number): HeadShape | undefined;
}

/** A state of a layer that a cache holds: zeros at first. */
export interface CacheState {
  readonly shape: Shape;
  readonly dtype: DType;
  /** How many tokens it holds apart from each other; 0: it is the sum of them all, as a recurrent state is; Infinity: it is of none of them. */
  readonly tokens: number;
  /** Whether the newest tokens take the place of the oldest where it is full; else it can take no more. */
  readonly rolls: boolean;
}

/** What one layer remembers, as its traced function sees it. */
export interface LayerCache {
  /** How many tokens stand before those of this call: a scalar, i32. */
  readonly start: Tensor;
  /** How many tokens a state must hold that forgets none. */
  readonly capacity: number;
  /** In which dtype keys and values are kept, and read again. Absent: in that which they are computed in. States that sum up tokens have their own. */
  readonly dtype?: DType | undefined;
  /**
   * The variable that keeps a state: read it, and assign it the state after this call's tokens. Asked for by name alone,
   * it must be there already.
   */
  state(name: string, state?: CacheState): Variable;
  /** Whether it keeps a state of that name. */
  has(name: string): boolean;
  /**
   * Where what is remembered of each token grows with the text, as in graphs that other programs run: what is kept under a
   * name, then what this call adds to it, [B, G, T, …], along axis 2. Absent: states are variables of a fixed size.
   */
  join?(name: string, added: Tensor): Tensor;
}

/**
 * What decoding remembers: keys and values, or the state of a recurrent mixer, of every layer. One protocol for both: a
 * layer asks for its states by name while its step is traced; the step is given the number of tokens before it as a tensor.
 */
export interface Cache {
  readonly contract: 'cache/1';
  /** Number of tokens it stands for. */
  readonly length: number;
  /** More tokens than these it refuses. Absent: any number, as far as its states hold them. */
  readonly maxLength?: number | undefined;
  /** Bytes it holds. */
  readonly bytes: number;
  /** How many more tokens it takes, as far as the steps traced so far tell; Infinity where nothing limits it. */
  readonly room: number;
  /** Makes room for `count` more tokens; the `start` to give to the step that computes them. @throws {RangeError} where they do not fit. */
  extend(count: number): Tensor;
  /** A layer's part, in the trace of a step with that `start`. */
  layer(name: string, start: Tensor): LayerCache;
  /** Whether it can go back to its first `length` tokens. */
  remembers(length: number): boolean;
  /** In the trace of a step, before its layers: batch row b goes on from what row `rows[b]` (i32 [B]) stands for. */
  reorder(rows: Tensor): void;
  /** Forgets all but the first `length` tokens. @throws {Error} where a state cannot go back that far. */
  trim(length: number): void;
  /** A copy of its contents, by name. */
  state(): Promise<ReadonlyMap<string, TypedArray>>;
}

/**
 * What the parts of a model are to each other. A variant (`rmsNorm()`, `grouped({ … })`) holds options and builds a part
 * for a site: a place in a model, whose sizes it is told. Shared code asks for capabilities, never for a name.
 *
 * Axis letters: B batch, T queries, S keys, C width, H query heads, G key/value heads, D head width.
 */
import type { Tensor, TypedArray } from '@ashlar/tensor';
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
  readonly weight: Initializer;
  /** Weights whose product is added to the residual stream. */
  readonly residual: Initializer;
}

export interface NormSite { readonly width: number; readonly bias: boolean }
/** x [..., C] → [..., C] */
export interface Norm extends Module { forward(x: Tensor): Tensor }
export type NormVariant = Variant<'norm/1', NormSite, Norm>;

export interface ResidualSite { readonly width: number; readonly depth: number; norm(): Norm }
/** One sublayer and what surrounds it: x [B, T, C] → [B, T, C]. It owns its norms. */
export interface Residual extends Module { forward(x: Tensor, sublayer: (x: Tensor) => Tensor): Tensor }
export interface ResidualVariant extends Variant<'residual/1', ResidualSite, Residual> {
  /** Whether the stream must be normalized once more before the head. */
  readonly finalNorm: boolean;
}

export interface FeedForwardSite { readonly width: number; readonly bias: boolean; readonly dropout: number; readonly initializers: SiteInitializers }
/** x [..., C] → [..., C] */
export interface FeedForward extends Module {
  forward(x: Tensor): Tensor;
  /** Operations of the matrix products of a token's forward pass. */
  flopsPerToken(): number;
}
export type FeedForwardVariant = Variant<'feedForward/1', FeedForwardSite, FeedForward>;

/** Where the tokens stand: the position of the first (they follow one by one), or each one's own, [T] or [B, T], i32. */
export type Positions = number | Tensor;

export interface PositionalSite {
  readonly width: number;
  /** The longest sequence of the model, where it has one. */
  readonly maxLength: number | undefined;
  readonly initializers: SiteInitializers;
}

/** Acts where it belongs, through the hooks it has. */
export interface PositionalEncoding extends Module {
  /** The longest sequence it is made for; absent: any. */
  readonly maxLength?: number;
  /** On the token embeddings: x [B, T, C] → [B, T, C]. */
  embed?(x: Tensor, positions: Positions): Tensor;
  /** On queries or keys: x [B, H, T, D] → the same shape. */
  rotate?(x: Tensor, positions: Positions): Tensor;
  /** Throws where heads of this width cannot be rotated. */
  checkHeadWidth?(headWidth: number): void;
}
export interface PositionalVariant extends Variant<'positional/1', PositionalSite, PositionalEncoding> {
  /** The hooks that what it builds will have. */
  readonly capabilities: { readonly embed: boolean; readonly rotate: boolean };
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
  readonly maxLength?: number;
}

export interface AttentionSite {
  readonly width: number;
  readonly bias: boolean;
  /** On the attention weights, and on the result. */
  readonly dropout: { readonly attention: number; readonly residual: number };
  readonly positional: PositionalEncoding;
  readonly initializers: SiteInitializers;
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

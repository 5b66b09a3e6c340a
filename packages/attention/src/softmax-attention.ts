import { read, type ScoreMod, type Tensor } from '@ashlar/tensor';
import {
  Linear, Module, Parameter, checkAttentionInput, dropout, zerosInitializer,
  type Attention, type AttentionCapabilities, type AttentionInput, type AttentionSite, type Norm,
} from '@ashlar/nn';
import { attend, type AttendOptions } from './attend.js';
import { and } from './masks/combine.js';
import { causal as causalMask } from './masks/causal.js';
import type { Mask } from './masks/mask.js';
import type { SoftmaxOptions } from './softmax-options.js';

export interface SoftmaxShape {
  readonly name: string;
  readonly capabilities: AttentionCapabilities;
  readonly heads: number;
  readonly kvHeads: number;
  /** D, of queries and keys. */
  readonly headWidth: number;
  /** Of values; absent: headWidth. */
  readonly valueWidth?: number;
  /** How many keys a query sees at most, where the mask does not tell. */
  readonly seen?: number;
  /** How many keys of each query count; absent: all that the mask lets. */
  readonly strongest?: number;
}

/** Queries [B, H, T, D], keys [B, G, S, D] and values [B, G, S, D]. */
export interface Projected { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor }

/** What `attendTo` is told beside the input. */
export interface AttendTo extends Pick<AttendOptions, 'places'> {
  /** The place of the first query: a number, or a scalar i32. */
  readonly firstQuery: number | Tensor;
  /** Queries as a positional encoding's score mod wants them; absent: `q`. */
  readonly queries?: Tensor;
}

/**
 * Attention over a softmax of scores: what all such variants share, which is mask and score, sinks, gate, and output
 * projection. Queries, keys and values, and what a cache keeps of them, are the variant's.
 */
export abstract class SoftmaxAttention extends Module implements Attention {
  readonly output: Linear;
  /** A score a head. */
  readonly sinks: Parameter | undefined;
  readonly gate: Linear | undefined;
  readonly innerNorm: Norm | undefined;
  protected readonly shape: SoftmaxShape;
  protected readonly site: AttentionSite;
  protected readonly mask: Mask | undefined;
  readonly #options: SoftmaxOptions;
  readonly #scale: number;

  protected constructor(site: AttentionSite, shape: SoftmaxShape, options: SoftmaxOptions) {
    super();
    const { heads: H, headWidth: D, valueWidth = D } = shape, { causal = true, mask } = options, bias = options.bias ?? site.bias;
    this.output = new Linear({ inputs: H * valueWidth, outputs: site.width, bias: options.outputBias ?? bias, initializer: site.initializers.residual });
    this.sinks = options.sinks ? new Parameter([H], { initializer: zerosInitializer }) : undefined;
    this.gate = options.gate ? new Linear({ inputs: site.width, outputs: options.gate === 'perHead' ? H : H * valueWidth, bias, initializer: site.initializers.weight }) : undefined;
    this.innerNorm = site.innerNorm?.(H * valueWidth);
    this.shape = shape;
    this.site = site;
    this.mask = causal ? (mask ? and(causalMask, mask) : causalMask) : mask;
    this.#options = options;
    this.#scale = options.scale ?? 1 / Math.sqrt(D);
  }

  /** What each head reads: [B, H, T, value width]. */
  protected abstract mix(input: AttentionInput): Tensor;
  /** Operations of a token's projections, without gate and output. */
  protected abstract get projectionFlops(): number;

  forward(input: AttentionInput): Tensor {
    const { name, capabilities, heads: H, headWidth, valueWidth = headWidth } = this.shape, { x } = input;
    checkAttentionInput(name, capabilities, input);
    const [B, T] = x.shape as [number, number, number], mixed = this.mix(input).permute(0, 2, 1, 3);
    const gate = this.gate?.forward(x).sigmoid().reshape([B, T, H, -1]);
    const joined = (gate ? mixed.mul(gate) : mixed).reshape([B, T, H * valueWidth]);
    return dropout(this.output.forward(this.innerNorm?.forward(joined) ?? joined), this.site.dropout.residual);
  }

  /** Attention with the part's own mask and the input's, its score mod and the positional encoding's, soft cap and sinks. */
  protected attendTo({ mask, segments, keyPadding, prefix }: AttentionInput, { q, k, v }: Projected, { firstQuery, queries = q, places }: AttendTo): Tensor {
    const own = prefix ? this.#withPrefix(prefix) : this.mask;
    // A cache may keep keys and values in another dtype.
    return attend(q.cast(k.dtype), k, v, {
      mask: mask && own ? and(own, mask) : mask ?? own, score: this.#scoreMod(queries, firstQuery), scale: this.#scale, softcap: this.#options.softcap, sinks: this.sinks && read(this.sinks),
      segments, keyPadding, places, dropout: this.site.dropout.attention, strongest: this.shape.strongest,
    }).cast(q.dtype);
  }

  /** The part's mask where the first tokens of a row, i32 [B], see each other both ways. */
  #withPrefix(prefix: Tensor): Mask {
    const mask: Mask = ({ b, q, k }) => k.le(q).or(k.lt(prefix.at(b)));
    return this.#options.mask ? and(mask, this.#options.mask) : mask;
  }

  #scoreMod(queries: Tensor, firstQuery: number | Tensor): ScoreMod | undefined {
    const own = this.#options.score, further = this.shape.capabilities.scoreMod ? this.site.positional.scoreMod?.({ queries, scale: this.#scale, firstQuery }) : undefined;
    return own && further ? (at) => further({ ...at, score: own(at) }) : own ?? further;
  }

  flopsPerToken(keys: number): number {
    const { heads: H, headWidth: D, valueWidth = D, seen = Infinity } = this.shape;
    return this.projectionFlops + (this.gate?.flops ?? 0) + this.output.flops + 2 * H * (D + valueWidth) * Math.min(keys, this.mask?.reach ?? keys, seen);
  }
}

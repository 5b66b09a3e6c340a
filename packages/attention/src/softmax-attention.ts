import { read, rmsNorm, type ScoreMod, type Tensor } from '@ashlar/tensor';
import {
  Linear, Module, Parameter, checkAttentionInput, dropout, onesInitializer, zerosInitializer,
  type Attention, type AttentionCapabilities, type AttentionInput, type AttentionSite, type Norm,
} from '@ashlar/nn';
import { attend, type AttendOptions } from './attend.js';
import { and } from './masks/combine.js';
import { causal as causalMask } from './masks/causal.js';
import type { Mask } from './masks/mask.js';
import { remember } from './remembered-keys.js';
import type { SoftmaxOptions } from './softmax-options.js';

export interface SoftmaxShape {
  readonly name: string;
  readonly capabilities: AttentionCapabilities;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
}

/** Queries [B, H, T, D], keys and values [B, G, S, D]. */
export interface Projected { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor }

/**
 * Attention over a softmax of scores, from how its queries, keys and values are made: what all such variants share, from
 * the norm of queries and keys to the output projection.
 */
export abstract class SoftmaxAttention extends Module implements Attention {
  readonly output: Linear;
  /** Gains of the queryKeyNorm. */
  readonly queryGain: Parameter | undefined;
  readonly keyGain: Parameter | undefined;
  /** A score a head. */
  readonly sinks: Parameter | undefined;
  readonly gate: Linear | undefined;
  readonly innerNorm: Norm | undefined;
  protected readonly shape: SoftmaxShape;
  protected readonly site: AttentionSite;
  readonly #options: SoftmaxOptions;
  readonly #mask: Mask | undefined;
  readonly #scale: number;

  protected constructor(site: AttentionSite, shape: SoftmaxShape, options: SoftmaxOptions) {
    super();
    const { heads: H, kvHeads: G, headWidth: D } = shape, { causal = true, mask, queryKeyNorm } = options, bias = options.bias ?? site.bias;
    if (site.positional.rotate) site.positional.checkHeadWidth?.(D);
    this.output = new Linear({ inputs: H * D, outputs: site.width, bias, initializer: site.initializers.residual });
    const gain = (heads: number): Parameter | undefined => (queryKeyNorm ? new Parameter([queryKeyNorm === 'perHead' ? D : heads * D], { initializer: onesInitializer }) : undefined);
    this.queryGain = gain(H);
    this.keyGain = gain(G);
    this.sinks = options.sinks ? new Parameter([H], { initializer: zerosInitializer }) : undefined;
    this.gate = options.gate ? new Linear({ inputs: site.width, outputs: options.gate === 'perHead' ? H : H * D, bias, initializer: site.initializers.weight }) : undefined;
    this.innerNorm = site.innerNorm?.(H * D);
    this.shape = shape;
    this.site = site;
    this.#options = options;
    this.#mask = causal ? (mask ? and(causalMask, mask) : causalMask) : mask;
    this.#scale = options.scale ?? 1 / Math.sqrt(D);
  }

  /** Queries, keys and values of the input's tokens (or of its context), as projected. */
  protected abstract project(input: AttentionInput): Projected;
  /** Operations of a token's projections to queries, keys and values. */
  protected abstract get projectionFlops(): number;

  forward(input: AttentionInput): Tensor {
    checkAttentionInput(this.shape.name, this.shape.capabilities, input);
    const { heads: H, kvHeads: G, headWidth: D } = this.shape, [B, T] = input.x.shape as [number, number, number];
    const { q, k, v } = this.project(input), { positional } = this.site, turns = this.shape.capabilities.rotate;
    const prepared = (part: Tensor, gain: Parameter | undefined, heads: number, of: 'query' | 'key'): Tensor => {
      const normed = gain ? this.#normalized(part, gain, heads) : part;
      return (turns ? positional.rotate?.(normed, input.positions, of) : undefined) ?? normed;
    };
    const queries = prepared(q, this.queryGain, H, 'query'), keys = prepared(k, this.keyGain, G, 'key');
    const mixed = this.#attend(input, queries, keys, v);
    return this.#finish(input.x, mixed.permute(0, 2, 1, 3), [B, T, H, D]);
  }

  #attend({ cache, mask, segments, keyPadding }: AttentionInput, q: Tensor, k: Tensor, v: Tensor): Tensor {
    const own = this.#mask, all = mask && own ? and(own, mask) : mask ?? own;
    const kept = this.shape.capabilities.cross ? undefined : cache; // a context's keys are kept by `project`
    if (kept && (segments || keyPadding)) throw new Error(`${this.shape.name}: a cache holds one document a row, without padding; give neither segments nor keyPadding with it`);
    const remembered = kept && remember(kept, { keys: k, values: v }, own?.reach), [keys, values] = remembered?.parts ?? [k, v];
    const options: AttendOptions = {
      mask: all, score: this.#scoreMod(q, kept?.start ?? 0), scale: this.#scale, softcap: this.#options.softcap, sinks: this.sinks && read(this.sinks),
      segments, keyPadding, places: remembered?.places, dropout: this.site.dropout.attention,
    };
    return attend(q, keys!, values!, options);
  }

  #scoreMod(queries: Tensor, firstQuery: number | Tensor): ScoreMod | undefined {
    return this.shape.capabilities.scoreMod ? this.site.positional.scoreMod?.({ queries, scale: this.#scale, firstQuery }) : undefined;
  }

  #normalized(part: Tensor, gain: Parameter, heads: number): Tensor {
    const epsilon = this.#options.normEpsilon ?? 1e-6;
    if (this.#options.queryKeyNorm === 'perHead') return rmsNorm(part, { gain: read(gain), epsilon });
    const [B, , T, D] = part.shape as [number, number, number, number];
    return rmsNorm(part.permute(0, 2, 1, 3).reshape([B, T, heads * D]), { gain: read(gain), epsilon }).reshape([B, T, heads, D]).permute(0, 2, 1, 3);
  }

  /** Gate, inner norm, output projection: mixed [B, T, H, D]. */
  #finish(x: Tensor, mixed: Tensor, [B, T, H, D]: readonly [number, number, number, number]): Tensor {
    const gate = this.gate?.forward(x).sigmoid().reshape([B, T, H, -1]);
    const joined = (gate ? mixed.mul(gate) : mixed).reshape([B, T, H * D]);
    return dropout(this.output.forward(this.innerNorm?.forward(joined) ?? joined), this.site.dropout.residual);
  }

  flopsPerToken(keys: number): number {
    const { heads: H, headWidth: D } = this.shape, seen = Math.min(keys, this.#mask?.reach ?? keys);
    return this.projectionFlops + (this.gate?.flops ?? 0) + this.output.flops + 4 * H * D * seen;
  }
}

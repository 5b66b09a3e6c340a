import { assign, read, type Tensor } from '@ashlar/tensor';
import {
  Linear, Module, checkAttentionInput, dropout, type Attention, type AttentionCapabilities, type AttentionInput, type AttentionSite, type LayerCache, type Norm,
} from '@ashlar/nn';
import type { Mixed } from './decayed-product.js';

export interface MixerShape {
  readonly name: string;
  readonly capabilities: AttentionCapabilities;
  /** Width of what goes into the output projection. */
  readonly inner: number;
  readonly bias: boolean;
}

/** What a mixer that keeps a state, and not all keys, can do. */
export const recurrentCapabilities: AttentionCapabilities = {
  causal: true, bidirectional: false, cross: false, cache: true, rotate: false, scoreMod: false, arbitraryMask: false, packing: true, keyPadding: false, innerNorm: true, weightDropout: false,
};

/** A mixer whose memory of the tokens before is a state of fixed size: what all of them share. */
export abstract class RecurrentMixer extends Module implements Attention {
  readonly output: Linear;
  readonly innerNorm: Norm | undefined;
  protected readonly shape: MixerShape;
  readonly #residualDropout: number;

  protected constructor(site: AttentionSite, shape: MixerShape) {
    super();
    if (site.dropout.attention > 0) throw new Error(`${shape.name} has no attention weights that could be dropped, got dropout.attention ${site.dropout.attention}; drop what goes into the stream: dropout: { residual: ${site.dropout.attention} }`);
    this.output = new Linear({ inputs: shape.inner, outputs: site.width, bias: shape.bias, initializer: site.initializers.residual });
    this.innerNorm = site.innerNorm?.(shape.inner);
    this.shape = shape;
    this.#residualDropout = site.dropout.residual;
  }

  /** What goes into the output projection: [B, T, inner]. */
  protected abstract mix(input: AttentionInput): Tensor;
  /** Operations of a token's matrix products but for the output projection. */
  protected abstract mixFlops(keys: number): number;

  forward(input: AttentionInput): Tensor {
    checkAttentionInput(this.shape.name, this.shape.capabilities, input);
    if (input.cache && input.segments) throw new Error(`${this.shape.name}: a cache holds one document a row; leave out segments`);
    const mixed = this.mix(input);
    return dropout(this.output.forward(this.innerNorm?.forward(mixed) ?? mixed), this.#residualDropout);
  }

  flopsPerToken(keys: number): number { return this.mixFlops(keys) + this.output.flops; }
}

/** Mixes from the state in the cache, where there is one, and leaves the new state there: [B, H, D, E]. Gives [B, H, T, E]. */
export function remembering(cache: LayerCache | undefined, shape: readonly [number, number, number, number], mix: (state: Tensor | undefined) => Mixed): Tensor {
  const variable = cache?.state('state', { shape, dtype: 'f32', tokens: 0, rolls: false });
  const { output, state } = mix(variable && read(variable));
  if (variable) assign(variable, state);
  return output;
}

/** x [B, T, H·D] → [B, H, T, D] */
export const toHeads = (x: Tensor, heads: number): Tensor => x.reshape([x.shape[0]!, x.shape[1]!, heads, x.shape[2]! / heads]).permute(0, 2, 1, 3);

/** x [B, T, H] → [B, H, T] */
export const perHead = (x: Tensor): Tensor => x.permute(0, 2, 1);

/** [B, H, T, E] → [B, T, H, E] */
export const byToken = (x: Tensor): Tensor => x.permute(0, 2, 1, 3);

/** x / √(Σ x² + 10⁻⁶) over the last axis. */
export const unitLength = (x: Tensor): Tensor => x.mul(x.square().sum(-1, { keepDims: true }).add(1e-6).rsqrt());

/** log (1 + exp x), without overflow. */
export const softplus = (x: Tensor): Tensor => x.maximum(0).add(x.abs().neg().exp().add(1).log());

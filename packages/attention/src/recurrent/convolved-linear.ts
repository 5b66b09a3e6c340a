import type { Tensor } from '@ashlar/tensor';
import { Linear, silu, type LayerCache, type LinearOptions } from '@ashlar/nn';
import { toHeads } from './recurrent-mixer.js';
import { ShortConvolution } from './short-convolution.js';

export interface ConvolvedLinearOptions extends LinearOptions {
  readonly heads: number;
  /** How many tokens the convolution sees; 1: there is none. */
  readonly convolution: number;
}

/** silu of a projection, after a short convolution, in heads. */
export class ConvolvedLinear extends Linear {
  readonly convolution: ShortConvolution | undefined;
  readonly #heads: number;

  constructor({ heads, convolution, ...options }: ConvolvedLinearOptions) {
    super(options);
    this.convolution = convolution > 1 ? new ShortConvolution({ channels: options.outputs, width: convolution, bias: false }) : undefined;
    this.#heads = heads;
  }

  /** x [B, T, C] → f32 [B, H, T, D]. @param name Of the convolution's state in the cache. */
  inHeads(x: Tensor, cache: LayerCache | undefined, name: string): Tensor {
    const projected = this.forward(x);
    return toHeads(this.convolution ? this.convolution.forward(projected, cache, name) : silu(projected), this.#heads).cast('f32');
  }
}

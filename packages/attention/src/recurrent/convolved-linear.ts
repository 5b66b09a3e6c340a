import type { Tensor } from '@ashlar/tensor';
import { Linear, silu, type AttentionInput, type LinearOptions } from '@ashlar/nn';
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

  /** Its x, [B, T, C], to f32 [B, H, T, D]. @param name Of the convolution's state in the cache. */
  inHeads(input: Pick<AttentionInput, 'x' | 'cache' | 'segments'>, name: string): Tensor {
    const projected = this.forward(input.x);
    return toHeads(this.convolution ? this.convolution.forward(projected, input, name) : silu(projected), this.#heads).cast('f32');
  }
}

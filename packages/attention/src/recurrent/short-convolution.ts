import { assign, concat, read, where, zeros, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, normalInitializer, requireCount, silu, zerosInitializer, type AttentionInput } from '@ashlar/nn';

export interface ShortConvolutionOptions {
  readonly channels: number;
  /** How many tokens each sees, itself the last. */
  readonly width: number;
  readonly bias: boolean;
}

/**
 * silu(Σ_w weight[c, w] x[t − width + 1 + w, c] + bias[c]), each channel on its own: x [B, T, channels] → the same shape.
 * Tokens before the first are 0. A cache keeps the last width − 1.
 */
export class ShortConvolution extends Module {
  /** [channels, width] */
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor({ channels, width, bias }: ShortConvolutionOptions) {
    super();
    requireCount('convolution', 'width', width, 2);
    this.weight = new Parameter([channels, width], { initializer: normalInitializer(1 / Math.sqrt(width)) });
    this.bias = bias ? new Parameter([channels], { initializer: zerosInitializer }) : undefined;
  }

  /** @param name Of its state in the cache. @param segments The number of each token's document, i32 [B, T]: it sees no other. */
  forward(x: Tensor, { cache, segments }: Pick<AttentionInput, 'cache' | 'segments'>, name: string): Tensor {
    const [B, T, channels] = x.shape as [number, number, number], width = this.weight.shape[1]!, kept = width - 1;
    const variable = cache?.state(name, { shape: [B, kept, channels], dtype: 'f32', tokens: 0, rolls: false });
    const known = variable ? concat([read(variable).cast(x.dtype), x], 1) : x.pad(undefined, [kept, 0]);
    if (variable) assign(variable, known.slice(undefined, [T, T + kept]).cast('f32'));
    /** What stands `back` tokens before each, where it is of the same document. */
    const own = (earlier: Tensor, back: number): Tensor => {
      if (!segments || back === 0) return earlier;
      if (back >= T) return zeros(earlier.shape, earlier.dtype);
      const same = segments.slice(undefined, [back, T]).eq(segments.slice(undefined, [0, T - back])).pad(undefined, [back, 0]);
      return where(same.reshape([B, T, 1]), earlier, 0);
    };
    const columns = read(this.weight).transpose();
    const terms = Array.from({ length: width }, (_, w) => own(known.slice(undefined, [w, w + T]), kept - w).mul(columns.at(w)));
    const sum = terms.reduce((total, term) => total.add(term));
    return silu(this.bias ? sum.add(read(this.bias)) : sum);
  }
}

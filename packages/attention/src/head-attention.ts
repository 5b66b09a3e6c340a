import { read, rmsNorm, type Tensor } from '@ashlar/tensor';
import { Parameter, onesInitializer, type AttentionInput, type AttentionSite } from '@ashlar/nn';
import { remember } from './remembered-keys.js';
import { SoftmaxAttention, type Projected, type SoftmaxShape } from './softmax-attention.js';
import type { SoftmaxOptions } from './softmax-options.js';

/** Softmax attention whose heads are projections that may be normalized, turn as a whole, and are cached as they are. */
export abstract class HeadAttention extends SoftmaxAttention {
  /** Gains of the queryKeyNorm. */
  readonly queryGain: Parameter | undefined;
  readonly keyGain: Parameter | undefined;
  readonly #norm: SoftmaxOptions['queryKeyNorm'];
  readonly #epsilon: number;

  protected constructor(site: AttentionSite, shape: SoftmaxShape, options: SoftmaxOptions) {
    super(site, shape, options);
    const { heads, kvHeads, headWidth: D } = shape, { queryKeyNorm } = options;
    if (shape.capabilities.rotate && site.positional.rotate) site.positional.checkHeadWidth?.(D);
    const gain = (count: number): Parameter | undefined => (queryKeyNorm ? new Parameter([queryKeyNorm === 'perHead' ? D : count * D], { initializer: onesInitializer }) : undefined);
    this.queryGain = gain(heads);
    this.keyGain = gain(kvHeads);
    this.#norm = queryKeyNorm;
    this.#epsilon = options.normEpsilon ?? 1e-6;
  }

  /** Queries, keys and values of the input's tokens, as projected. */
  protected abstract project(input: AttentionInput): Projected;

  protected mix(input: AttentionInput): Tensor {
    const { q, k, v } = this.project(input), { cache } = input;
    const queries = this.prepared(q, input, 'query'), keys = this.prepared(k, input, 'key');
    if (!cache || this.shape.capabilities.cross) return this.attendTo(input, { q: queries, k: keys, v }, { firstQuery: 0 });
    const { parts: [allKeys, allValues], places, keyPadding } = remember(cache, { keys, values: v }, this.mask?.reach, input);
    return this.attendTo({ ...input, keyPadding }, { q: queries, k: allKeys!, v: allValues! }, { firstQuery: cache.start, places });
  }

  /** Heads [B, H or G, T, D] of a projection. */
  protected split(projected: Tensor, heads: number): Tensor {
    const [B, T] = projected.shape as [number, number, number];
    return projected.reshape([B, T, heads, this.shape.headWidth]).permute(0, 2, 1, 3);
  }

  /** Normalized and turned. */
  protected prepared(part: Tensor, { positions }: AttentionInput, of: 'query' | 'key'): Tensor {
    const gain = of === 'query' ? this.queryGain : this.keyGain, normed = gain ? this.#normalized(part, gain) : part;
    return (this.shape.capabilities.rotate ? this.site.positional.rotate?.(normed, positions, of) : undefined) ?? normed;
  }

  #normalized(part: Tensor, parameter: Parameter): Tensor {
    const options = { gain: read(parameter), epsilon: this.#epsilon };
    if (this.#norm === 'perHead') return rmsNorm(part, options);
    const [B, heads, T, D] = part.shape as [number, number, number, number];
    return rmsNorm(part.permute(0, 2, 1, 3).reshape([B, T, heads * D]), options).reshape([B, T, heads, D]).permute(0, 2, 1, 3);
  }
}

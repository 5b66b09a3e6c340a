import type { Tensor } from '@ashlar/tensor';
import { Linear, requireCount, stackedInitializer, type AttentionInput, type AttentionSite, type AttentionVariant } from '@ashlar/nn';
import { HeadAttention } from './head-attention.js';
import { headShape } from './head-width.js';
import type { Projected, SoftmaxShape } from './softmax-attention.js';
import { checkSoftmaxOptions, softmaxCapabilities, type SoftmaxOptions } from './softmax-options.js';

export interface MultiHeadOptions extends SoftmaxOptions {
  /** H */
  readonly heads: number;
  /** D; default C / H. */
  readonly headWidth?: number | undefined;
}

/** Internal: `multiHead` makes it. */
export class MultiHead extends HeadAttention {
  /** Queries, keys and values in one product: weight [3 H D, C]. */
  readonly qkv: Linear;

  constructor(site: AttentionSite, shape: SoftmaxShape, options: MultiHeadOptions) {
    super(site, shape, options);
    const { weight, query = weight, value } = site.initializers, rows = shape.heads * shape.headWidth;
    this.qkv = new Linear({ inputs: site.width, outputs: 3 * rows, bias: options.bias ?? site.bias, initializer: stackedInitializer([[rows, query], [rows, weight], [rows, value]]) });
  }

  protected project({ x }: AttentionInput): Projected {
    const [q, k, v] = this.qkv.forward(x).split(3).map((part) => this.split(part, this.shape.heads)) as [Tensor, Tensor, Tensor];
    return { q, k, v };
  }

  protected get projectionFlops(): number { return this.qkv.flops; }
}

/**
 * softmax(scale · Q Kᵀ) V in H heads, each with queries, keys and values of its own; x [B, T, C] → [B, T, C].
 * Vaswani et al. 2017, arXiv 1706.03762.
 * @param name Of the variant in messages, where another is made from this one by its mask and score.
 * @throws {RangeError} where heads does not divide the width and no headWidth is given, or an option cannot be.
 */
export function multiHead(options: MultiHeadOptions, name = 'multiHead'): AttentionVariant {
  requireCount(name, 'heads', options.heads);
  checkSoftmaxOptions(name, options);
  const capabilities = softmaxCapabilities(options), heads = (width: number) => headShape(name, width, options.heads, options.headWidth);
  return {
    contract: 'attention/1', name, capabilities, heads,
    build: (site) => new MultiHead(site, { name, capabilities, heads: options.heads, kvHeads: options.heads, headWidth: heads(site.width).width }, options),
  };
}

import { Linear, type AttentionInput, type AttentionSite, type AttentionVariant, type Initializer } from '@ashlar/nn';
import { HeadAttention } from './head-attention.js';
import { headShape } from './head-width.js';
import type { MultiHeadOptions } from './multi-head.js';
import type { Projected, SoftmaxShape } from './softmax-attention.js';
import { checkHeads, checkSoftmaxOptions, softmaxCapabilities } from './softmax-options.js';

export interface GroupedOptions extends MultiHeadOptions {
  /** G, a divisor of heads: query head h reads key/value head ⌊h G / H⌋. 1 is multi-query attention. */
  readonly kvHeads: number;
}

/** Internal: `grouped` makes it. */
export class Grouped extends HeadAttention {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;

  constructor(site: AttentionSite, shape: SoftmaxShape, options: GroupedOptions) {
    super(site, shape, options);
    const { weight, query = weight, value } = site.initializers;
    const projection = (heads: number, initializer: Initializer): Linear => new Linear({ inputs: site.width, outputs: heads * shape.headWidth, bias: options.bias ?? site.bias, initializer });
    this.query = projection(shape.heads, query);
    this.key = projection(shape.kvHeads, weight);
    this.value = projection(shape.kvHeads, value);
  }

  protected project({ x }: AttentionInput): Projected {
    const { heads, kvHeads } = this.shape;
    return { q: this.split(this.query.forward(x), heads), k: this.split(this.key.forward(x), kvHeads), v: this.split(this.value.forward(x), kvHeads) };
  }

  protected get projectionFlops(): number { return this.query.flops + this.key.flops + this.value.flops; }
}

/**
 * softmax(scale · Q[h] K[g]ᵀ) V[g], with g = ⌊h G / H⌋: H query heads over G ≤ H shared key/value heads; x [B, T, C] →
 * [B, T, C]. Ainslie et al. 2023, arXiv 2305.13245; with kvHeads 1: Shazeer 2019, arXiv 1911.02150.
 * @param name Of the variant in messages, where another is made from this one by its mask and score.
 * @throws {RangeError} where kvHeads does not divide heads, heads not the width and no headWidth is given, or an option cannot be.
 */
export function grouped(options: GroupedOptions, name = 'grouped'): AttentionVariant {
  checkHeads(name, options.heads, options.kvHeads);
  checkSoftmaxOptions(name, options);
  const capabilities = softmaxCapabilities(options), heads = (width: number) => headShape(name, width, options.heads, options.headWidth);
  return {
    contract: 'attention/1', name, capabilities, heads,
    build: (site) => new Grouped(site, { name, capabilities, heads: options.heads, kvHeads: options.kvHeads, headWidth: heads(site.width).width }, options),
  };
}

import type { Tensor } from '@ashlar/tensor';
import { Linear, Module, dropout, requireCount, type Norm, type Attention, type AttentionInput, type AttentionSite, type AttentionVariant } from '@ashlar/nn';
import { headWidthOf } from './head-width.js';
import type { MultiHeadOptions } from './multi-head.js';
import { softmaxAttention, softmaxCapabilities } from './softmax-attention.js';

export interface GroupedOptions extends MultiHeadOptions {
  /** G, a divisor of heads: query head h reads key/value head ⌊h G / H⌋. 1 is multi-query attention. */
  readonly kvHeads: number;
}

class Grouped extends Module implements Attention {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  /** Of what goes into the output projection, where the residual scheme asks for it. */
  readonly innerNorm: Norm | undefined;
  readonly output: Linear;
  readonly #options: Required<Omit<GroupedOptions, 'bias'>>;
  readonly #site: AttentionSite;

  constructor(site: AttentionSite, { heads, kvHeads, headWidth, bias = site.bias, causal = true, scale }: GroupedOptions) {
    super();
    const D = headWidthOf('grouped', site, heads, headWidth);
    const projection = (count: number, initializer = site.initializers.weight): Linear => new Linear({ inputs: site.width, outputs: count * D, bias, initializer });
    this.query = projection(heads);
    this.key = projection(kvHeads);
    this.value = projection(kvHeads, site.initializers.value);
    this.innerNorm = site.innerNorm?.(heads * D);
    this.output = new Linear({ inputs: heads * D, outputs: site.width, bias, initializer: site.initializers.residual });
    this.#options = { heads, kvHeads, headWidth: D, causal, scale: scale ?? 1 / Math.sqrt(D) };
    this.#site = site;
  }

  forward({ x, positions }: AttentionInput): Tensor {
    const { heads: H, kvHeads: G, headWidth: D, causal, scale } = this.#options, { positional } = this.#site, [B, T] = x.shape as [number, number, number];
    const split = (projection: Linear, count: number): Tensor => projection.forward(x).reshape([B, T, count, D]).permute(0, 2, 1, 3);
    const mixed = softmaxAttention({ q: split(this.query, H), k: split(this.key, G), v: split(this.value, G), positions, positional, causal, scale, dropout: this.#site.dropout.attention })
      .permute(0, 2, 1, 3).reshape([B, T, H * D]);
    return dropout(this.output.forward(this.innerNorm?.forward(mixed) ?? mixed), this.#site.dropout.residual);
  }

  flopsPerToken(keys: number): number {
    return this.query.flops + this.key.flops + this.value.flops + this.output.flops + 4 * this.#options.heads * this.#options.headWidth * keys;
  }
}

/**
 * Attention of H query heads over G ≤ H shared key/value heads; x [B, T, C] → [B, T, C]. Ainslie et al. 2023, arXiv
 * 2305.13245; with kvHeads 1: Shazeer 2019, arXiv 1911.02150.
 * @throws {RangeError} where kvHeads does not divide heads, or heads not the width and no headWidth is given.
 */
export function grouped(options: GroupedOptions): AttentionVariant {
  requireCount('grouped', 'heads', options.heads);
  requireCount('grouped', 'kvHeads', options.kvHeads);
  if (options.heads % options.kvHeads !== 0) throw new RangeError(`grouped: kvHeads must divide heads (${options.heads}), got ${options.kvHeads}`);
  return {
    contract: 'attention/1', name: 'grouped', capabilities: softmaxCapabilities(options.causal ?? true),
    heads: (width) => ({ count: options.heads, width: options.headWidth ?? width / options.heads }), build: (site) => new Grouped(site, options),
  };
}

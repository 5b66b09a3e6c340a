import type { Tensor } from '@ashlar/tensor';
import { Linear, Module, dropout, requireCount, stackedInitializer, type Norm, type Attention, type AttentionInput, type AttentionSite, type AttentionVariant } from '@ashlar/nn';
import { headWidthOf } from './head-width.js';
import { softmaxAttention, softmaxCapabilities } from './softmax-attention.js';

export interface MultiHeadOptions {
  /** H */
  readonly heads: number;
  /** D; default C / H. */
  readonly headWidth?: number;
  /** Of all projections; default: that of the model. */
  readonly bias?: boolean;
  /** Whether a token sees only itself and those before it. Default true. */
  readonly causal?: boolean;
  /** Factor of the scores; default 1/√D. */
  readonly scale?: number;
}

class MultiHead extends Module implements Attention {
  /** Queries, keys and values in one product: weight [3 H D, C]. */
  readonly qkv: Linear;
  /** Of what goes into the output projection, where the residual scheme asks for it. */
  readonly innerNorm: Norm | undefined;
  readonly output: Linear;
  readonly #options: Required<Omit<MultiHeadOptions, 'bias'>>;
  readonly #site: AttentionSite;

  constructor(site: AttentionSite, { heads, headWidth, bias = site.bias, causal = true, scale }: MultiHeadOptions) {
    super();
    const D = headWidthOf('multiHead', site, heads, headWidth);
    this.qkv = new Linear({ inputs: site.width, outputs: 3 * heads * D, bias, initializer: stackedInitializer([[2 * heads * D, site.initializers.weight], [heads * D, site.initializers.value]]) });
    this.innerNorm = site.innerNorm?.(heads * D);
    this.output = new Linear({ inputs: heads * D, outputs: site.width, bias, initializer: site.initializers.residual });
    this.#options = { heads, headWidth: D, causal, scale: scale ?? 1 / Math.sqrt(D) };
    this.#site = site;
  }

  forward({ x, positions }: AttentionInput): Tensor {
    const { heads: H, headWidth: D, causal, scale } = this.#options, { positional } = this.#site, [B, T] = x.shape as [number, number, number];
    const [q, k, v] = this.qkv.forward(x).split(3).map((part) => part.reshape([B, T, H, D]).permute(0, 2, 1, 3)) as [Tensor, Tensor, Tensor];
    const mixed = softmaxAttention({ q, k, v, positions, positional, causal, scale, dropout: this.#site.dropout.attention }).permute(0, 2, 1, 3).reshape([B, T, H * D]);
    return dropout(this.output.forward(this.innerNorm?.forward(mixed) ?? mixed), this.#site.dropout.residual);
  }

  flopsPerToken(keys: number): number { return this.qkv.flops + this.output.flops + 4 * this.#options.heads * this.#options.headWidth * keys; }
}

/**
 * softmax(scale · Q Kᵀ) V in H heads, each with queries, keys and values of its own; x [B, T, C] → [B, T, C].
 * Vaswani et al. 2017, arXiv 1706.03762.
 * @throws {RangeError} where heads does not divide the width and no headWidth is given.
 */
export function multiHead(options: MultiHeadOptions): AttentionVariant {
  requireCount('multiHead', 'heads', options.heads);
  return {
    contract: 'attention/1', name: 'multiHead', capabilities: softmaxCapabilities(options.causal ?? true),
    heads: (width) => ({ count: options.heads, width: options.headWidth ?? width / options.heads }), build: (site) => new MultiHead(site, options),
  };
}

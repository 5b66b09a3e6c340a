import { arange, concat, type Tensor } from '@ashlar/tensor';
import { Linear, requireCount, stackedInitializer, type AttentionInput, type AttentionSite, type AttentionVariant } from '@ashlar/nn';
import { HeadAttention } from './head-attention.js';
import { headShape } from './head-width.js';
import { or } from './masks/combine.js';
import { globalTokens } from './masks/global-tokens.js';
import { symmetricWindow } from './masks/symmetric-window.js';
import type { Projected, SoftmaxShape } from './softmax-attention.js';
import { checkSoftmaxOptions, softmaxCapabilities, type SoftmaxOptions } from './softmax-options.js';

export interface LongformerOptions extends Omit<SoftmaxOptions, 'causal' | 'mask'> {
  /** H */
  readonly heads: number;
  /** D; default C / H. */
  readonly headWidth?: number | undefined;
  /** How many keys a token sees, itself and as many on either side: odd. */
  readonly windowKeys: number;
  /** How many tokens, the first ones, see all and are seen by all. */
  readonly globalTokens: number;
}

class Longformer extends HeadAttention {
  /** Of all tokens: weight [3 H D, C]. */
  readonly qkv: Linear;
  /** For the rows of the global tokens: queries of those, keys and values of all. */
  readonly globalQkv: Linear;
  readonly #globals: number;

  constructor(site: AttentionSite, shape: SoftmaxShape, options: LongformerOptions) {
    super(site, shape, { ...options, causal: false, mask: or(symmetricWindow(options.windowKeys), globalTokens(options.globalTokens)) });
    const { weight, query = weight, value } = site.initializers, rows = shape.heads * shape.headWidth;
    const projections = (): Linear => new Linear({ inputs: site.width, outputs: 3 * rows, bias: options.bias ?? site.bias, initializer: stackedInitializer([[rows, query], [rows, weight], [rows, value]]) });
    this.qkv = projections();
    this.globalQkv = projections();
    this.#globals = options.globalTokens;
  }

  protected project({ x }: AttentionInput): Projected { return this.#projected(this.qkv, x); }

  #projected(projection: Linear, x: Tensor): Projected {
    const [q, k, v] = projection.forward(x).split(3).map((part) => this.split(part, this.shape.heads)) as [Tensor, Tensor, Tensor];
    return { q, k, v };
  }

  protected override mix(input: AttentionInput): Tensor {
    const T = input.x.shape[1]!, globals = Math.min(this.#globals, T), rows = (x: Tensor, from: number, to: number): Tensor => x.slice(undefined, undefined, [from, to]);
    /** The queries from one row to another, with their projections. */
    const part = ({ q, k, v }: Projected, from: number, to: number): Tensor => this.attendTo(
      input, { q: rows(this.prepared(q, input, 'query'), from, to), k: this.prepared(k, input, 'key'), v },
      { firstQuery: from, ...(to < T ? { places: { q: arange(to), k: arange(T) } } : {}) }, // the last queries stand where attention takes them to be
    );
    const whole = part(this.#projected(this.globalQkv, input.x), 0, globals);
    return globals === T ? whole : concat([whole, part(this.project(input), globals, T)], 2);
  }

  protected get projectionFlops(): number { return this.qkv.flops + this.globalQkv.flops; }

}

/**
 * softmax(scale · Q Kᵀ, over |q − k| ≤ (windowKeys − 1) / 2 and global tokens) V: a window of `windowKeys` keys about each
 * token, and global tokens that see all and are seen by all. The global tokens' rows have projections of their own; the
 * other rows take one softmax over global keys and window, in which a key counts once. x [B, T, C] → [B, T, C], both
 * ways. Beltagy et al. 2020, arXiv 2004.05150.
 * @throws {RangeError} where windowKeys is not odd, or an option cannot be.
 */
export function longformer(options: LongformerOptions): AttentionVariant {
  requireCount('longformer', 'heads', options.heads);
  symmetricWindow(options.windowKeys);
  globalTokens(options.globalTokens);
  checkSoftmaxOptions('longformer', options);
  const capabilities = { ...softmaxCapabilities({ causal: false }), packing: false }, heads = (width: number) => headShape('longformer', width, options.heads, options.headWidth);
  return {
    contract: 'attention/1', name: 'longformer', capabilities, heads,
    build: (site) => new Longformer(site, { name: 'longformer', capabilities, heads: options.heads, kvHeads: options.heads, headWidth: heads(site.width).width, seen: options.windowKeys + options.globalTokens }, options),
  };
}

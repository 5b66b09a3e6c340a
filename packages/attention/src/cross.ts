import { assign, read, zeros, type Tensor } from '@ashlar/tensor';
import { Linear, type AttentionInput, type AttentionSite, type AttentionVariant, type Initializer } from '@ashlar/nn';
import { HeadAttention } from './head-attention.js';
import { headShape } from './head-width.js';
import type { Projected, SoftmaxShape } from './softmax-attention.js';
import { checkHeads, checkSoftmaxOptions, softmaxCapabilities, type SoftmaxOptions } from './softmax-options.js';

export interface CrossOptions extends Omit<SoftmaxOptions, 'causal'> {
  /** H */
  readonly heads: number;
  /** G, a divisor of heads; default heads. */
  readonly kvHeads?: number | undefined;
  /** D; default C / H. */
  readonly headWidth?: number | undefined;
}

class Cross extends HeadAttention {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;

  constructor(site: AttentionSite, shape: SoftmaxShape, options: CrossOptions) {
    super(site, shape, { ...options, causal: false });
    const { weight, query = weight, value } = site.initializers, { heads, kvHeads, headWidth } = shape;
    const projection = (inputs: number, count: number, initializer: Initializer): Linear => new Linear({ inputs, outputs: count * headWidth, bias: options.bias ?? site.bias, initializer });
    this.query = projection(site.width, heads, query);
    this.key = projection(site.contextWidth ?? site.width, kvHeads, weight);
    this.value = projection(site.contextWidth ?? site.width, kvHeads, value);
  }

  protected override mix(input: AttentionInput): Tensor { return super.mix({ ...input, keyPadding: this.#padding(input) }); }

  /** The context's padding; a cache of fixed size keeps it. */
  #padding({ context, keyPadding, cache }: AttentionInput): Tensor | undefined {
    if (!cache || cache.join) return keyPadding;
    const name = 'contextPadding', known = cache.has(name);
    if (!context) {
      if (keyPadding) throw new Error('cross: the cache keeps the padding of the context; give it with the context, in the first call');
      return known ? read(cache.state(name)).ne(0) : undefined;
    }
    if (keyPadding || known) {
      const shape = context.shape.slice(0, 2), padding = keyPadding?.cast('i32') ?? zeros(shape, 'i32');
      assign(cache.state(name, { shape, dtype: 'i32', tokens: Infinity, rolls: true }), padding);
    }
    return keyPadding;
  }

  protected project({ x, context, cache }: AttentionInput): Projected {
    const { heads, kvHeads } = this.shape, q = this.split(this.query.forward(x), heads);
    if (!context) {
      if (!cache?.has('contextKeys')) throw new Error('cross: context is missing: what the keys and values come from, [B, S, C′]; a cache keeps it from the first call on');
      return { q, k: read(cache.state('contextKeys')), v: read(cache.state('contextValues')) };
    }
    const of = (projection: Linear): Tensor => { const part = this.split(projection.forward(context), kvHeads); return part.cast(cache?.dtype ?? part.dtype); }, k = of(this.key), v = of(this.value);
    if (cache?.join) return { q, k: cache.join('contextKeys', k), v: cache.join('contextValues', v) };
    if (cache) for (const [name, part] of [['contextKeys', k], ['contextValues', v]] as const) assign(cache.state(name, { shape: part.shape, dtype: part.dtype, tokens: Infinity, rolls: true }), part);
    return { q, k, v };
  }

  protected get projectionFlops(): number { return this.query.flops; }
  flopsPerContextToken(): number { return this.key.flops + this.value.flops; }
}

/**
 * softmax(scale · Q(x) K(context)ᵀ) V(context): queries of one sequence, keys and values of another, all of which each
 * query sees: x [B, T, C] and context [B, S, C′] give [B, T, C]. A cache keeps the context's keys and values: it is given
 * with the first call alone. Vaswani et al. 2017, arXiv 1706.03762.
 * @throws {RangeError} where kvHeads does not divide heads, heads not the width and no headWidth is given, or an option cannot be.
 */
export function cross(options: CrossOptions): AttentionVariant {
  const kvHeads = options.kvHeads ?? options.heads;
  checkHeads('cross', options.heads, kvHeads);
  checkSoftmaxOptions('cross', options);
  const capabilities = { ...softmaxCapabilities({ causal: false }), cross: true, cache: true, rotate: false, scoreMod: false, packing: false, prefix: false };
  const heads = (width: number) => headShape('cross', width, options.heads, options.headWidth);
  return {
    contract: 'attention/1', name: 'cross', capabilities, heads,
    build: (site) => new Cross(site, { name: 'cross', capabilities, heads: options.heads, kvHeads, headWidth: heads(site.width).width }, options),
  };
}

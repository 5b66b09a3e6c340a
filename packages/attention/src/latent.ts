import { concat, read, rmsNorm, type Tensor } from '@ashlar/tensor';
import { Linear, Parameter, onesInitializer, requireCount, type AttentionInput, type AttentionSite, type AttentionVariant, type Initializer } from '@ashlar/nn';
import { headShape } from './head-width.js';
import { remember, type Remembered } from './remembered-keys.js';
import { SoftmaxAttention, type SoftmaxShape } from './softmax-attention.js';
import { checkSoftmaxOptions, softmaxCapabilities, type SoftmaxOptions } from './softmax-options.js';

export interface LatentOptions extends Omit<SoftmaxOptions, 'queryKeyNorm' | 'normEpsilon'> {
  /** H */
  readonly heads: number;
  /** Width of the latent that keys and values are made of: what a cache keeps of a token, beside the turning part. */
  readonly kvRank: number;
  /** Width of the latent that queries are made of; default: none, they are projected as they are. */
  readonly queryRank?: number | undefined;
  /** Width of the part of queries and keys that does not turn; default C / H. */
  readonly headWidth?: number | undefined;
  /** Width of the part that turns with the position; a key has one for all heads. Even. */
  readonly rotatedWidth: number;
  /** Width of the values; default headWidth. */
  readonly valueWidth?: number | undefined;
  /** ε of the latents' norms; default 1e-6. */
  readonly latentEpsilon?: number | undefined;
}

interface Widths { readonly plain: number; readonly rotated: number; readonly value: number; readonly rank: number }

class Latent extends SoftmaxAttention {
  /** x to its query latent, where there is one. */
  readonly queryDown: Linear | undefined;
  readonly queryGain: Parameter | undefined;
  /** Of each head, plain part and rotated part: weight [H (D + P), …]. */
  readonly query: Linear;
  /** x to the latent of keys and values and the key's rotated part: weight [R + P, C]. */
  readonly keyValueDown: Linear;
  readonly latentGain: Parameter;
  /** The latent to keys, weight [H D, R], and to values, [H V, R]. */
  readonly keyUp: Linear;
  readonly valueUp: Linear;
  readonly #widths: Widths;
  readonly #epsilon: number;

  constructor(site: AttentionSite, shape: SoftmaxShape, widths: Widths, options: LatentOptions) {
    super(site, shape, options);
    const { weight, query = weight, value } = site.initializers, { heads: H } = shape, { plain, rotated, rank } = widths, bias = options.bias ?? site.bias, { queryRank } = options;
    if (site.positional.rotate) site.positional.checkHeadWidth?.(rotated);
    const linear = (inputs: number, outputs: number, initializer: Initializer, biased: boolean): Linear => new Linear({ inputs, outputs, bias: biased, initializer });
    this.queryDown = queryRank === undefined ? undefined : linear(site.width, queryRank, weight, bias);
    this.queryGain = queryRank === undefined ? undefined : new Parameter([queryRank], { initializer: onesInitializer });
    this.query = linear(queryRank ?? site.width, H * (plain + rotated), query, bias);
    this.keyValueDown = linear(site.width, rank + rotated, weight, bias);
    this.latentGain = new Parameter([rank], { initializer: onesInitializer });
    this.keyUp = linear(rank, H * plain, weight, false);
    this.valueUp = linear(rank, H * widths.value, value, false);
    this.#widths = widths;
    this.#epsilon = options.latentEpsilon ?? 1e-6;
  }

  protected mix(input: AttentionInput): Tensor {
    const { x, positions, cache } = input, { plain, rotated, rank } = this.#widths, H = this.shape.heads, [B, T] = x.shape as [number, number, number];
    const turned = (part: Tensor, of: 'query' | 'key'): Tensor => this.site.positional.rotate?.(part, positions, of) ?? part;
    const q = this.query.forward(this.queryDown ? this.#normalized(this.queryDown.forward(x), this.queryGain!) : x).reshape([B, T, H, plain + rotated]).permute(0, 2, 1, 3);
    const plainQuery = columns(q, 0, plain), turnedQuery = turned(columns(q, plain, plain + rotated), 'query');
    const down = this.keyValueDown.forward(x).reshape([B, 1, T, rank + rotated]);
    const latent = this.#normalized(columns(down, 0, rank), this.latentGain), turnedKey = turned(columns(down, rank, rank + rotated), 'key');
    if (!cache) return this.#unfolded(input, plainQuery, turnedQuery, latent, turnedKey);
    const { parts: [latents, turnedKeys], places, keyPadding } = remember(cache, { latents: latent, turnedKeys: turnedKey }, this.mask?.reach, input);
    return this.#folded({ ...input, keyPadding }, plainQuery, turnedQuery, latents!, turnedKeys!, places);
  }

  /** Keys and values of every head are made from the latent. */
  #unfolded(input: AttentionInput, plainQuery: Tensor, turnedQuery: Tensor, latent: Tensor, turnedKey: Tensor): Tensor {
    const { plain, rotated, value } = this.#widths, { heads: H } = this.shape, [B, , S, rank] = latent.shape as [number, number, number, number];
    const up = (projection: Linear, width: number): Tensor => projection.forward(latent.reshape([B, S, rank])).reshape([B, S, H, width]).permute(0, 2, 1, 3);
    const width = Math.max(plain + rotated, value), q = widened(concat([plainQuery, turnedQuery], 3), width);
    const k = widened(concat([up(this.keyUp, plain), turnedKey.broadcastTo([B, H, S, rotated])], 3), width), v = widened(up(this.valueUp, value), width);
    return columns(this.attendTo(input, { q, k, v }, { firstQuery: 0, queries: columns(q, 0, plain + rotated) }), 0, value);
  }

  /** The same with the projections from the latent folded into queries and results: all heads read the latents themselves. */
  #folded(input: AttentionInput, plainQuery: Tensor, turnedQuery: Tensor, latents: Tensor, turnedKeys: Tensor, places: Remembered['places']): Tensor {
    const { plain, rotated, value, rank } = this.#widths, { heads: H } = this.shape;
    const q = concat([plainQuery.matmul(read(this.keyUp.weight).reshape([1, H, plain, rank])), turnedQuery], 3);
    const mixed = this.attendTo(input, { q, k: concat([latents, turnedKeys], 3), v: widened(latents, rank + rotated) }, { firstQuery: input.cache!.start, queries: concat([plainQuery, turnedQuery], 3), places });
    return columns(mixed, 0, rank).matmul(read(this.valueUp.weight).reshape([1, H, value, rank]).transpose());
  }

  #normalized(part: Tensor, gain: Parameter): Tensor { return rmsNorm(part, { gain: read(gain), epsilon: this.#epsilon }); }

  protected get projectionFlops(): number { return (this.queryDown?.flops ?? 0) + this.query.flops + this.keyValueDown.flops + this.keyUp.flops + this.valueUp.flops; }
}

const columns = (x: Tensor, from: number, to: number): Tensor => x.slice(...x.shape.map((_, axis) => (axis === x.rank - 1 ? [from, to] as const : undefined)));
const widened = (x: Tensor, width: number): Tensor => x.pad(...x.shape.map((size, axis) => (axis === x.rank - 1 ? [0, width - size] as const : undefined)));

/**
 * Multi-head latent attention: keys and values of all heads are made from one narrow latent a token, c = norm(x Wᵈ), so
 * that a cache keeps R + P numbers a token. Scores are (qᶜ·kᶜ + qᴿ·kᴿ) / √(D + P): kᶜ = c Wᵏ of each head, kᴿ = turned x Wᴿ
 * of all heads. x [B, T, C] → [B, T, C]. DeepSeek-AI 2024, arXiv 2405.04434. The projections from the latent have no bias.
 * @throws {RangeError} where a width cannot be, or heads does not divide the width and no headWidth is given.
 */
export function latent(options: LatentOptions): AttentionVariant {
  const { heads, kvRank, queryRank, rotatedWidth, valueWidth, latentEpsilon } = options;
  requireCount('latent', 'heads', heads);
  requireCount('latent', 'kvRank', kvRank);
  if (queryRank !== undefined) requireCount('latent', 'queryRank', queryRank);
  requireCount('latent', 'rotatedWidth', rotatedWidth, 2);
  if (rotatedWidth % 2 !== 0) throw new RangeError(`latent: rotatedWidth must be even, got ${rotatedWidth}`);
  if (valueWidth !== undefined) requireCount('latent', 'valueWidth', valueWidth);
  if (latentEpsilon !== undefined && !(latentEpsilon > 0)) throw new RangeError(`latent: latentEpsilon must be greater than 0, got ${latentEpsilon}`);
  checkSoftmaxOptions('latent', options);
  const capabilities = softmaxCapabilities(options), plainOf = (width: number): number => headShape('latent', width, heads, options.headWidth).width;
  return {
    contract: 'attention/1', name: 'latent', capabilities, heads: (width) => ({ count: heads, width: plainOf(width) + rotatedWidth }),
    build: (site) => {
      const plain = plainOf(site.width), value = valueWidth ?? plain;
      return new Latent(site, { name: 'latent', capabilities, heads, kvHeads: heads, headWidth: plain + rotatedWidth, valueWidth: value }, { plain, rotated: rotatedWidth, value, rank: kvRank }, options);
    },
  };
}

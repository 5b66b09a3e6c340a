import { describe, expect, test } from 'vitest';
import { arange, assign, attention, read, where, type MaskMod, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { Linear, Module, checkAttentionInput, dropout, type Attention, type AttentionCapabilities, type AttentionInput, type AttentionSite, type AttentionVariant } from '@ashlar/nn';
import { attentionChecks, testAttention, type AttentionReferenceInput, type Rows } from './index.js';

const capabilities: AttentionCapabilities = { causal: true, bidirectional: false, cross: false, cache: true, rotate: false, scoreMod: false, arbitraryMask: true, packing: true, prefix: true, keyPadding: true, innerNorm: false, weightDropout: true };
const windowKeys = 3;

/** What can be wrong with a small windowed attention of one head. */
interface Faults {
  readonly window?: number; readonly scale?: number; readonly future?: boolean; readonly staleCache?: boolean; readonly forgottenPlaces?: boolean;
  readonly noMask?: boolean; readonly noSegments?: boolean; readonly noPrefix?: boolean; readonly widePrefix?: number; readonly noPadding?: boolean; readonly stopped?: boolean; readonly noDropout?: boolean; readonly alwaysDropout?: boolean; readonly takesContext?: boolean;
}

class Small extends Module implements Attention {
  readonly qkv: Linear;
  constructor(readonly site: AttentionSite, readonly faults: Faults) {
    super();
    this.qkv = new Linear({ inputs: site.width, outputs: 3 * site.width, bias: site.bias, initializer: site.initializers.weight });
  }

  forward(input: AttentionInput): Tensor {
    const { faults } = this, { x, cache } = input, [B, T, C] = x.shape as [number, number, number];
    if (!(faults.takesContext && input.context)) checkAttentionInput('small', capabilities, input);
    const parts = this.qkv.forward(x).split(3).map((part) => part.reshape([B, 1, T, C])) as [Tensor, Tensor, Tensor], [q] = parts;
    let [, k, v] = parts;
    if (faults.stopped) v = v.stopGradient();
    let first: Tensor | undefined;
    if (cache) {
      const M = cache.capacity, index = arange(M).sub(cache.start);
      const keep = (name: string, part: Tensor): Tensor => {
        const variable = cache.state(name, { shape: [B, 1, M, C], dtype: 'f32', tokens: M, rolls: false }), inside = index.ge(0).and(index.lt(T)).reshape([M, 1]);
        const after = where(inside, part.permute(2, 0, 1, 3).gather(index.maximum(0)).permute(1, 2, 0, 3), read(variable));
        if (!faults.staleCache) assign(variable, after);
        return after;
      };
      [k, v] = [keep('k', k), keep('v', v)];
      first = faults.forgottenPlaces ? undefined : cache.start;
    }
    const mask: MaskMod = (at) => {
      const place = first ? arange(T).add(first).reshape([1, 1, T, 1]) : at.q, point = { ...at, q: place };
      let seen = point.q.sub(at.k).lt(faults.window ?? windowKeys).and(faults.future ? at.k.sub(point.q).le(1) : input.prefix && !faults.noPrefix ? at.k.le(point.q).or(at.k.lt(input.prefix.add(faults.widePrefix ?? 0).at(at.b))) : at.k.le(point.q));
      if (input.mask && !faults.noMask) seen = seen.and(input.mask(point));
      if (input.segments && !faults.noSegments) seen = seen.and(input.segments.reshape([B, 1, T, 1]).eq(input.segments.reshape([B, 1, 1, T])));
      if (input.keyPadding && !faults.noPadding) seen = seen.and(input.keyPadding.reshape([B, 1, 1, T]).not());
      return seen;
    };
    const mixed = attention(q, k, v, { mask, scale: faults.scale ?? 1 / Math.sqrt(C) }).reshape([B, T, C]);
    const rate = this.site.dropout.attention;
    return faults.noDropout ? mixed : faults.alwaysDropout && rate > 0 ? mixed.mul(1 - rate) : dropout(mixed, rate);
  }

  flopsPerToken(): number { return this.qkv.flops; }
}
const small = (faults: Faults = {}): AttentionVariant => ({ contract: 'attention/1', name: 'small', capabilities, build: (site) => new Small(site, faults) });

function loops({ x, weights }: AttentionReferenceInput): Rows {
  const C = x[0]!.length, weight = weights.get('qkv.weight')!, bias = weights.get('qkv.bias')!;
  const project = (row: readonly number[], from: number): number[] => Array.from({ length: C }, (_, o) => row.reduce((sum, value, i) => sum + value * weight[(from + o) * C + i]!, bias[from + o]!));
  const [q, k, v] = [0, C, 2 * C].map((from) => x.map((row) => project(row, from))) as [number[][], number[][], number[][]];
  return x.map((_, t) => {
    const seen = x.map((__, s) => s).filter((s) => s <= t && t - s < windowKeys);
    const raised = seen.map((s) => Math.exp(q[t]!.reduce((sum, value, c) => sum + value * k[s]![c]!, 0) / Math.sqrt(C))), total = raised.reduce((a, b) => a + b, 0);
    return v[t]!.map((__, c) => seen.reduce((sum, s, i) => sum + raised[i]! / total * v[s]![c]!, 0));
  });
}

testAttention('a small windowed attention', small(), { reference: loops, changed: { scale: small({ scale: 1 }) } });

describe('the kit finds what is wrong', () => {
  const mutants: readonly [string, Faults, RegExp][] = [
    ['a window that is one too wide', { window: windowKeys + 1 }, /values/],
    ['a window that is one too narrow', { window: windowKeys - 1 }, /values/],
    ['no scale', { scale: 1 }, /values/],
    ['a look at the next token', { future: true }, /does not depend on those after it/],
    ['a cache that is never written', { staleCache: true }, /cached/],
    ['a cache whose queries stand at the wrong places', { forgottenPlaces: true }, /cached/],
    ['a mask that is ignored', { noMask: true }, /a mask hides keys/],
    ['documents that are ignored', { noSegments: true }, /documents/],
    ['a prefix that is ignored', { noPrefix: true }, /prefix/],
    ['a prefix that is one too long', { widePrefix: 1 }, /prefix/],
    ['padding that is ignored', { noPadding: true }, /padding/],
    ['a gradient that stops at the values', { stopped: true }, /gradients/],
    ['dropout that is ignored', { noDropout: true }, /dropped in training alone/],
    ['dropout outside of training', { alwaysDropout: true }, /dropped in training alone/],
    ['a context that is taken undeclared', { takesContext: true }, /context is not declared/],
  ];
  test.each(mutants)('%s', async (_, faults, where_) => {
    const found: string[] = [];
    for (const check of attentionChecks(small(faults), { reference: loops, lengths: [7] })) await check.run(reference()).catch(() => { found.push(check.name); });
    expect(found.some((name) => where_.test(name)), `found by: ${found.join('; ')}`).toBe(true);
  });
  test('an option that is ignored', async () => {
    const check = attentionChecks(small(), { reference: loops, changed: { scale: small() } }).find(({ name }) => name.includes('option scale'))!;
    await expect(check.run(reference())).rejects.toThrow('scale is accepted and then ignored');
  });
});

import { describe, expect, test } from 'vitest';
import { training } from '@ashlar/nn';
import { gradients, jit, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { alibi, and, attend, blockLocal, causal, globalTokens, or, prefixLm, relativeBias, slidingWindow, softcap, strided, type AttendOptions } from './index.js';

const random = (shape: readonly number[], seed: number): Tensor => {
  let state = (seed * 2654435761) >>> 0;
  return tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 30 - 2; }), { shape });
};

interface Loops { readonly visible?: (q: number, k: number, b: number) => boolean; readonly score?: (score: number, h: number, q: number, k: number, b: number) => number; readonly scale?: number; readonly sinks?: ArrayLike<number> }
interface Sizes { readonly B: number; readonly H: number; readonly G: number; readonly T: number; readonly S: number; readonly D: number }

/** Attention in f64 loops; queries are the last T of S places. */
function loops(q: ArrayLike<number>, k: ArrayLike<number>, v: ArrayLike<number>, { B, H, G, T, S, D }: Sizes, { visible = () => true, score = (s) => s, scale = 1 / Math.sqrt(D), sinks }: Loops): number[] {
  const out: number[] = [];
  for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) for (let t = 0; t < T; t++) {
    const g = Math.floor(h * G / H), place = t + S - T, weights: number[] = [];
    for (let s = 0; s < S; s++) {
      let product = 0;
      for (let d = 0; d < D; d++) product += q[((b * H + h) * T + t) * D + d]! * k[((b * G + g) * S + s) * D + d]!;
      weights.push(visible(place, s, b) ? Math.exp(score(product * scale, h, place, s, b)) : 0);
    }
    const total = weights.reduce((a, w) => a + w, sinks ? Math.exp(sinks[h]!) : 0);
    for (let d = 0; d < D; d++) out.push(total === 0 ? 0 : weights.reduce((sum, w, s) => sum + w / total * v[((b * G + g) * S + s) * D + d]!, 0));
  }
  return out;
}

const bias = random([2, 1, 1, 7], 11), slopes = tensor([0.25, 0.0625, 0.5, 1]), table = random([4, 5], 12), sinks = tensor([0.4, -1, 2, 0]);
const segments = [0, 0, 0, 1, 1, 2, 2, 0, 1, 1, 1, 1, 1, 2], padding = [0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0];
const host = { bias: await bias.data(), slopes: await slopes.data(), table: await table.data(), sinks: await sinks.data() };
const back = (q: number, k: number): boolean => k <= q;

const cases: readonly [string, AttendOptions, Loops, number?][] = [
  ['nothing', {}, {}],
  ['a causal mask, and a scale', { mask: causal, scale: 0.3 }, { visible: back, scale: 0.3 }],
  ['more keys than queries', { mask: causal }, { visible: back }, 3],
  ['windowKeys', { windowKeys: 3 }, { visible: (q, k) => k <= q && q - k < 3 }],
  ['windowKeys 1', { windowKeys: 1 }, { visible: (q, k) => k === q }],
  ['a window and global tokens', { mask: and(causal, or(slidingWindow(2), globalTokens(1))) }, { visible: (q, k) => k <= q && (q - k < 2 || k === 0) }],
  ['rows that see nothing', { mask: ({ q, k }) => k.lt(q).and(q.ne(4)) }, { visible: (q, k) => k < q && q !== 4 }],
  ['a prefix', { mask: prefixLm(3) }, { visible: (q, k) => k <= q || k < 3 }],
  ['strided, in blocks', { mask: and(strided({ stride: 2 }), blockLocal(4)) }, { visible: (q, k) => k <= q && (q - k < 2 || (q - k) % 2 === 0) && q >> 2 === k >> 2 }],
  ['a soft cap', { softcap: 0.8, mask: causal }, { visible: back, score: (s) => 0.8 * Math.tanh(s / 0.8) }],
  ['a soft cap as a mod', { score: softcap(0.8) }, { score: (s) => 0.8 * Math.tanh(s / 0.8) }],
  ['alibi', { score: alibi(slopes), mask: causal }, { visible: back, score: (s, h, q, k) => s - host.slopes[h]! * Math.abs(q - k) }],
  ['alibi both ways, more keys than queries', { score: alibi(slopes) }, { score: (s, h, q, k) => s - host.slopes[h]! * Math.abs(q - k) }, 2],
  ['a relative bias', { score: relativeBias(table) }, { score: (s, h, q, k) => s + host.table[h * 5 + Math.min(Math.max(k - q, -2), 2) + 2]! }],
  ['a bias', { bias }, { score: (s, _h, _q, k, b) => s + host.bias[b * 7 + k]! }],
  ['soft cap, mod and bias, in this order', { softcap: 2, score: ({ score }) => score.mul(3), bias }, { score: (s, _h, _q, k, b) => 3 * 2 * Math.tanh(s / 2) + host.bias[b * 7 + k]! }],
  ['sinks', { sinks, mask: causal }, { visible: back, sinks: host.sinks }],
  ['sinks and rows that see nothing', { sinks, mask: ({ q, k }) => k.lt(q) }, { visible: (q, k) => k < q, sinks: host.sinks }],
  ['documents', { segments: tensor(Int32Array.from(segments), { shape: [2, 7] }), mask: causal }, { visible: (q, k, b) => k <= q && segments[b * 7 + q] === segments[b * 7 + k] }],
  ['padding', { keyPadding: tensor(padding.map((one) => one === 1), { shape: [2, 7] }) }, { visible: (_q, k, b) => padding[b * 7 + k] === 0 }],
  ['places', { places: { q: tensor(Int32Array.of(9, 4, 5, 6, 1, 2, 3)), k: tensor(Int32Array.of(6, 0, 1, -1, 3, 4, 5)) }, mask: causal }, { visible: (q, k) => [6, 0, 1, -1, 3, 4, 5][k]! >= 0 && [6, 0, 1, -1, 3, 4, 5][k]! <= [9, 4, 5, 6, 1, 2, 3][q]! }],
];

describe.each<[string, () => Device | Promise<Device>]>([['reference', reference], ['wasm', wasm]])('attend on %s', (_, open) => {
  test.each(cases)('%s: values and gradients of plain loops', async (__, options, expected, T = 7) => {
    const device = await open(), sizes = { B: 2, H: 4, G: 2, T, S: 7, D: 6 };
    const [q, k, v, weights] = [random([2, 4, T, 6], 1), random([2, 2, 7, 6], 2), random([2, 2, 7, 6], 3), random([2, 4, T, 6], 4)];
    const { o, slopes: pulled } = jit(() => { const result = attend(q, k, v, options); return { o: result, slopes: gradients(result.mul(weights).sum(), [q, k, v]) }; }, { device })();
    const inputs = await Promise.all([q, k, v].map(async (one) => Float64Array.from(await one.data()))) as [Float64Array, Float64Array, Float64Array], factor = await weights.data();
    const values = loops(...inputs, sizes, expected);
    (await o.data()).forEach((value, i) => expect(Math.abs(value - values[i]!)).toBeLessThan(2e-5 * (1 + Math.abs(values[i]!))));
    const loss = (): number => loops(...inputs, sizes, expected).reduce((sum, value, i) => sum + value * factor[i]!, 0);
    for (const [i, slope] of (await Promise.all(pulled.map((one) => one.data()))).entries()) for (let j = i; j < slope.length; j += 11) {
      const before = inputs[i]![j]!;
      inputs[i]![j] = before + 1e-5;
      const above = loss();
      inputs[i]![j] = before - 1e-5;
      const difference = (above - loss()) / 2e-5;
      inputs[i]![j] = before;
      expect(Math.abs(slope[j]! - difference), `${'qkv'[i]} ${j}`).toBeLessThan(2e-4 * (1 + Math.abs(difference)));
    }
    await device.close();
  });

  test('gradients of bias, table, slopes and sinks', async () => {
    const device = await open(), [q, k, v, weights] = [random([2, 4, 7, 6], 1), random([2, 2, 7, 6], 2), random([2, 2, 7, 6], 3), random([2, 4, 7, 6], 4)];
    const f = (of: readonly Tensor[]): Tensor => attend(q, k, v, { mask: causal, bias: of[0]!, score: (at) => relativeBias(of[1]!)({ ...at, score: alibi(of[2]!)(at) }), sinks: of[3]! }).mul(weights).sum();
    const learned = [bias, table, slopes, sinks], pulled = jit(() => gradients(f(learned), learned), { device })();
    for (const [i, one] of learned.entries()) {
      const slope = await pulled[i]!.data(), values = await one.data();
      for (let j = 0; j < values.length; j++) {
        const at = (by: number): Promise<number> => f(learned.with(i, tensor(Float32Array.from(values, (value, n) => value + (n === j ? by : 0)), { shape: one.shape }))).item(reference());
        const difference = ((await at(2 ** -7)) - (await at(-(2 ** -7)))) / 2 ** -6;
        expect(Math.abs(slope[j]! - difference)).toBeLessThan(2e-3 * (1 + Math.abs(difference)));
      }
    }
    await device.close();
  });

  test('dropped weights: the mean over many draws is the whole, sinks and empty rows included', async () => {
    const device = await open(), [q, k, v] = [random([1, 2, 5, 4], 1), random([1, 2, 5, 4], 2), random([1, 2, 5, 4], 3)], options = { sinks: tensor([0.5, -1]), mask: and(causal, ({ q: at }) => at.ne(2)) };
    const dropped = jit((key: Tensor) => training({ key }, () => attend(q, k, v, { ...options, dropout: 0.25 })), { device }), whole = await attend(q, k, v, { ...options, dropout: 0.25 }).data(device), draws = 400;
    const plain = await attend(q, k, v, options).data(device), mean = new Float64Array(whole.length), squares = new Float64Array(whole.length);
    expect(whole).toEqual(plain);
    for (let draw = 0; draw < draws; draw++) (await dropped(tensor(Uint32Array.of(7, draw))).data()).forEach((value, i) => { mean[i]! += value / draws; squares[i]! += value * value / draws; });
    whole.forEach((value, i) => { expect(Math.abs(mean[i]! - value)).toBeLessThanOrEqual(5 * Math.sqrt(Math.max(squares[i]! - mean[i]! ** 2, 1e-12) / draws)); });
    expect(squares.some((square, i) => square - mean[i]! ** 2 > 1e-3)).toBe(true);
    await device.close();
  });
});

test('half precision: results in f16, computed in f32', async () => {
  for (const device of [reference(), await wasm()]) {
    const [q, k, v] = [random([1, 4, 9, 8], 1), random([1, 2, 9, 8], 2), random([1, 2, 9, 8], 3)].map((x) => x.cast('f16')) as [Tensor, Tensor, Tensor];
    const o = attend(q, k, v, { mask: causal, softcap: 5 });
    expect(o.dtype).toBe('f16');
    const inputs = await Promise.all([q, k, v].map((x) => x.data(device))), expected = loops(inputs[0]!, inputs[1]!, inputs[2]!, { B: 1, H: 4, G: 2, T: 9, S: 9, D: 8 }, { visible: back, score: (s) => 5 * Math.tanh(s / 5) });
    (await o.data(device)).forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(2e-3 * (1 + Math.abs(expected[i]!))));
    await device.close();
  }
});

test('memory is linear in T, and mods add none', async () => {
  const device = await wasm();
  const bytes = (T: number, options: AttendOptions): number => {
    const [q, k, v] = [1, 2, 3].map((seed) => random([1, 2, T, 8], seed)) as [Tensor, Tensor, Tensor];
    const run = jit((a: Tensor, b: Tensor, c: Tensor) => gradients(attend(a, b, c, options).sum(), [a, b, c]), { device });
    run(q, k, v);
    return run.plan!.workBytes;
  };
  const options: AttendOptions = { mask: slidingWindow(16), score: alibi(tensor([0.5, 0.25])), softcap: 30 };
  expect(bytes(1024, options)).toBeLessThanOrEqual(4.1 * bytes(256, options));
  expect(bytes(1024, options)).toBeLessThanOrEqual(bytes(1024, {}) * 1.01 + 4096);
  await device.close();
});

test('what does not fit is refused', () => {
  const [q, k, v] = [random([1, 2, 4, 4], 1), random([1, 2, 6, 4], 2), random([1, 2, 6, 4], 3)] as const;
  expect(() => attend(q, k, v, { segments: tensor(new Int32Array(4), { shape: [1, 4] }) })).toThrow('segments are of queries and keys that are the same tokens, got 4 queries and 6 keys');
  expect(() => attend(q, k, v, { keyPadding: tensor([[true]]) })).toThrow('attend: keyPadding must be bool [1, 6], got bool [1, 1]');
  expect(() => attend(q, k, v, { softcap: 0 })).toThrow('softcap: the cap must be greater than 0, got 0');
  expect(() => attend(q, k, v, { sinks: tensor([1]) })).toThrow('sinks must be f32 [H] = [2], got f32 [1]');
  expect(() => attend(q, k, v, { strongest: 0 })).toThrow('attend: strongest must be a whole number from 1, got 0');
  expect(() => relativeBias(random([2, 4], 1))).toThrow('the table must be [H, 2 R + 1], got [2, 4]');
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Tensor, attention, encode, gradients, jit, tensor, type Device, type MaskMod, type ScoreMod } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { openDevice, type WasmDevice } from './device.js';
import { distance, numbers } from './test/hand-made.js';

interface Sizes { readonly B: number; readonly H: number; readonly G: number; readonly T: number; readonly S: number; readonly D: number }
/** A place that a score reads: table, position, and the score's derivative there. */
type Read = readonly [table: number, position: number, coefficient: number];
interface Case {
  readonly shapes: (sizes: Sizes) => number[][];
  readonly score: (tables: readonly Tensor[], sizes: Sizes) => ScoreMod;
  /** The same in plain numbers: the score to use, and what it reads. */
  readonly plain: (score: number, at: { b: number; h: number; q: number; k: number; t: number }, tables: readonly Float64Array[], sizes: Sizes) => { readonly score: number; readonly reads: readonly Read[] };
}

const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high), R = 4;
const cases: Record<string, Case> = {
  'a bias by head and distance': {
    shapes: ({ H }) => [[2 * R + 1, H]],
    score: ([table], { H }) => ({ score, h, q, k }) => score.add(table!.reshape([-1]).at(k.sub(q).maximum(-R).minimum(R).add(R).mul(H).add(h)).cast('f32')),
    plain: (s, { h, q, k }, [table], { H }) => { const at = (clamp(k - q, -R, R) + R) * H + h; return { score: s + table![at]!, reads: [[0, at, 1]] }; },
  },
  'a slope a head': {
    shapes: ({ H }) => [[H]],
    score: ([slopes]) => ({ score, h, q, k }) => score.sub(slopes!.at(h).mul(q.sub(k).abs().cast('f32'))),
    plain: (s, { h, q, k }, [slopes]) => ({ score: s - slopes![h]! * Math.abs(q - k), reads: [[0, h, -Math.abs(q - k)]] }),
  },
  'a bias a key of each batch entry': {
    shapes: ({ B, S }) => [[B, 1, 1, S]],
    score: ([bias]) => ({ score }) => score.add(bias!.cast('f32')),
    plain: (s, { b, k }, [bias], { S }) => ({ score: s + bias![b * S + k]!, reads: [[0, b * S + k, 1]] }),
  },
  'products a query, as of relative keys': {
    shapes: ({ B, H, T }) => [[B, H, T, R + 1]],
    score: ([products], { H, T, S }) => ({ score, b, h, q, k }) => score.add(products!.reshape([-1]).at(b.mul(H).add(h).mul(T).add(q.sub(S - T)).mul(R + 1).add(q.sub(k).maximum(0).minimum(R)))),
    plain: (s, { b, h, q, k, t }, [products], { H, T }) => { const at = ((b * H + h) * T + t) * (R + 1) + clamp(q - k, 0, R); return { score: s + products![at]!, reads: [[0, at, 1]] }; },
  },
  'a bias for all but the first keys and the last one': {
    shapes: ({ H, S }) => [[1, H, 1, Math.max(S - 3, 1)]],
    score: ([bias], { S }) => ({ score }) => score.add(S > 3 ? bias!.pad(undefined, undefined, undefined, [2, 1]) : 0),
    plain: (s, { h, k }, [bias], { S }) => { const n = S - 3, at = k - 2; return n > 0 && at >= 0 && at < n ? { score: s + bias![h * n + at]!, reads: [[0, h * n + at, 1]] } : { score: s, reads: [] }; },
  },
  'two tables under a soft cap, one read twice': {
    shapes: ({ H }) => [[R + 1], [H]],
    score: ([first, second]) => ({ score, h, q, k }) => {
      const near = first!.at(q.sub(k).abs().minimum(R)), far = first!.at(k.mod(R));
      return score.mul(second!.at(h).add(1)).add(near.mul(far)).div(3).tanh().mul(3);
    },
    plain: (s, { h, q, k }, [first, second]) => {
      const near = Math.min(Math.abs(q - k), R), far = k % R, inner = Math.tanh((s * (second![h]! + 1) + first![near]! * first![far]!) / 3), slope = 1 - inner ** 2;
      return { score: 3 * inner, reads: [[0, near, slope * first![far]!], [0, far, slope * first![near]!], [1, h, slope * s]] };
    },
  },
};

const masks: Record<string, { readonly mod?: MaskMod; readonly visible: (q: number, k: number) => boolean }> = {
  'all keys': { visible: () => true },
  'causal': { mod: ({ q, k }) => k.le(q), visible: (q, k) => k <= q },
  'every second key': { mod: ({ q, k }) => k.le(q).and(q.sub(k).mod(2).eq(0)), visible: (q, k) => k <= q && (q - k) % 2 === 0 },
  'near keys of most queries': { mod: ({ q, k }) => q.sub(k).abs().lt(20).and(q.ne(5)), visible: (q, k) => Math.abs(q - k) < 20 && q !== 5 },
};

/** The gradient of each table of Σ o · g, in plain loops. */
function expected({ plain, shapes }: Case, visible: (q: number, k: number) => boolean, sizes: Sizes, x: Float64Array, y: Float64Array, z: Float64Array, upstream: Float64Array, tables: readonly Float64Array[]): Float64Array[] {
  const { B, H, G, T, S, D } = sizes, sums = shapes(sizes).map((shape) => new Float64Array(shape.reduce((a, n) => a * n, 1)));
  for (let b = 0; b < B; b++) for (let h = 0; h < H; h++) for (let t = 0; t < T; t++) {
    const g = Math.floor((h * G) / H), q = t + S - T, row = ((b * H + h) * T + t) * D, seen: { weight: number; pull: number; reads: readonly Read[] }[] = [];
    for (let k = 0; k < S; k++) {
      if (!visible(q, k)) continue;
      let product = 0, pull = 0;
      for (let d = 0; d < D; d++) { product += x[row + d]! * y[((b * G + g) * S + k) * D + d]!; pull += upstream[row + d]! * z[((b * G + g) * S + k) * D + d]!; }
      const { score, reads } = plain(product / Math.sqrt(D), { b, h, q, k, t }, tables, sizes);
      seen.push({ weight: Math.exp(score), pull, reads });
    }
    const total = seen.reduce((sum, { weight }) => sum + weight, 0), mean = seen.reduce((sum, { weight, pull }) => sum + (weight / total) * pull, 0);
    for (const { weight, pull, reads } of seen) for (const [table, at, coefficient] of reads) sums[table]![at]! += (weight / total) * (pull - mean) * coefficient;
  }
  return sums;
}

const allSizes: Sizes[] = ([[1, 2, 1, 1, 1, 4], [2, 4, 2, 63, 65, 8], [2, 2, 2, 65, 65, 5], [1, 6, 2, 130, 130, 4], [1, 2, 1, 3, 70, 4]] as const).map(([B, H, G, T, S, D]) => ({ B, H, G, T, S, D }));
const grid = Object.keys(cases).flatMap((name) => Object.keys(masks).map((mask) => [name, mask] as const));

/** Operands, and the gradients of q, k, v and all tables on a device. */
async function pull(device: Device, one: Case, mask: MaskMod | undefined, sizes: Sizes) {
  const { B, H, G, T, S, D } = sizes, product = (shape: readonly number[]): number => shape.reduce((a, n) => a * n, 1);
  const make = (shape: number[], seed: number) => { const values = numbers(product(shape), seed); return { values, tensor: tensor(Float32Array.from(values), { shape }) }; };
  const [q, k, v, g] = [make([B, H, T, D], 1), make([B, G, S, D], 2), make([B, G, S, D], 3), make([B, H, T, D], 4)];
  const tables = one.shapes(sizes).map((shape, i) => make(shape, 5 + i));
  const run = jit((...of: Tensor[]) => gradients(attention(q.tensor, k.tensor, v.tensor, { mask, score: one.score(of, sizes) }).mul(g.tensor).sum(), of), { device });
  const got = await Promise.all(run(...tables.map((table) => table.tensor)).map((result) => result.data()));
  return { got, q, k, v, g, tables, plan: run.plan };
}

describe.each([{ threads: 1 }, { threads: 2 }])('gradients of captured tables, $threads threads', (options) => {
  let device: WasmDevice;
  beforeAll(async () => { device = await openDevice({ ...options, poison: true, divide: true }); });
  afterAll(() => device.close());

  test.each(grid)('%s, %s', async (name, mask) => {
    for (const sizes of allSizes) {
      const { got, q, k, v, g, tables, plan } = await pull(device, cases[name]!, masks[mask]!.mod, sizes);
      const wanted = expected(cases[name]!, masks[mask]!.visible, sizes, q.values, k.values, v.values, g.values, tables.map(({ values }) => values));
      // a slope sums distances times differences that cancel: their rounding is multiplied by distances
      wanted.forEach((values, i) => { expect(distance(got[i]!, values), `table ${i}, ${JSON.stringify(sizes)}`).toBeLessThan(6e-5); });
      if (sizes.S > 3) expect(plan!.steps.map(({ kernel }) => (kernel.kind === 'fused' ? kernel.op : kernel.kind))).toContain('attentionGrad');
    }
  });
});

test('a table in halves gets its gradient in halves, from sums in f32', async () => {
  const device = await openDevice({ threads: 2, poison: true, divide: true }), sizes = allSizes[1]!;
  for (const name of ['a bias by head and distance', 'a bias a key of each batch entry']) {
    const one = cases[name]!, [q, k, v, g] = [1, 2, 3, 4].map((seed) => numbers(2 * (seed === 2 || seed === 3 ? 2 * 65 : 4 * 63) * 8, seed)) as [Float64Array, Float64Array, Float64Array, Float64Array];
    const shape = one.shapes(sizes)[0]!, values = numbers(shape.reduce((a, n) => a * n, 1), 5).map((x) => Math.round(x * 64) / 64);
    const [a, b, c] = [tensor(Float32Array.from(q), { shape: [2, 4, 63, 8] }), tensor(Float32Array.from(k), { shape: [2, 2, 65, 8] }), tensor(Float32Array.from(v), { shape: [2, 2, 65, 8] })];
    const run = jit((table: Tensor) => gradients(attention(a, b, c, { score: one.score([table], sizes) }).mul(tensor(Float32Array.from(g), { shape: [2, 4, 63, 8] })).sum(), [table])[0]!, { device });
    const result = run(tensor(encode('f16', values), { shape, dtype: 'f16' }));
    expect(result.dtype).toBe('f16');
    const [wanted] = expected(one, () => true, sizes, q, k, v, g, [values]);
    expect(distance(await result.data(), wanted!)).toBeLessThan(2e-3);
  }
  await device.close();
});

test('the bits do not depend on the number of threads', async () => {
  const [one, three] = [await openDevice({ threads: 1 }), await openDevice({ threads: 3, divide: true })];
  for (const sizes of allSizes.slice(1, 4)) {
    const [a, b] = [await pull(one, cases['a bias by head and distance']!, masks['causal']!.mod, sizes), await pull(three, cases['a bias by head and distance']!, masks['causal']!.mod, sizes)];
    expect(a.got).toEqual(b.got);
  }
  await one.close();
  await three.close();
});

test('agrees with the primitives, and with differences of the f64 interpreter', async () => {
  const device = await openDevice({ threads: 1 }), sizes = { B: 1, H: 2, G: 1, T: 17, S: 17, D: 4 }, one = cases['two tables under a soft cap, one read twice']!, { mod } = masks['causal']!;
  const { got, q, k, v, g, tables } = await pull(device, one, mod, sizes);
  const primitives = await pull(reference(), one, mod, sizes);
  got.forEach((values, i) => { expect(distance(values, primitives.got[i]!)).toBeLessThan(2e-5); });
  const loss = (of: readonly Tensor[]): Promise<number> => attention(q.tensor, k.tensor, v.tensor, { mask: mod, score: one.score(of, sizes) }).mul(g.tensor).sum().item(reference());
  for (const [i, table] of tables.entries()) for (let j = 0; j < table.values.length; j++) {
    const moved = (by: number): Tensor[] => tables.map(({ tensor: one }, n) => (n === i ? tensor(Float32Array.from(table.values, (x, at) => x + (at === j ? by : 0)), { shape: one.shape }) : one));
    const difference = ((await loss(moved(2 ** -7))) - (await loss(moved(-(2 ** -7))))) / 2 ** -6;
    expect(Math.abs(got[i]![j]! - difference)).toBeLessThan(2e-3 * (1 + Math.abs(difference)));
  }
  await device.close();
});

import { expect, test } from 'vitest';
import { gradients, jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { and, attend, blockLocal, causal, dilatedWindow, fixedPattern, globalTokens, or, relativeBias, slidingWindow, strided, type AttendOptions } from '../index.js';

const numbers = (shape: readonly number[], seed: number): Tensor => tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * seed) * 1.5), { shape });
const segments = (T: number): Tensor => tensor(Int32Array.from({ length: 2 * T }, (_, i) => Math.floor((i % T) / (i < T ? 90 : 61))), { shape: [2, T] });
const padding = (S: number): Tensor => tensor(Array.from({ length: 2 * S }, (_, i) => (i % S) % 37 === 5 || i % S > S - 9), { shape: [2, S] });
const table = numbers([4, 21], 0.9);

interface Case { readonly T: number; readonly S: number; readonly options: AttendOptions; readonly learned?: readonly Tensor[] }
/** Lengths from which on kernels take such masks in two parts. */
const cases: Readonly<Record<string, Case>> = {
  'strided, fewer keys than queries': { T: 250, S: 195, options: { mask: strided({ stride: 24 }) } },
  'the fixed pattern, more keys than queries': { T: 195, S: 230, options: { mask: fixedPattern({ stride: 24, summary: 3 }) } },
  'strided, documents and padding': { T: 203, S: 203, options: { mask: strided({ stride: 13 }), segments: segments(203), keyPadding: padding(203) } },
  'the fixed pattern, documents, padding, sinks and a learned bias': { T: 203, S: 203, options: { mask: fixedPattern({ stride: 20 }), segments: segments(203), keyPadding: padding(203), sinks: numbers([4], 0.4), score: relativeBias(table) }, learned: [table] },
  'a window, global tokens and every seventh key, with a learned bias': { T: 200, S: 200, options: { mask: and(causal, or(slidingWindow(9), globalTokens(2), ({ k }) => k.mod(7).eq(0))), score: relativeBias(table) }, learned: [table] },
  'own block, or queries and keys of a remainder': { T: 200, S: 210, options: { mask: or(blockLocal(32), ({ q, k }) => q.mod(4).eq(1).and(k.mod(6).eq(5))) } },
};

/** Values and gradients of the case on a device, as f32. */
async function computed(device: Parameters<Tensor['data']>[0] & object, { T, S, options, learned = [] }: Case, dtype: 'f32' | 'f16'): Promise<ArrayLike<number>[]> {
  const operands = [numbers([2, 4, T, 6], 1.1), numbers([2, 2, S, 6], 2.3), numbers([2, 2, S, 6], 0.7)], weights = numbers([2, 4, T, 6], 0.37);
  const run = jit((...[q, k, v]: Tensor[]) => {
    const o = attend(q!.cast(dtype), k!.cast(dtype), v!.cast(dtype), options).cast('f32');
    return [o, ...gradients(o.mul(weights).sum(), [q!, k!, v!, ...learned])];
  }, { device });
  return Promise.all(run(...operands).map((result) => result.data()));
}

test.each(Object.entries(cases))('%s: values and gradients of the f64 interpreter, on one thread and two', async (_, one) => {
  const expected = await computed(reference(), one, 'f32');
  for (const threads of [1, 2]) {
    const device = await wasm({ threads });
    for (const [n, values] of (await computed(device, one, 'f32')).entries()) {
      const wanted = expected[n]!, most = Math.max(...Array.from(wanted, Math.abs));
      Array.from(values).forEach((value, i) => { if (!(Math.abs(value - wanted[i]!) <= 2e-5 * (1 + most))) throw new Error(`${threads} threads, result ${n}, element ${i}: ${value}, expected ${wanted[i]}`); });
      expect(most).toBeGreaterThan(0.1);
    }
    await device.close();
  }
});

test('half precision, in two parts', async () => {
  const one = cases['the fixed pattern, more keys than queries']!, device = await wasm(), expected = await computed(reference(), one, 'f16');
  for (const [n, values] of (await computed(device, one, 'f16')).entries()) {
    const wanted = expected[n]!;
    Array.from(values).forEach((value, i) => { if (!(Math.abs(value - wanted[i]!) <= 3e-3 * (1 + Math.abs(wanted[i]!)))) throw new Error(`result ${n}, element ${i}: ${value}, expected ${wanted[i]}`); });
  }
  await device.close();
});

test('explain() says how blocks are made', async () => {
  const device = await wasm({ threads: 1 });
  const says = (options: AttendOptions): string => {
    const run = jit((q: Tensor) => attend(q, q, q, options), { device });
    run.prepare(numbers([1, 1, 200, 4], 1.1));
    return run.plan!.explain();
  };
  expect(says({ mask: strided({ stride: 16 }) })).toContain('in blocks of neighbours, then of queries 16 apart and keys 16 apart');
  expect(says({ mask: fixedPattern({ stride: 16 }) })).toContain('in blocks of neighbours, then of keys 16 apart');
  expect(says({ mask: dilatedWindow({ windowKeys: 8, dilation: 2 }) })).toContain('in blocks of queries 2 apart and keys 2 apart');
  expect(says({ mask: slidingWindow(9) })).not.toContain('in blocks of');
  await device.close();
});

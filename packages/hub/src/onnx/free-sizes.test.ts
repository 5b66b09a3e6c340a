// Graphs of free sizes: functions traced at some shapes, run in ONNX Runtime at others.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arange, attention, concat, jit, scatterAdd, tensor, where, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { checkOnnx, openOnnx, runSession } from '../test/run-onnx.js';
import { sizesToLookAt } from './free-sizes.js';
import { onnxModel } from './onnx-model.js';
import { sizeFunctions } from './size-functions.js';

const names = ['a', 'b', 'c'];
const value = (terms: readonly (readonly [number, readonly string[]])[], sizes: Readonly<Record<string, number>>): number => terms.reduce((sum, [factor, of]) => sum + of.reduce((product, name) => product * sizes[name]!, factor), 0);

test('sums of up to three products of sizes are told from their values', () => {
  const factor = fc.integer({ min: -40, max: 40 }).filter((n) => n !== 0), product = fc.array(fc.constantFrom(...names), { maxLength: 3 }).map((of) => of.sort());
  fc.assert(fc.property(fc.uniqueArray(fc.tuple(factor, product), { minLength: 1, maxLength: 3, selector: ([, of]) => of.join() }), fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 3, maxLength: 3 }), (terms, [a, b, c]) => {
    const looks = sizesToLookAt(names, {}), found = sizeFunctions(looks)(looks.map((sizes) => value(terms, sizes)))!;
    const elsewhere = { a: a!, b: b!, c: c! };
    expect(value(found.terms.map(({ coefficient, factors }) => [coefficient, factors]), elsewhere)).toBe(value(terms, elsewhere));
  }), { numRuns: 200, seed: 5 });
});

test('what is no such sum is not found', () => {
  const looks = sizesToLookAt(['length'], {}), fit = sizeFunctions(looks), of = (f: (length: number) => number) => fit(looks.map(({ length }) => f(length!)));
  for (const f of [(n: number) => Math.ceil(n / 4), (n: number) => 2 ** Math.ceil(Math.log2(n)), (n: number) => Math.min(n, 8), (n: number) => Math.max(0, n - 3), (n: number) => n / 2, (n: number) => n % 3]) expect(of(f)).toBeUndefined();
  expect([of(() => 0)!.text, of(() => 7)!.text, of((n) => n)!.text, of((n) => 3 * n + 1)!.text]).toEqual([0, 7, 'length', '1 + 3 * length']);
});

test('sizes at which to look respect limits', () => {
  for (const limit of [4, 5, 8, 40, 1000]) for (const { length } of sizesToLookAt(['batch', 'length'], { length: limit })) expect(length! >= 2 && length! <= limit).toBe(true);
  expect(() => sizesToLookAt(['length'], { length: 3 })).toThrow('onnx: length cannot be free, as it may be at most 3; give it a number');
});

type Function = (x: Tensor, y: Tensor) => Tensor;
/** Of x [rows, columns] and y [more, columns]. */
const functions: Readonly<Record<string, Function>> = {
  'means along both axes': (x) => x.mean(0).mul(x.mean(1).sum()),
  'softmax of products': (x, y) => x.matmul(y.transpose()).softmax(-1),
  'rows of both, the last first': (x, y) => concat([x, y]).flip(0),
  'one axis of all': (x, y) => concat([x.reshape([-1]), y.reshape([-1])]),
  'rows by number': (x) => x.gather(arange(x.shape[0]!).mul(3).mod(x.shape[0]!)),
  'a mask by place': (x) => where(arange(x.shape[0]!).reshape([-1, 1]).ge(arange(x.shape[1]!)), x, x.shape[0]! * x.shape[1]!),
  'sums into rows': (x) => scatterAdd(arange(x.shape[0]!).mul(2).mod(5), x, x.shape[0]! + 1),
  'attention that leaves the last keys to the last queries': (x, y) => attention(heads(x), heads(y), heads(y), { causal: true, scale: 0.5 }).reshape(x.shape),
  'attention in a window': (x) => attention(heads(x), heads(x), heads(x), { causal: true, scale: 0.5, mask: ({ q, k }) => q.sub(k).lt(2) }).reshape(x.shape),
};
const heads = (x: Tensor): Tensor => x.reshape([1, 1, ...x.shape]);

describe('a function at other shapes', () => {
  const data = (count: number, seed: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.7 + seed));
  test.each(Object.entries(functions))('%s', async (_, f) => {
    const model = await onnxModel(({ x, y }) => ({ z: f(x!, y!), size: y!.sum() }), { inputs: { x: { shape: ['rows', 'columns'], dtype: 'f32' }, y: { shape: ['rows + more', 'columns'], dtype: 'f32' } }, sizes: ['more'], derived: { more: (to, sizeOf) => to.add('Sub', [sizeOf('y', 0), sizeOf('x', 0)]) } });
    checkOnnx(model);
    const session = await openOnnx(model), run = jit(f, { device: reference() });
    for (const [rows, columns, more] of [[3, 4, 2], [1, 8, 1], [6, 1, 3], [5, 6, 0]] as const) {
      const x = data(rows * columns, 1), y = data((rows + more) * columns, 2), shapeX = [rows, columns], shapeY = [rows + more, columns];
      const expected = run(tensor(x, { shape: shapeX }), tensor(y, { shape: shapeY })), { z } = await runSession(session, { x: { data: x, shape: shapeX, type: 'float32' }, y: { data: y, shape: shapeY, type: 'float32' } });
      expect(z!.shape).toEqual(expected.shape);
      (await expected.data()).forEach((want, i) => expect(Math.abs(z!.data[i]! - want), `element ${i}`).toBeLessThan(1e-5 * (1 + Math.abs(want))));
    }
    await session.release();
  });

  test('what is another graph at other sizes is refused', async () => {
    const free = (f: (x: Tensor) => Tensor): Promise<unknown> => onnxModel(({ x }) => ({ z: f(x!) }), { inputs: { x: { shape: ['rows', 2], dtype: 'f32' } } });
    await expect(free((x) => x.slice([0, x.shape[0]!, 2]).pad([1, 2]))).rejects.toThrow(/^onnx: rows cannot all be free, as the graph is another at other sizes: a size of z is 4, 5, 6, 9, 10, 12 where they are 2, 3, 5, 11, 13, 17$/);
    await expect(free((x) => (x.shape[0]! > 12 ? x.exp() : x.neg()))).rejects.toThrow('rows cannot all be free, as the graph is another at other sizes: one has');
    await expect(free((x) => x.add(tensor(Float32Array.from({ length: x.shape[0]! }, (_, i) => i % 2), { shape: [x.shape[0]!, 1] })))).rejects.toThrow('it has a constant float [2, 1] that is another at each size');
  });
});

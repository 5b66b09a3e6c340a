// Every primitive and every fused operation, exported and run in ONNX Runtime, against the reference device.
import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { Variable, applyFused, assign, attention, encode, fusedOps, jit, layerNorm, randomUniform, read, sizeOf, tensor, type AttentionOptions, type DType, type Shape, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { primitiveCases, programData, programs, traceProgram } from '@ashlar/conformance';
import { checkOnnx, runOnnx, type RuntimeInput } from '../test/run-onnx.js';
import { onnxChunks, type OnnxTensor } from './onnx-format.js';
import { onnxModel } from './onnx-model.js';

interface Operand { readonly shape: Shape; readonly dtype: DType; readonly data: number[] }

const runtimeType = (dtype: DType): RuntimeInput['type'] => (dtype === 'f32' ? 'float32' : dtype === 'bool' ? 'bool' : 'int64');

/** Results of `f` on the reference device and in ONNX Runtime. */
async function both(f: (...inputs: Tensor[]) => readonly Tensor[], operands: readonly Operand[]): Promise<{ expected: number[][]; got: number[][] }> {
  const names = operands.map((_, i) => `x${i}`);
  const run = jit(f, { device: reference() });
  const results = run(...operands.map(({ shape, dtype, data }) => tensor(encode(dtype, data), { shape, dtype })));
  const expected = await Promise.all(results.map(async (result) => Array.from(await result.data(), Number)));
  const model = await onnxModel((inputs) => Object.fromEntries(f(...names.map((name) => inputs[name]!)).map((result, i) => [`y${i}`, result])), {
    inputs: Object.fromEntries(operands.map(({ shape, dtype }, i) => [names[i]!, { shape, dtype }])),
  });
  checkOnnx(model);
  const outputs = await runOnnx(model, Object.fromEntries(operands.map(({ shape, dtype, data }, i) => [names[i]!, { shape, data: encode(dtype, data) as Float32Array, type: runtimeType(dtype) }])));
  return { expected, got: expected.map((_, i) => outputs[`y${i}`]!.data) };
}

function expectClose(got: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(got).toHaveLength(expected.length);
  expected.forEach((value, i) => { if (!Object.is(value, got[i]) && value !== got[i]) expect(Math.abs(got[i]! - value) / (1 + Math.abs(value)), `element ${i}: ${got[i]}, expected ${value}`).toBeLessThan(tolerance); });
}

/** Numbers of a kind, from a formula. */
function numbersOf(size: number, domain: string, dtype: DType, seed: number): number[] {
  const at = (i: number): number => { const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453; return x - Math.floor(x); };
  return Array.from({ length: size }, (_, i) => {
    const u = at(i);
    if (dtype === 'bool' || domain === 'bool') return Number(u > 0.5);
    if (dtype !== 'f32' || domain === 'integer') return Math.abs(Math.floor(9 * u) - 4) * (dtype === 'u32' || u < 0.5 ? 1 : -1);
    return Math.fround(domain === 'positive' ? 0.2 + 3 * u : domain === 'unit' ? 1.8 * u - 0.9 : domain === 'apart' ? (i - size / 2 + 0.3) * 0.1 : 4 * u - 2);
  });
}

describe('primitives in ONNX Runtime', () => {
  const cases = primitiveCases().filter(({ name }) => !/^(random bits|bitcast$)/.test(name));
  test.each([...new Set(cases.map(({ name }) => name.split(' ')[0]!))].map((word) => [word, cases.filter(({ name }) => name.split(' ')[0] === word)] as const))('%s', async (_, group) => {
    for (const { name, inputs, compute } of group) {
      const operands = inputs.map(({ shape, dtype = 'f32', domain = 'any' }, i): Operand => ({ shape, dtype, data: numbersOf(sizeOf(shape), domain, dtype, i + 1) }));
      try {
        const { expected, got } = await both((...xs) => [compute(...xs)], operands);
        expectClose(got[0]!, expected[0]!, 2e-5);
      } catch (error) { throw new Error(`${name}: ${(error as Error).message}`, { cause: error }); }
    }
  });
});

/** How exact single precision is on long sums of what these operations take. */
const fusedTolerance = 1e-5;

describe('fused operations in ONNX Runtime', () => {
  test.each([...fusedOps().values()].filter(({ cases }) => cases.length > 0).map((op) => [op.name, op] as const))('%s', async (_, op) => {
    for (const { inputs, attributes } of op.cases) {
      const operands = inputs.map(({ shape, dtype = 'f32', max }, i): Operand => {
        const data = numbersOf(sizeOf(shape), 'unit', 'f32', i + 1);
        return { shape, dtype, data: max === undefined ? data : data.map((x) => Math.floor(((x + 0.9) / 1.8) * max)) };
      });
      const { expected, got } = await both((...xs) => [applyFused(op, xs, attributes)[0]!], operands);
      expectClose(got[0]!, expected[0]!, fusedTolerance);
    }
  });

  const q: Operand = { shape: [1, 2, 5, 4], dtype: 'f32', data: numbersOf(40, 'any', 'f32', 1) }, k: Operand = { shape: [1, 1, 7, 4], dtype: 'f32', data: numbersOf(28, 'any', 'f32', 2) };
  const masks: Readonly<Record<string, AttentionOptions>> = {
    'none': {}, 'causal, with more keys than queries': { causal: true },
    'of places': { mask: ({ q: at, k: to }) => at.sub(to).lt(3) },
    'causal and of places': { causal: true, mask: ({ q: at, k: to }) => at.sub(to).lt(2) },
    'that differs from head to head': { mask: ({ h, k: to }) => to.mod(2).eq(h) },
    'that leaves the first queries nothing': { mask: ({ q: at, k: to }) => at.gt(3).and(to.lt(2)) },
    'and a score function': { causal: true, score: ({ score, q: at, k: to }) => score.sub(at.sub(to).cast('f32').mul(0.25)) },
  };
  test.each(Object.entries(masks))('attention with a mask: %s', async (name, options) => {
    const f = (x: Tensor, y: Tensor): Tensor[] => [attention(x, y, y.mul(0.5), options)];
    const { expected, got } = await both(f as (...inputs: Tensor[]) => Tensor[], [q, k]);
    expectClose(got[0]!, expected[0]!, fusedTolerance);
    const { nodes } = await onnxModel(({ x, y }) => ({ o: f(x!, y!)[0]! }), { inputs: { x: q, y: k } });
    expect(nodes.some(({ type }) => type === 'Attention')).toBe(!name.includes('score function'));
  });
});

test('half precision', async () => {
  const x: Operand = { shape: [5, 7], dtype: 'f32', data: numbersOf(35, 'unit', 'f32', 1) };
  const { expected, got } = await both((a) => { const half = a!.cast('f16'); return [half.matmul(half.transpose()).add(0.5).softmax().cast('f32'), half.mul(half).sum(0).cast('f32'), layerNorm(half).cast('f32')]; }, [x]);
  got.forEach((values, i) => expectClose(values, expected[i]!, 4e-3));
});

test('random programs and their gradients', async () => {
  await fc.assert(fc.asyncProperty(programs, async (program) => {
    const [a, b, c] = programData(program), { shape } = program;
    const outputsOf = (x: Tensor, y: Tensor, z: Tensor): Tensor[] => { const { outputs, slopes, last } = traceProgram(program, [x, y, z]); return [...outputs, ...slopes, last]; };
    const run = jit(outputsOf, { device: reference() }), given = [a, b, c].map((data) => tensor(data!, { shape })) as [Tensor, Tensor, Tensor];
    const expected = await Promise.all(run(...given).map((result) => result.data())), weight = new Variable(shape, 'f32', c, { name: 'weight' });
    const model = await onnxModel(({ x, y }) => Object.fromEntries(outputsOf(x!, y!, read(weight)).map((result, i) => [`y${i}`, result])), { inputs: { x: { shape, dtype: 'f32' }, y: { shape, dtype: 'f32' } } });
    checkOnnx(model);
    const got = await runOnnx(model, { x: { data: a!, shape, type: 'float32' }, y: { data: b!, shape, type: 'float32' } });
    expected.forEach((values, i) => expectClose(got[`y${i}`]!.data, [...values], 1e-3));
  }), { numRuns: 60, seed: 23 });
}, 60_000);

describe('what ONNX cannot say', () => {
  const of = (f: (x: Tensor) => Tensor): Promise<unknown> => onnxModel(({ x }) => ({ y: f(x!) }), { inputs: { x: { shape: [2], dtype: 'f32' } } });
  test('bits of floats, random bits, assignments, results of a device', async () => {
    await expect(of((x) => x.bitcast('i32'))).rejects.toThrow('onnx: the model reads the bits of f32 as i32, and opset 23 has no operator for that; leave the bitcast out of what is exported');
    await expect(of((x) => randomUniform(tensor(Uint32Array.of(1, 2)), [2]).add(x))).rejects.toThrow('onnx: the model draws random numbers');
    const counter = new Variable([2], 'f32', undefined, { name: 'counter' });
    await expect(of((x) => { assign(counter, x); return x; })).rejects.toThrow('onnx: the function assigns counter');
    const held = jit((x: Tensor) => x.add(1), { device: reference() })(tensor([1, 2]));
    await expect(of((x) => x.add(held))).rejects.toThrow('onnx: the function reads a tensor that a device computed');
  });
  test('two weights of one name', async () => {
    const [a, b] = [1, 2].map(() => new Variable([2], 'f32', undefined, { name: 'w' })) as [Variable, Variable];
    await expect(of((x) => x.add(read(a)).add(read(b)))).rejects.toThrow('onnx: two weights are called w; give each a name of its own by parameters');
  });
  test('more bytes than a file can hold', () => {
    const half: OnnxTensor = { type: 'float', shape: [2 ** 28], bytes: { length: 2 ** 30 } as Uint8Array };
    expect(() => onnxChunks({ name: 'm', opset: 23, inputs: [], outputs: [], nodes: [], metadata: {}, initializers: new Map([['a', half], ['b', half]]) })).toThrow(/^onnx: the file would have 2147483648 bytes, and one file of this format can have up to 2147483647; export a smaller model/);
  });
});

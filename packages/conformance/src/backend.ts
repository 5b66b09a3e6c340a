/** `testBackend`: everything that a device must get right, as one call. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { applyFused, concat, fromStorage, fusedOps, gradients, isFloat, jit, layerNorm, sizeOf, tensor, type Device, type DType, type PassOptions, type Shape, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { expectClose, input, values, type Domain } from './data.js';
import { primitiveCases, specialValues, type PrimitiveCase } from './primitives.js';
import { passSwitches, programs, runProgram } from './random-graph.js';

export interface TestBackendOptions {
  /**
   * Off, for devices that compile slowly: three cases of each primitive, spread over its shapes, and fused operations by
   * their kernels alone, not also in primitives. On unless told.
   */
  readonly thorough?: boolean;
  /** Random programs to try; 60 unless told. */
  readonly programs?: number;
  /** Largest |got − expected| / (1 + |expected|) of f32 values; 2e-5 unless told. */
  readonly tolerance?: number;
}

interface Operand { readonly shape: Shape; readonly dtype: DType; readonly data: Float64Array }

const operandsOf = (inputs: readonly { readonly shape: Shape; readonly dtype?: DType; readonly domain?: Domain }[], seed: number): Operand[] =>
  inputs.map(({ shape, dtype = 'f32', domain = 'any' }, i) => {
    const data = values(sizeOf(shape), domain, seed * 16 + i);
    return { shape, dtype, data: dtype === 'u32' ? data.map(Math.abs) : data };
  });

const seedOf = (name: string): number => [...name].reduce((sum, letter) => (Math.imul(sum, 31) + letter.codePointAt(0)!) >>> 0, 7) % 100_000;

/** Value, and gradients of Σ value · weights in the float inputs, of a case on a device. */
async function compute(f: (...inputs: Tensor[]) => Tensor, operands: readonly Operand[], differentiate: boolean, device: Device, passes?: PassOptions): Promise<{ value: ArrayLike<number>; slopes: ArrayLike<number>[] }> {
  const floats = operands.map((_, i) => i).filter((i) => isFloat(operands[i]!.dtype));
  const run = jit((...inputs: Tensor[]) => {
    const value = f(...inputs);
    if (!differentiate) return [value];
    return [value, ...gradients(value, floats.map((i) => inputs[i]!), { cotangent: weightsFor(value.shape) })];
  }, passes ? { device, passes } : { device });
  const [value, ...slopes] = await Promise.all(run(...operands.map(({ shape, dtype, data }) => input(shape, dtype, data))).map((output) => output.data()));
  run.release();
  return { value: value!, slopes };
}

const weightsFor = (shape: Shape): Tensor => tensor(Float32Array.from(values(sizeOf(shape), 'unit', 99)), { shape });

/** Slopes of Σ value · weights by central differences, in f64 on the reference device. */
async function differences(f: (...inputs: Tensor[]) => Tensor, operands: readonly Operand[]): Promise<Float64Array[]> {
  const device = reference(), step = 1e-3;
  const storages = operands.map(({ shape, dtype }) => device.allocate(dtype, sizeOf(shape)));
  // Inputs are written as f64 straight into the reference's storages: an f32 input would drown the differences in rounding.
  const f64 = storages.map((storage) => (storage as unknown as { data: Float64Array }).data);
  const total = jit((...inputs: Tensor[]) => { const value = f(...inputs); return value.mul(weightsFor(value.shape)).sum(); }, { device });
  const arguments_ = operands.map(({ shape }, i) => fromStorage(storages[i]!, shape));
  const at = async (): Promise<number> => {
    const result = total(...arguments_) as Tensor;
    return (storageOf(result) as unknown as { data: Float64Array }).data[0]!;
  };
  operands.forEach(({ data }, i) => f64[i]!.set(data));
  const result: Float64Array[] = [];
  for (const [i, { dtype, data }] of operands.entries()) {
    if (!isFloat(dtype)) continue;
    const slopes = new Float64Array(data.length);
    for (let j = 0; j < data.length; j++) {
      f64[i]![j] = data[j]! + step;
      const above = await at();
      f64[i]![j] = data[j]! - step;
      slopes[j] = (above - (await at())) / (2 * step);
      f64[i]![j] = data[j]!;
    }
    result.push(slopes);
  }
  return result;
}

const storageOf = (result: Tensor): unknown => (result.node.op as unknown as { source: { storage: unknown } }).source.storage;

/** Up to `most` cases of each primitive (the first word of their names), starting elsewhere for each so that every shape stays. */
function fewer(cases: readonly PrimitiveCase[], most: number): PrimitiveCase[] {
  const groups = new Map<string, PrimitiveCase[]>();
  for (const one of cases) { const word = one.name.split(' ')[0]!; (groups.get(word) ?? groups.set(word, []).get(word)!).push(one); }
  return [...groups.values()].flatMap((group, g) => (group.length <= most ? group : Array.from({ length: most }, (_, i) => group[(g + Math.floor((i * group.length) / most)) % group.length]!)));
}

/** Functions of two f16 matrices [5, 7] and [7, 9]. */
const halfCases: readonly (readonly [string, (a: Tensor, b: Tensor) => Tensor])[] = [
  ['arithmetic', (a) => a.mul(a).add(0.5).sub(a.neg())],
  ['matmul', (a, b) => a.matmul(b).add(1)],
  ['softmax', (a) => a.softmax()],
  ['norm', (a) => layerNorm(a)],
  ['sum of columns', (a) => a.sum(0)],
  ['slices and joins', (a) => concat([a.slice(undefined, [1, 6, 2]), a.transpose().transpose()], 1)],
];

/** One check of the kit: it throws where the device is wrong. */
export interface BackendCheck { readonly name: string; readonly timeout?: number; run(device: Device): Promise<void> }

const edgeOps = ['neg', 'abs', 'sign', 'exp', 'log', 'sin', 'cos', 'tanh', 'erf', 'sqrt', 'rsqrt', 'reciprocal', 'floor', 'ceil', 'round'] as const;
/** Functions that may take an f32 denormal for zero, where the result would differ much. */
const flushes: readonly string[] = ['log', 'rsqrt', 'reciprocal', 'sign', 'sqrt', 'ceil', 'floor'];

/** Every check, so that the kit can be run without a test runner (and be tested itself). */
export function backendChecks(options: TestBackendOptions = {}): BackendCheck[] {
  const { tolerance = 2e-5, thorough = true } = options, checks: BackendCheck[] = [];

  for (const { name, inputs, compute: f, differentiable, tolerance: own } of fewer(primitiveCases(), thorough ? Infinity : 3)) checks.push({ name, run: async (device) => {
    const operands = operandsOf(inputs, seedOf(name)), expected = await compute(f, operands, differentiable, reference());
    const got = await compute(f, operands, differentiable, device);
    expectClose(got.value, expected.value, own ?? tolerance, name);
    if (!differentiable) return;
    (await differences(f, operands)).forEach((slope, i) => expectClose(got.slopes[i]!, slope, 2e-3, `${name}: gradient ${i} against differences`));
    expected.slopes.forEach((slope, i) => expectClose(got.slopes[i]!, slope, tolerance * 4, `${name}: gradient ${i}`));
  } });

  for (const op of edgeOps) checks.push({ name: `${op} at the edges of f32`, run: async (device) => {
    const wanted = specialValues.filter((x) => !((op === 'sin' || op === 'cos') && Math.abs(x) > 1e5 && Number.isFinite(x)) && !(flushes.includes(op) && x !== 0 && Math.abs(x) < 1e-38));
    const x = tensor(Float32Array.from(wanted));
    expectClose(await x[op]().data(device), (await x[op]().data(reference())).map(Math.fround), op === 'sin' || op === 'cos' ? 1e-4 : tolerance, op);
  } });

  for (const op of fusedOps().values()) for (const { inputs, attributes } of op.cases) {
    const name = `${op.name} ${JSON.stringify(inputs.map(({ shape }) => shape))} ${JSON.stringify(attributes)}`;
    checks.push({ name, run: async (device) => {
      const apply = (...tensors: Tensor[]): Tensor => applyFused(op, tensors, attributes)[0]!;
      const operands: Operand[] = inputs.map(({ shape, dtype = 'f32', max }, i) => {
        const data = values(sizeOf(shape), 'unit', seedOf(name) + i);
        return { shape, dtype, data: max === undefined ? data : data.map((x) => Math.floor(((x + 0.9) / 1.8) * max)) };
      });
      const expected = await compute(apply, operands, true, reference()), allowed = op.tolerance.f32 ?? tolerance;
      const got = await compute(apply, operands, true, device), results = [[got, 'kernel']] as [typeof got, string][];
      if (thorough) results.push([await compute(apply, operands, true, device, { fusedKernels: false }), 'reference in primitives']);
      for (const [result, label] of results) {
        expectClose(result.value, expected.value, allowed, `${name}, ${label}`);
        expected.slopes.forEach((slope, i) => expectClose(result.slopes[i]!, slope, allowed * 10, `${name}, ${label}: gradient ${i}`));
      }
      if (operands.reduce((sum, { data }) => sum + data.length, 0) > 600) return;
      (await differences(apply, operands)).forEach((slope, i) => expectClose(got.slopes[i]!, slope, 5e-3, `${name}: gradient ${i} against differences`));
    } });
  }

  for (const [name, f] of halfCases) checks.push({ name: `f16: ${name}`, run: async (device) => {
    if (!device.dtypes.has('f16')) { // then it must say so, not compute something else
      let refused = false;
      try { device.allocate('f16', 4).release(); } catch { refused = true; }
      if (!refused) throw new Error('a device without f16 must refuse to allocate it');
      return;
    }
    const operands = operandsOf([{ shape: [5, 7] }, { shape: [7, 9] }], seedOf(name));
    const half = (...tensors: Tensor[]): Tensor => f(...(tensors.map((x) => x.cast('f16')) as [Tensor, Tensor])).cast('f32');
    const expected = await compute(half, operands, true, reference()), got = await compute(half, operands, true, device);
    expectClose(got.value, expected.value, 4e-3, name);
    expected.slopes.forEach((slope, i) => expectClose(got.slopes[i]!, slope, 2e-2, `${name}: gradient ${i}`));
  } });

  checks.push({ name: 'random programs, with passes on and off', timeout: 600_000, run: async (device) => {
    await fc.assert(fc.asyncProperty(programs, passSwitches, async (program, passes) => {
      const expected = await runProgram(program, reference());
      expectClose(await runProgram(program, device), expected, 2e-3, 'all passes');
      expectClose(await runProgram(program, device, passes), expected, 2e-3, JSON.stringify(passes));
    }), { numRuns: options.programs ?? 60, seed: 20_260 });
  } });

  checks.push({ name: 'the same program gives the same bits', run: async (device) => {
    const [program] = fc.sample(programs, { numRuns: 1, seed: 7 });
    expectClose(await runProgram(program!, device), await runProgram(program!, device), 0, 'second run');
  } });
  return checks;
}

/** Runs the whole kit on a device, which is opened once and closed at the end. A device that cannot be opened fails every check. */
export function testBackend(name: string, open: () => Promise<Device>, options: TestBackendOptions = {}): void {
  describe(`${name} conforms`, () => {
    let device: Device;
    beforeAll(async () => { device = await open(); });
    afterAll(async () => { await device?.close(); });
    for (const check of backendChecks(options)) test(check.name, () => check.run(device), check.timeout ?? 60_000);
  });
}

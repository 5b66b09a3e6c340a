/** Random programs over tensors, for comparing devices and compiler passes. */
import fc from 'fast-check';
import { arange, assign, checkpoint, concat, gradients, jit, layerNorm, passNames, read, tensor, Variable, where, type Device, type PassOptions, type Tensor } from '@ashlar/tensor';
import { values } from './data.js';

/** A step of a program: which operation, on which earlier values (modulo how many there are), with which number. */
export interface Instruction { readonly op: number; readonly a: number; readonly b: number; readonly n: number }
export interface Program { readonly shape: readonly [number, number]; readonly instructions: readonly Instruction[]; readonly outputs: readonly number[]; readonly seed: number; readonly differentiate: boolean }

type Step = (a: Tensor, b: Tensor, n: number) => Tensor;

/** Operations from a matrix [R, C] (and another one) to a matrix [R, C], all bounded so that values stay near 1. */
const steps: readonly Step[] = [
  (a, b) => a.add(b).mul(0.5),
  (a, b) => a.sub(b),
  (a, b) => a.mul(b),
  (a) => a.tanh(),
  (a) => a.mul(0.5).exp().sub(1),
  (a) => a.erf(),
  (a) => a.sigmoid(),
  (a, b) => where(a.gt(b), a, b.mul(0.5)),
  (a, b) => a.maximum(b),
  (a) => a.softmax(-1),
  (a) => a.softmax(0),
  (a) => layerNorm(a),
  (a) => a.sub(a.mean(-1, { keepDims: true })),
  (a, b) => a.add(b.sum(0).mul(0.1)),
  (a, b) => a.mul(b.max(-1, { keepDims: true }).tanh()),
  (a, b) => a.matmul(b.transpose()).matmul(b).mul(1 / (a.shape[0]! * a.shape[1]!)).tanh(),
  (a, b) => a.transpose().matmul(b).matmul(a.transpose()).transpose().tanh(),
  (a, b, n) => { const width = a.shape[1]!, cut = n % (width + 1); return concat([a.slice(undefined, [0, cut]), b.slice(undefined, [cut, width])], 1); },
  (a, _, n) => { const rows = a.shape[0]!; return a.gather(arange(rows).mul(n % 5).add(1).mod(rows)); },
  (a) => a.transpose().reshape([a.shape[0]!, a.shape[1]!]),
  (a) => a.flip(0),
  (a, _, n) => { const rows = a.shape[0]!, cut = n % (rows + 1); return a.slice([cut, rows]).pad([0, cut]).add(a); },
  (a, b) => checkpoint((x: Tensor, y: Tensor) => x.mul(y).tanh().add(x))(a, b),
  (a) => a.stopGradient().mul(a),
  (a, b) => a.after(b, b.mul(2).tanh()).mul(a),
];

export const programs: fc.Arbitrary<Program> = fc.record({
  shape: fc.tuple(fc.constantFrom(1, 2, 3, 5, 8, 17), fc.constantFrom(1, 3, 4, 7, 16, 33)),
  instructions: fc.array(fc.record({ op: fc.nat(steps.length - 1), a: fc.nat(30), b: fc.nat(30), n: fc.nat(40) }), { minLength: 1, maxLength: 14 }),
  outputs: fc.array(fc.nat(30), { minLength: 1, maxLength: 3 }),
  seed: fc.nat(1e6),
  differentiate: fc.boolean(),
});

export const passSwitches: fc.Arbitrary<PassOptions> = fc.record(Object.fromEntries(passNames.map((name) => [name, fc.boolean()])) as Record<(typeof passNames)[number], fc.Arbitrary<boolean>>);

/** What a program computes from two arguments and the present value of a variable: its outputs, slopes of its last value in x and z (if it asks for them), its last value. */
export function traceProgram(program: Program, [x, y, z]: readonly [Tensor, Tensor, Tensor]): { readonly outputs: Tensor[]; readonly slopes: Tensor[]; readonly last: Tensor } {
  const list = [x, y, z];
  for (const { op, a, b, n } of program.instructions) list.push(steps[op]!(list[a % list.length]!, list[b % list.length]!, n));
  const last = list[list.length - 1]!;
  return {
    outputs: program.outputs.map((i) => list[list.length - 1 - (i % list.length)]!),
    slopes: program.differentiate ? gradients(last.square().mean(), [x, z]) : [], last,
  };
}

/** The numbers that a program begins with: of its two arguments and its variable. */
export const programData = ({ shape: [rows, columns], seed }: Program): Float32Array[] => [0, 1, 2].map((i) => Float32Array.from(values(rows * columns, 'unit', seed + i)));

/**
 * Runs a program on a device, twice, with a variable that the second run sees changed; all results in a row.
 * Two inputs are arguments, one is the variable.
 */
export async function runProgram(program: Program, device: Device, passes?: PassOptions): Promise<Float64Array> {
  const { shape } = program, data = programData(program);
  const variable = new Variable(shape, 'f32', data[2]);
  const f = jit((x: Tensor, y: Tensor) => {
    const { outputs, slopes, last } = traceProgram(program, [x, y, read(variable)]);
    assign(variable, read(variable).mul(0.5).add(last.mul(0.25)).sub(slopes[1] ? slopes[1].mul(0.1) : 0));
    return [...outputs, ...slopes, last.sum()];
  }, passes ? { device, passes } : { device });
  const results: number[] = [];
  for (let run = 0; run < 2; run++) {
    for (const output of f(tensor(data[0]!, { shape }), tensor(data[1]!, { shape }))) results.push(...(await output.data()));
    results.push(...(await variable.values()));
  }
  f.release();
  await variable.toHost();
  return Float64Array.from(results);
}

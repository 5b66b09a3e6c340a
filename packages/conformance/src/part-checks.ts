/** What the kits of norms, residual schemes, positions and feed-forward share: filled parts, and their comparison with plain loops. */
import { describe, test } from 'vitest';
import { gradients, jit, read, tensor, type Device, type Shape, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { normalInitializer, type Module, type SiteInitializers } from '@ashlar/nn';
import { numbers } from './data.js';

/** Devices to run on, by name. */
export type KitDevices = Readonly<Record<string, () => Device | Promise<Device>>>;

/** The parameters of a part by their paths, row-major. */
export type Weights = ReadonlyMap<string, readonly number[]>;

/** One check of a kit: it throws where the variant is wrong. */
export interface PartCheck { readonly name: string; run(device: Device): Promise<void> }

const weight = normalInitializer(0.5);
export const kitInitializers: SiteInitializers = { weight, value: weight, residual: weight };

/** Numbers about N(0, 1), the same each time. */
export function normals(count: number, seed: number): Float32Array {
  const next = numbers(seed * 7919 + 11);
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
}

/** Gives every parameter values of its own that hide nothing: about 0.5 N(0, 1), around 1 where it has one axis. */
export function fill<M extends Module>(part: M): M {
  part.initialize(0);
  for (const [i, parameter] of part.parameters().entries()) parameter.write(normals(parameter.size, 300 + i).map((value) => 0.5 * value + (parameter.shape.length === 1 ? 1 : 0)));
  return part;
}

export const weightsOf = async (part: Module): Promise<Map<string, readonly number[]>> =>
  new Map(await Promise.all([...part.namedParameters()].map(async ([name, parameter]) => [name, [...await parameter.values()] as readonly number[]] as const)));

export const rowsOf = (data: ArrayLike<number>, width: number): number[][] =>
  Array.from({ length: data.length / width }, (_, r) => Array.from({ length: width }, (__, c) => data[r * width + c]!));

export function expectNear(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  if (got.length !== expected.length) throw new Error(`${what}: ${got.length} elements, expected ${expected.length}`);
  for (let i = 0; i < got.length; i++) if (!(Math.abs(got[i]! - expected[i]!) <= tolerance * (1 + Math.abs(expected[i]!)))) throw new Error(`${what}: element ${i} is ${got[i]}, expected ${expected[i]} (tolerance ${tolerance})`);
}

/** Throws unless an element differs. */
export function expectChange(before: ArrayLike<number>, after: ArrayLike<number>, message: string): void {
  if (before.length === after.length && Array.from(before).every((value, i) => Math.abs(value - after[i]!) < 1e-6)) throw new Error(message);
}

export interface Comparison {
  readonly part: Module;
  readonly inputs: readonly { readonly shape: Shape; readonly data: Float32Array }[];
  readonly forward: (...inputs: Tensor[]) => Tensor;
  /** The same in plain f64 loops. */
  readonly loops: (inputs: readonly (readonly number[])[], weights: Weights) => readonly number[];
  readonly device: Device;
  readonly tolerance: number;
}

/** Compares the value, and the gradient in every input and parameter against central differences of the loops, two directions each. */
export async function compareWithLoops({ part, inputs, forward, loops, device, tolerance }: Comparison): Promise<void> {
  const parameters = [...part.namedParameters()], weights = await weightsOf(part);
  const given = inputs.map(({ data }) => [...data]), value = loops(given, weights), pulled = normals(value.length, 31);
  const run = jit((...tensors: Tensor[]) => {
    const result = forward(...tensors);
    return { result, slopes: gradients(result.mul(tensor(pulled, { shape: result.shape })).sum(), [...tensors, ...parameters.map(([, parameter]) => read(parameter))]) };
  }, { device });
  const { result, slopes } = run(...inputs.map(({ shape, data }) => tensor(data, { shape })));
  const [got, ...analytic] = await Promise.all([result, ...slopes].map((one) => one.data()));
  run.release();
  await part.toHost();
  expectNear(got!, value, tolerance, 'value');
  const loss = (at: readonly (readonly number[])[], of: Weights): number => loops(at, of).reduce((sum, one, i) => sum + one * pulled[i]!, 0);
  for (const [i, name] of [...inputs.map((_, index) => `input ${index}`), ...parameters.map(([path]) => path)].entries()) for (let k = 0; k < 2; k++) {
    const base = i < inputs.length ? given[i]! : weights.get(name)!, direction = normals(base.length, 97 * i + k), step = 1e-5;
    const moved = (by: number): number => {
      const shifted = base.map((v, j) => v + by * direction[j]!);
      return i < inputs.length ? loss(given.with(i, shifted), weights) : loss(given, new Map(weights).set(name, shifted));
    };
    const numeric = (moved(step) - moved(-step)) / (2 * step), terms = Float64Array.from(analytic[i]!, (slope, j) => slope * direction[j]!);
    const found = terms.reduce((sum, term) => sum + term, 0), size = Math.hypot(...terms);
    if (!(Math.abs(found - numeric) <= tolerance * 10 * (size + Math.abs(numeric) + 0.1))) throw new Error(`gradient of ${name}: ${found}, by differences of the loops ${numeric}`);
  }
}

/** Runs a function once on a device and brings the part back. */
export async function computed(part: Module, f: () => Tensor, device: Device): Promise<Float64Array> {
  const run = jit(f, { device }), result = Float64Array.from(await run().data());
  run.release();
  await part.toHost();
  return result;
}

/** Runs a kit's checks on each device, as tests. */
export function testChecks(name: string, checks: readonly PartCheck[], devices: KitDevices = { reference }): void {
  describe(`${name} conforms`, () => {
    for (const [where, open] of Object.entries(devices)) describe(`on ${where}`, () => {
      for (const check of checks) test(check.name, async () => {
        const device = await open();
        try { await check.run(device); } finally { await device.close(); }
      });
    });
  });
}

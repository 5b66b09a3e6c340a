/** `testNorm`: everything that a norm must get right, as one call. */
import { tensor, type Tensor } from '@ashlar/tensor';
import type { Norm, NormVariant } from '@ashlar/nn';
import { compareWithLoops, computed, expectChange, expectNear, fill, normals, rowsOf, testChecks, type KitDevices, type PartCheck, type Weights } from './part-checks.js';

export interface TestNormOptions {
  /** The norm of one row [C] in plain f64 loops, sharing no code with the variant. */
  reference(row: readonly number[], weights: Weights): readonly number[];
  /** Variants that each differ from the tested one in one option, by its name: each must change the output. */
  readonly changed?: Readonly<Record<string, NormVariant>>;
  /** Default: the f64 reference alone. */
  readonly devices?: KitDevices;
  /** C; default 1, 7, 63, 64, 65. */
  readonly widths?: readonly number[];
  /** Whether the site asks for biases. Default true. */
  readonly bias?: boolean;
  /** Largest |got − expected| / (1 + |expected|); default 1e-4. */
  readonly tolerance?: number;
}

/** Every check, so that the kit can be run without a test runner (and be tested itself). */
export function normChecks(variant: NormVariant, { reference, changed = {}, widths = [1, 7, 63, 64, 65], bias = true, tolerance = 1e-4 }: TestNormOptions): PartCheck[] {
  const built = (width: number, of = variant): Norm => fill(of.build({ width, bias }));
  const last = widths.at(-1)!, x = (width: number, scale = 1): Tensor => tensor(normals(6 * width, width).map((value) => scale * (value + 0.3)), { shape: [2, 3, width] });
  return [
    ...widths.map((width): PartCheck => ({ name: `value and gradients of the reference at width ${width}`, run: async (device) => {
      const part = built(width);
      await compareWithLoops({
        part, device, tolerance, inputs: [{ shape: [2, 3, width], data: normals(6 * width, width).map((value) => value + 0.3) }], forward: (given) => part.forward(given!),
        loops: ([given], weights) => rowsOf(given!, width).flatMap((row) => reference(row, weights)),
      });
    } })),
    { name: 'a token does not depend on others', run: async (device) => {
      const part = built(last), data = normals(6 * last, 5), changedData = data.map((value, i) => (Math.floor(i / last) === 2 ? value + 2 : value));
      const [before, after] = [await computed(part, () => part.forward(tensor(data, { shape: [2, 3, last] })), device), await computed(part, () => part.forward(tensor(changedData, { shape: [2, 3, last] })), device)];
      for (let i = 0; i < before.length; i++) if (Math.floor(i / last) !== 2 && before[i] !== after[i]) throw new Error(`token ${Math.floor(i / last)} depends on token 2`);
    } },
    { name: 'tiny, huge and zero rows stay finite', run: async (device) => {
      const part = built(last);
      for (const scale of [0, 1e-18, 1e15]) {
        const result = await computed(part, () => part.forward(x(last, scale)), device);
        if (!result.every(Number.isFinite)) throw new Error(`rows of about ${scale} do not stay finite`);
      }
    } },
    { name: 'f16 gives f16, with statistics in f32', run: async (device) => {
      const part = built(last), result = part.forward(x(last, 100).cast('f16'));
      if (result.dtype !== 'f16') throw new Error(`f16 gives ${result.dtype}`);
      const rounded = await x(last, 100).cast('f16').cast('f32').data(device);
      expectNear(await computed(part, () => result, device), await computed(part, () => part.forward(tensor(Float32Array.from(rounded), { shape: [2, 3, last] })), device), 4e-3, 'f16');
    } },
    { name: 'each part has parameters of its own', run: async () => {
      const [one, other] = [built(last), built(last)], mine = new Set(one.parameters());
      if (other.parameters().some((parameter) => mine.has(parameter))) throw new Error('two parts share a parameter');
    } },
    ...Object.entries(changed).map(([option, other]): PartCheck => ({ name: `the option ${option} changes the output`, run: async (device) => {
      const [a, b] = [built(last), built(last, other)];
      expectChange(await computed(a, () => a.forward(x(last)), device), await computed(b, () => b.forward(x(last)), device), `${option} is accepted and then ignored`);
    } })),
  ];
}

/** Runs the whole kit on a norm, on each device. */
export const testNorm = (name: string, variant: NormVariant, options: TestNormOptions): void => testChecks(name, normChecks(variant, options), options.devices);

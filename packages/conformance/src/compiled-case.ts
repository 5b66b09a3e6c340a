import { assign, gradients, jit, plannedBytes, read, tensor, Variable, type Device, type Shape, type Tensor, type TypedArray } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import type { CaseWork, PreparedCase } from './benchmark.js';

export interface HostTensor { readonly shape: Shape; readonly data: Float32Array | Int32Array }

type TensorFunction = (...inputs: Tensor[]) => Tensor | readonly Tensor[];

export interface CompiledCaseOptions {
  /** For messages. */
  readonly name: string;
  /** The function to be compiled. It is asked for once a device, so that it may hold parameters of its own. */
  make(): TensorFunction;
  readonly inputs: readonly HostTensor[];
  /** Inputs for the check, smaller where the f64 interpreter would need long. Default: `inputs`. */
  readonly checked?: readonly HostTensor[];
  /** How far an f32 result may be from the f64 interpreter's, in parts of 1 + its largest value. Default 1e-4. */
  readonly tolerance?: number;
  /** Judges the results for `inputs` instead of the interpreter; throws where they are wrong. */
  judge?(results: readonly TypedArray[]): void;
  readonly work?: CaseWork;
}

/**
 * A function of tensors as a case of a benchmark: compiled, compared with the f64 interpreter, and run with operands
 * that stay on the device, so that a call copies and allocates nothing. Tells the bytes and kernels of its plan.
 */
export function compiledCase(device: Device, { name, make, inputs, checked = inputs, tolerance = 1e-4, judge, work }: CompiledCaseOptions): PreparedCase {
  let timed: Resident | undefined;
  const ready = (): Resident => (timed ??= resident(device, name, make(), inputs));
  return {
    ...(work && { work }),
    async check() {
      if (judge) {
        await ready().run();
        return judge(await ready().results());
      }
      const got = await computed(device, name, make(), checked), expected = await computed(reference(), name, make(), checked);
      expected.forEach((values, i) => compare(`${name}: result ${i + 1}`, got[i]!, values, tolerance));
    },
    run: () => ready().run(),
    synchronise: () => ready().synchronise(),
    figures: () => ready().figures(),
    release: () => timed?.release(),
  };
}

/** `f`, and after its result the gradients of the sum of its squares by each input. */
export const withGradients = (f: (...inputs: Tensor[]) => Tensor): TensorFunction => (...inputs) => {
  const y = f(...inputs);
  return [y, ...gradients(y.square().sum(), inputs)];
};

interface Resident {
  run(): Promise<void>;
  synchronise(): Promise<void>;
  results(): Promise<TypedArray[]>;
  figures(): Record<string, number>;
  release(): void;
}

const listOf = (results: Tensor | readonly Tensor[]): readonly Tensor[] => (Array.isArray(results) ? results as readonly Tensor[] : [results as Tensor]);

function resident(device: Device, name: string, f: TensorFunction, inputs: readonly HostTensor[]): Resident {
  const operands = inputs.map(({ shape, data }) => new Variable(shape, data instanceof Int32Array ? 'i32' : 'f32', data)), runs = new Variable([1], 'f32');
  let outputs: Variable[] | undefined;
  const step = jit(() => {
    const results = listOf(f(...operands.map(read)));
    outputs ??= results.map(({ shape, dtype }) => new Variable(shape, dtype));
    results.forEach((result, i) => assign(outputs![i]!, result));
    assign(runs, read(runs).add(1));
  }, { device, name });
  return {
    async run() {
      step();
      await step.ready();
    },
    // A read waits for everything enqueued before it.
    async synchronise() { await runs.read(); },
    results: () => Promise.all(outputs!.map((one) => one.read())),
    figures: (): Record<string, number> => (step.plan ? { planBytes: plannedBytes(step.plan), workBytes: step.plan.workBytes, kernels: step.plan.steps.length } : {}),
    release() {
      step.release();
      for (const one of [...operands, ...outputs ?? [], runs]) one.release();
    },
  };
}

async function computed(device: Device, name: string, f: TensorFunction, inputs: readonly HostTensor[]): Promise<TypedArray[]> {
  const compiled = jit(f, { device, name });
  const results = listOf(compiled(...inputs.map(({ shape, data }) => tensor(data, { shape }))));
  const values = await Promise.all(results.map((one) => one.data()));
  compiled.release();
  return values;
}

function compare(what: string, got: TypedArray, expected: TypedArray, tolerance: number): void {
  let largest = 0, worst = 0;
  expected.forEach((value: number, i: number) => {
    largest = Math.max(largest, Math.abs(value));
    const distance = Math.abs(value - got[i]!);
    if (!(distance <= worst)) worst = distance;
  });
  if (!(worst <= tolerance * (1 + largest))) throw new Error(`${what} is off by ${worst}, where the largest value is ${largest}`);
}

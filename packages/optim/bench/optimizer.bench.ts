import { defineBenchmark } from '@ashlar/conformance/benchmark';
import { Parameter } from '@ashlar/nn';
import { adamW, clipByGlobalNorm, type Optimizer } from '@ashlar/optim';
import { jit, plannedBytes, read, tensor, Variable, type Device, type Jitted, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';

const optimizers: Readonly<Record<string, () => Optimizer>> = { adamW: () => adamW({ learningRate: 1e-3, weightDecay: 0.1 }) };

interface Updating {
  readonly parameters: readonly Parameter[];
  readonly step: Jitted<[Tensor], Tensor>;
  /** Enqueues update number `count`. */
  update(count: number): void;
  release(): void;
}

/** Matrices whose gradients stand still are updated again and again, their gradients clipped to a common norm of 1. */
function updating(device: Device, optimizer: Optimizer, shapes: readonly (readonly [number, number])[]): Updating {
  const initializer = ([rows, columns]: readonly number[]): Float32Array => Float32Array.from({ length: rows! * columns! }, (_, i) => Math.cos(i * 0.31));
  const parameters = shapes.map((shape) => new Parameter(shape, { initializer })), attached = optimizer.attach(new Map(parameters.map((parameter, i) => [`parameter${i}`, parameter])));
  for (const parameter of parameters) parameter.write(initializer(parameter.shape));
  const slopes = shapes.map((shape) => new Variable(shape, 'f32', initializer(shape).map((value, i) => value * Math.sin(i))));
  const step = jit((scalars: Tensor) => {
    const { gradients, norm } = clipByGlobalNorm(slopes.map(read), 1);
    attached.update(gradients, scalars);
    return norm;
  }, { device, name: optimizer.name });
  return {
    parameters, step, update: (count) => void step(tensor(attached.scalars(count))),
    release() {
      step.release();
      for (const variable of [...parameters, ...slopes, ...attached.state.values()]) variable.release();
    },
  };
}

export const benchmarks = [defineBenchmark({
  suite: 'kernels', name: 'optimizer', description: 'One update of matrices, their gradients clipped to a common norm; f32.',
  parameters: { optimizer: Object.keys(optimizers), matrices: [24], width: [384] },
  async prepare({ optimizer, matrices, width }, place) {
    const device = await place.device(), timed = updating(device, optimizers[optimizer]!(), Array.from({ length: matrices }, () => [width, width] as const));
    let count = 0;
    return {
      // Read and written: parameter and two moments; read: the gradient, once for its norm.
      work: { bytes: matrices * width * width * 4 * 8 },
      async check() {
        const shapes = [[7, 5], [33, 3]] as const, results: Float32Array[][] = [];
        for (const where of [reference(), device]) {
          const small = updating(where, optimizers[optimizer]!(), shapes);
          for (let i = 0; i < 3; i++) small.update(i);
          results.push(await Promise.all(small.parameters.map((parameter) => parameter.read() as Promise<Float32Array>)));
          small.release();
        }
        const [expected, got] = results as [Float32Array[], Float32Array[]];
        expected.forEach((values, i) => values.forEach((value, j) => {
          if (!(Math.abs(got[i]![j]! - value) <= 1e-5)) throw new Error(`${optimizer}: element ${j} of parameter ${i} is ${got[i]![j]} after 3 updates, expected ${value}`);
        }));
      },
      async run() {
        timed.update(count++);
        await timed.step.ready();
      },
      async synchronise() { await timed.parameters.at(-1)!.read(); },
      figures: () => ({ planBytes: plannedBytes(timed.step.plan!), kernels: timed.step.plan!.steps.length }),
      release: () => timed.release(),
    };
  },
})];

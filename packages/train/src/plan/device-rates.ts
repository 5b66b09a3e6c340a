/** How fast a device is, from a short measurement, and what a plan then takes. */
import { Variable, assign, jit, read, tensor, type Device, type Plan, type Tensor } from '@ashlar/tensor';

export interface DeviceRates {
  /** Floating-point operations a second, in matrix products. */
  readonly flopsPerSecond: number;
  /** Bytes a second, read and written in element-wise work. */
  readonly bytesPerSecond: number;
  /** What a run with next to nothing in it takes. */
  readonly secondsPerRun: number;
}

const side = 512, products = 4, elements = 2 ** 24;

/** Seconds of one call at its best, over at least `enough` seconds and three calls. */
async function fastest(call: () => Promise<unknown>, enough = 0.15): Promise<number> {
  await call();
  await call();
  let best = Infinity, spent = 0;
  for (let i = 0; i < 3 || spent < enough; i++) {
    const start = performance.now();
    await call();
    const seconds = (performance.now() - start) / 1e3;
    best = Math.min(best, seconds);
    spent += seconds;
  }
  return best;
}

/** Measures a device: products of 512 × 512 matrices, a vector of 64 MiB updated in place, and an addition of two numbers. About half a second, where nothing else runs. */
export async function measureRates(device: Device): Promise<DeviceRates> {
  const matrix = tensor(Float32Array.from({ length: side * side }, (_, i) => ((i * 7919) % 1000) / 1000 / side), { shape: [side, side] });
  const one = tensor([1]), vector = new Variable([elements], 'f32');
  const multiply = jit((x: Tensor) => { let y = x; for (let i = 0; i < products; i++) y = y.matmul(x); return y.at(0).at(0); }, { device });
  const stream = jit((x: Tensor) => { const value = read(vector).mul(0.5).add(1); assign(vector, value); return x.add(1); }, { device });
  const nothing = jit((x: Tensor) => x.add(1), { device });
  try {
    const secondsPerRun = await fastest(() => nothing(one).item(), 0.02);
    const productSeconds = await fastest(() => multiply(matrix).item()), streamSeconds = await fastest(() => stream(one).item());
    return {
      flopsPerSecond: (products * 2 * side ** 3) / productSeconds, bytesPerSecond: (2 * 4 * elements) / streamSeconds, secondsPerRun,
    };
  } finally {
    for (const { release } of [multiply, stream, nothing]) release();
    vector.release();
  }
}

/** Seconds that a plan takes at these rates: each kernel what its operations or its bytes take, whichever is more. An estimate. */
export const estimatedSeconds = ({ steps }: Plan, { flopsPerSecond, bytesPerSecond, secondsPerRun }: DeviceRates): number =>
  steps.reduce((sum, { flops, bytes }) => sum + Math.max(flops / flopsPerSecond, bytes / bytesPerSecond), secondsPerRun);

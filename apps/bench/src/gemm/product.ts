/** One matrix product on a device, checked, then timed. */
import { assign, jit, read, Variable, type Device } from '@ashlar/tensor';
import { hash } from '../steps/weights.js';
import type { GemmShape } from './shapes.js';

export interface GemmResult extends GemmShape { readonly gflops: number; readonly microseconds: number }

/** Elements compared with a product in f64. */
const sampled = 256;

const values = (stream: number, count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => (hash(stream, i) >>> 8) / 8388608 - 1);

/**
 * Times c = a · b on the device for about `milliseconds`, written in place into a variable. Throws, and gives no time,
 * where a sampled element is not the f64 product within 1e-6 · k.
 */
export async function timeGemm(device: Device, shape: GemmShape, milliseconds: number): Promise<GemmResult> {
  const { m, k, n, transposeA, transposeB } = shape;
  const a = values(1, m * k), b = values(2, k * n);
  const left = new Variable(transposeA ? [k, m] : [m, k], 'f32', a), right = new Variable(transposeB ? [n, k] : [k, n], 'f32', b);
  const out = new Variable([m, n], 'f32');
  const mark = new Variable([1], 'f32');
  const step = jit(() => {
    const x = transposeA ? read(left).transpose() : read(left), y = transposeB ? read(right).transpose() : read(right);
    assign(out, x.matmul(y));
    assign(mark, read(mark).add(1));
  }, { device, name: `gemm ${shape.name}` });
  try {
    step();
    const c = await out.read();
    for (let i = 0; i < sampled; i++) {
      const row = hash(3, i) % m, column = hash(4, i) % n;
      let sum = 0;
      for (let x = 0; x < k; x++) sum += a[transposeA ? x * m + row : row * k + x]! * b[transposeB ? column * k + x : x * n + column]!;
      const got = c[row * n + column]!;
      if (!(Math.abs(got - sum) <= 1e-6 * k)) throw new Error(`gemm ${shape.name}: element ${row}, ${column} is ${got}, expected ${sum}: no time is reported`);
    }
    const repeat = async (count: number): Promise<number> => {
      const started = performance.now();
      for (let i = 0; i < count; i++) {
        step();
        await step.ready();
      }
      await mark.read();
      return performance.now() - started;
    };
    // Until the engine has settled on its best code.
    for (let spent = 0, count = 1; spent < milliseconds / 2; count *= 2) spent += await repeat(count);
    const count = Math.max(1, Math.round(milliseconds / 3 / (await repeat(3) / 3)));
    const ms = Math.min(await repeat(count), await repeat(count), await repeat(count)) / count;
    return { ...shape, gflops: 2 * m * k * n / ms / 1e6, microseconds: ms * 1000 };
  } finally {
    step.release();
    for (const variable of [left, right, out, mark]) variable.release();
  }
}

import { compiledCase, defineBenchmark, type BenchmarkPlace, type PreparedCase } from '@ashlar/conformance/benchmark';
import { flopsPerTurn, fmaLoop } from '../src/gemm/fma-loop.js';
import { flopsPerDispatch, fmaShader } from '../src/gemm/fma-shader.js';
import { square, stepShapes, type GemmShape } from '../src/gemm/shapes.js';
import { adapterNamed } from '../src/own/device-options.js';
import { r0, r1 } from '../src/steps/definition.js';
import { hash } from '../src/steps/weights.js';

const bareLoop = 'bare loop', inBareLoop = 10_000_000, sampled = 256;
const steps = new Map([r0, r1].flatMap((step) => stepShapes(step).map((shape) => [`${step.name.toUpperCase()} ${shape.name}`, shape] as const)));

/** The multiply-adds of the same processors or adapter, with nothing loaded or stored: what a product is measured by. */
async function bare({ kind, adapter, threads }: BenchmarkPlace): Promise<PreparedCase> {
  if (kind === 'wasm') {
    const loop = await fmaLoop(threads), run = (): Promise<void> => loop.run(inBareLoop);
    return { work: { flops: threads * inBareLoop * flopsPerTurn }, check: run, run, release: () => loop.close() };
  }
  const { findAdapter } = await import('@ashlar/webgpu-node'), loop = await fmaShader(await findAdapter(adapterNamed(adapter)));
  const run = async (): Promise<void> => void await loop.run(1);
  return { work: { flops: flopsPerDispatch }, check: run, run, release: () => loop.close() };
}

const values = (stream: number, count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => (hash(stream, i) >>> 8) / 8388608 - 1);

/** c = a · b, some of whose elements are compared with their f64 sums. */
async function product(name: string, { m, k, n, transposeA, transposeB }: GemmShape, place: BenchmarkPlace): Promise<PreparedCase> {
  const a = values(1, m * k), b = values(2, k * n);
  return compiledCase(await place.device(), {
    name, inputs: [{ shape: transposeA ? [k, m] : [m, k], data: a }, { shape: transposeB ? [n, k] : [k, n], data: b }],
    make: () => (x, y) => (transposeA ? x!.transpose() : x!).matmul(transposeB ? y!.transpose() : y!),
    judge([c]) {
      for (let i = 0; i < sampled; i++) {
        const row = hash(3, i) % m, column = hash(4, i) % n, got = c![row * n + column]!;
        let sum = 0;
        for (let x = 0; x < k; x++) sum += a[transposeA ? x * m + row : row * k + x]! * b[transposeB ? column * k + x : x * n + column]!;
        if (!(Math.abs(got - sum) <= 1e-6 * k)) throw new Error(`element ${row}, ${column} is ${got}, expected ${sum}`);
      }
    },
    work: { flops: 2 * m * k * n },
  });
}

export const benchmarks = [defineBenchmark({
  suite: 'kernels', name: 'matmul', description: 'Matrix products: a square one, and those of the training steps R0 and R1, forward and backward; beside a bare loop of fused multiply-adds.',
  parameters: { product: [bareLoop, 'square', ...steps.keys()], size: [512] },
  when: ({ product: name, size }) => name === 'square' || size === 512,
  prepare: ({ product: name, size }, place) => (name === bareLoop ? bare(place) : product(name, name === 'square' ? square(size) : steps.get(name)!, place)),
  /** On wasm, the square product and each of R0's reach 60 % of the bare loop. */
  judge(results, kind) {
    const rate = ({ ms, work }: typeof results[number]): number => work.flops! / ms, loop = results.find(({ parameters }) => parameters.product === bareLoop);
    if (!loop || kind !== 'wasm') return [];
    return results.filter(({ parameters }) => parameters.product === 'square' || parameters.product.startsWith('R0')).map((one) => {
      const share = rate(one) / rate(loop);
      return { what: `${one.parameters.product}: ${(100 * share).toFixed(0)} % of the bare loop (at least 60 %)`, holds: share >= 0.6 };
    });
  },
})];

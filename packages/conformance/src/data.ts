/** Deterministic inputs and the comparison of results. */
import { encode, tensor, type DType, type Shape, type Tensor } from '@ashlar/tensor';

/**
 * Where an input's values lie: `any` around 0; `positive`; `unit` inside (−1, 1); `apart`: distinct, and no nearer than
 * 0.05 to each other or to 0, so that functions with a kink can be differenced; `integer`; `bool`.
 */
export type Domain = 'any' | 'positive' | 'unit' | 'apart' | 'integer' | 'bool';

/** A generator of numbers in [0, 1): SplitMix32 on a counter. */
export function numbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

export function values(size: number, domain: Domain, seed: number): Float64Array {
  const next = numbers(seed);
  if (domain === 'apart') {
    const order = Array.from({ length: size }, (_, i) => i).map((i) => [next(), i] as const).sort((a, b) => a[0] - b[0]).map(([, i]) => i);
    return Float64Array.from(order, (i) => (i - Math.floor(size / 2) + 0.5) * 0.1);
  }
  return Float64Array.from({ length: size }, () => {
    const u = next();
    switch (domain) {
      case 'any': return Math.fround(4 * u - 2);
      case 'positive': return Math.fround(0.2 + 3 * u);
      case 'unit': return Math.fround(1.8 * u - 0.9);
      case 'integer': return Math.floor(9 * u) - 4;
      case 'bool': return u < 0.5 ? 0 : 1;
    }
  });
}

export const input = (shape: Shape, dtype: DType, data: ArrayLike<number>): Tensor => tensor(encode(dtype, data), { shape, dtype });

/** Throws at the first element that is further from what is expected than `tolerance · (1 + |expected|)`; NaN equals NaN. */
export function expectClose(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  if (got.length !== expected.length) throw new Error(`${what}: ${got.length} elements, expected ${expected.length}`);
  for (let i = 0; i < expected.length; i++) {
    const x = got[i]!, y = expected[i]!;
    if (Object.is(x, y) || x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
    if (!(Math.abs(x - y) <= tolerance * (1 + Math.abs(y)))) throw new Error(`${what}: element ${i} is ${x}, expected ${y} (tolerance ${tolerance})`);
  }
}

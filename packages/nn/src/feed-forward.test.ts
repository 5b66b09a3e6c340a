import { describe, expect, test } from 'vitest';
import { testFeedForward, type Weights } from '@ashlar/conformance';
import { jit, tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { bilinearGlu, dropPath, geglu, gegluTanh, glu, mixtureOfExperts, mlp, reglu, swiglu, training, type FeedForwardVariant, type GatedOptions } from './index.js';

const devices = { reference, wasm };
const product = (row: readonly number[], weights: Weights, name: string): number[] => {
  const weight = weights.get(`${name}.weight`)!, bias = weights.get(`${name}.bias`);
  return Array.from({ length: weight.length / row.length }, (_, out) => row.reduce((sum, value, i) => sum + value * weight[out * row.length + i]!, bias?.[out] ?? 0));
};
/** The normal distribution's Φ: Σ (−1)ⁿ x²ⁿ⁺¹ / (√(2π) 2ⁿ n! (2n + 1)) near 0, and the asymptotic series of its tail. */
function phi(x: number): number {
  if (Math.abs(x) > 5) {
    const tail = (Math.exp(-x * x / 2) / (Math.abs(x) * Math.sqrt(2 * Math.PI))) * (1 - x ** -2 + 3 * x ** -4 - 15 * x ** -6 + 105 * x ** -8);
    return x > 0 ? 1 - tail : tail;
  }
  let term = x, sum = x;
  for (let n = 1; n < 120; n++) { term *= -(x * x) / (2 * n); sum += term / (2 * n + 1); }
  return 0.5 + sum / Math.sqrt(2 * Math.PI);
}
const scalar = {
  gelu: (x: number) => x * phi(x), geluTanh: (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))), relu: (x: number) => (x > 0 ? x : 0),
  reluSquared: (x: number) => (x > 0 ? x * x : 0), silu: (x: number) => x / (1 + Math.exp(-x)), sigmoid: (x: number) => 1 / (1 + Math.exp(-x)), identity: (x: number) => x, tanh: Math.tanh,
};
const mlpLoops = (activation: (x: number) => number) => (row: readonly number[], weights: Weights): number[] => product(product(row, weights, 'up').map(activation), weights, 'down');
const gatedLoops = (activation: (x: number) => number) => (row: readonly number[], weights: Weights): number[] => {
  const gate = product(row, weights, 'gate').map(activation);
  return product(product(row, weights, 'up').map((value, i) => value * gate[i]!), weights, 'down');
};

testFeedForward('mlp', mlp(), { devices, reference: mlpLoops(scalar.gelu), changed: { hidden: mlp({ hidden: 10 }), bias: mlp({ bias: false }), activation: mlp({ activation: 'silu' }) } });
for (const activation of ['geluTanh', 'relu', 'reluSquared', 'silu', 'tanh'] as const) testFeedForward(`mlp with ${activation}`, mlp({ activation, hidden: 9 }), { lengths: [7], bias: activation === 'silu', reference: mlpLoops(scalar[activation]) });
const family: [string, (options?: GatedOptions) => FeedForwardVariant, (x: number) => number][] = [
  ['swiglu', swiglu, scalar.silu], ['glu', glu, scalar.sigmoid], ['bilinearGlu', bilinearGlu, scalar.identity], ['reglu', reglu, scalar.relu], ['geglu', geglu, scalar.gelu], ['gegluTanh', gegluTanh, scalar.geluTanh],
];
for (const [name, make, activation] of family) {
  testFeedForward(name, make(), { lengths: name === 'swiglu' ? [1, 7, 63, 65] : [7], ...(name === 'swiglu' ? { devices } : {}), reference: gatedLoops(activation), changed: { hidden: make({ hidden: 5 }), bias: make({ bias: false }) } });
}

/** k of E experts by the router's probabilities. */
const expertLoops = (E: number, k: number, gated: boolean) => (row: readonly number[], weights: Weights): number[] => {
  const C = row.length, logits = product(row, weights, 'router'), total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0), F = weights.get('up')!.length / E / C;
  const chosen = logits.map((logit, e) => [Math.exp(logit) / total, e] as const).sort((a, b) => b[0] - a[0]).slice(0, k), share = k === 1 ? 1 : chosen.reduce((sum, [p]) => sum + p, 0), out = new Array<number>(C).fill(0);
  for (const [p, e] of chosen) {
    const part = (name: string, rows: number, columns: number): Weights => new Map([[`${name}.weight`, weights.get(name)!.slice(e * rows * columns, (e + 1) * rows * columns)]]);
    const up = product(row, part('up', F, C), 'up'), inner = gated ? product(row, part('gate', F, C), 'gate').map((value, i) => scalar.silu(value) * up[i]!) : up.map(scalar.silu);
    product(inner, part('down', C, F), 'down').forEach((value, c) => { out[c]! += (p / share) * value; });
  }
  return out;
};
testFeedForward('mixtureOfExperts', mixtureOfExperts({ experts: 5 }), {
  devices, reference: expertLoops(5, 2, true),
  changed: { experts: mixtureOfExperts({ experts: 6 }), active: mixtureOfExperts({ experts: 5, active: 3 }), hidden: mixtureOfExperts({ experts: 5, hidden: 4 }), gated: mixtureOfExperts({ experts: 5, gated: false }), activation: mixtureOfExperts({ experts: 5, activation: 'relu' }) },
});
testFeedForward('mixtureOfExperts, one plain expert a token', mixtureOfExperts({ experts: 3, active: 1, gated: false, hidden: 7 }), { lengths: [7, 65], reference: expertLoops(3, 1, false) });

describe('stochastic depth', () => {
  const rows = 4000, x = tensor(new Float32Array(rows * 2).fill(1), { shape: [rows, 2] });
  test('leaves out whole rows in training, and keeps the mean', async () => {
    for (const device of [reference(), await wasm()]) {
      const run = jit(() => training({ key: tensor(Uint32Array.of(5, 6)) }, () => dropPath(x, 0.25)), { device }), data = Float64Array.from(await run().data());
      for (let i = 0; i < rows; i++) {
        expect(data[2 * i]).toBe(data[2 * i + 1]);
        expect(data[2 * i] === 0 || Math.abs(data[2 * i]! - 1 / 0.75) < 1e-6).toBe(true);
      }
      expect(data.reduce((sum, value) => sum + value, 0) / data.length).toBeCloseTo(1, 1);
      expect(data.filter((value) => value === 0).length / data.length).toBeCloseTo(0.25, 1);
      run.release();
      await device.close();
    }
  });
  test('is nothing outside of training, and at rate 0', () => {
    expect(dropPath(x, 0.25)).toBe(x);
    expect(training({ key: tensor(Uint32Array.of(5, 6)) }, () => dropPath(x, 0))).toBe(x);
    expect(() => dropPath(x, 1)).toThrow('dropPath: the dropout rate must be from 0 and less than 1, got 1');
  });
});

import { describe, expect, test } from 'vitest';
import { finiteDifferences, worstDerivative } from '@ashlar/conformance';
import { gradients, jit, read, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { mixtureOfExperts, normalInitializer, training, type FeedForward, type FeedForwardSite, type MixtureOfExpertsOptions } from './index.js';

const C = 6;
const begin = normalInitializer(1);
const site: FeedForwardSite = { width: C, bias: true, dropout: 0, initializers: { weight: begin, value: begin, residual: begin } };
const key = tensor(Uint32Array.of(1, 2));

function values(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 48271) + 11) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

const activationLoops = { silu: (x: number) => x / (1 + Math.exp(-x)), relu: (x: number) => Math.max(x, 0) };

/** The mixture and its losses in plain loops; `limit`: how many tokens an expert takes. */
async function loops(part: FeedForward, x: Float32Array, { experts: E, active: k = 2, hidden: F = 16, activation = 'silu', balanceLoss = 0.01, zLoss = 0.001 }: MixtureOfExpertsOptions, limit = Infinity): Promise<{ output: number[]; loss: number; dropped: number }> {
  const p = new Map(await Promise.all([...part.namedParameters()].map(async ([name, parameter]) => [name, await parameter.values()] as const)));
  const row = (name: string, at: number, width: number): number[] => [...p.get(name)!.slice(at * width, (at + 1) * width)].map(Number), dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const N = x.length / C, taken = new Array<number>(E).fill(0), share = new Array<number>(E).fill(0), mean = new Array<number>(E).fill(0), output: number[] = [];
  let squares = 0, dropped = 0;
  for (let n = 0; n < N; n++) {
    const token = [...x.slice(n * C, (n + 1) * C)], logits = Array.from({ length: E }, (_, e) => dot(row('router.weight', e, C), token));
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0), probabilities = logits.map((logit) => Math.exp(logit) / total);
    squares += Math.log(total) ** 2 / N;
    probabilities.forEach((one, e) => { mean[e]! += one / N; });
    const best = probabilities.map((one, e) => [one, e] as const).sort((a, b) => b[0] - a[0]).slice(0, k), sum = k === 1 ? 1 : best.reduce((all, [one]) => all + one, 0);
    const result = new Array<number>(C).fill(0);
    for (const [probability, e] of best) {
      share[e]! += 1 / (N * k);
      if (taken[e]!++ >= limit) { dropped++; continue; }
      const inner = Array.from({ length: F }, (_, f) => {
        const up = dot(row('up', e * F + f, C), token), f1 = activationLoops[activation as 'silu' | 'relu'];
        return p.has('gate') ? f1(dot(row('gate', e * F + f, C), token)) * up : f1(up);
      });
      for (let c = 0; c < C; c++) result[c]! += (probability / sum) * dot(row('down', e * C + c, F), inner);
    }
    output.push(...result);
  }
  return { output, loss: balanceLoss * E * share.reduce((sum, one, e) => sum + one * mean[e]!, 0) + zLoss * squares, dropped };
}

const kinds: [string, MixtureOfExpertsOptions][] = [
  ['two of four', { experts: 4 }], ['one of three', { experts: 3, active: 1, hidden: 5 }], ['all of two, plain', { experts: 2, gated: false, hidden: 7, activation: 'relu' }],
  ['more experts than tokens', { experts: 40, active: 3, hidden: 4, balanceLoss: 0.3, zLoss: 0.2 }],
];

describe.each(kinds)('%s', (_, options) => {
  const part = mixtureOfExperts(options).build(site);
  part.initialize(3);
  test.each([1, 7, 63, 130])('%i tokens in plain loops, nothing dropped', async (N) => {
    const x = values(N * C, N), expected = await loops(part, x, options);
    for (const device of [reference(), await wasm()]) {
      const run = jit((given: Tensor) => ({ plain: part.forward(given), ...training({ key }, () => part.forwardWithLoss!(given)) }), { device });
      const { plain, output, loss } = run(tensor(x, { shape: [1, N, C] }));
      for (const got of [plain, output]) { const data = await got.data(); expected.output.forEach((value, i) => expect(Math.abs(data[i]! - value) / (1 + Math.abs(value)), `element ${i}`).toBeLessThan(1e-5)); }
      expect(await loss.item()).toBeCloseTo(expected.loss, 5);
      run.release();
      await part.toHost();
      await device.close();
    }
  });
  test('gradients', async () => {
    const f = (x: Tensor): Tensor => training({ key }, () => { const { output, loss } = part.forwardWithLoss!(x); return output.square().sum().add(loss); });
    const derivatives = await finiteDifferences({ f: (x) => f(x!), inputs: [tensor(values(9 * C, 5), { shape: [1, 9, C] })], variables: part.parameters(), device: reference() });
    expect(worstDerivative(derivatives).error).toBeLessThan(2e-5);
  });
});

test('gradients on wasm are those of the reference device', async () => {
  const part = mixtureOfExperts({ experts: 5, capacity: 1 }).build(site), x = tensor(values(70 * C, 2), { shape: [2, 35, C] });
  part.initialize(4);
  const results: (readonly ArrayLike<number>[])[] = [];
  for (const device of [reference(), await wasm()]) {
    const run = jit((given: Tensor) => training({ key }, () => {
      const { output, loss } = part.forwardWithLoss!(given);
      return gradients(output.square().sum().add(loss), [given, ...part.parameters().map(read)]);
    }), { device });
    results.push(await Promise.all(run(x).map((one) => one.data())));
    run.release();
    await part.toHost();
    await device.close();
  }
  results[0]!.forEach((expected, i) => { for (let j = 0; j < expected.length; j++) expect(results[1]![i]![j]!).toBeCloseTo(expected[j]!, 3); });
});

test('a capacity drops the choices that come last, in training alone', async () => {
  const options = { experts: 4, capacity: 0.6 }, part = mixtureOfExperts(options).build(site), N = 20, x = values(N * C, 8), shaped = tensor(x, { shape: [2, 10, C] });
  part.initialize(1);
  const limit = Math.ceil((0.6 * 2 * N) / 4), limited = await loops(part, x, options, limit), free = await loops(part, x, options);
  expect(limited.dropped).toBeGreaterThan(4);
  const compare = async (got: Tensor, expected: number[]): Promise<void> => { const data = await got.data(reference()); expected.forEach((value, i) => expect(data[i]).toBeCloseTo(value, 4)); };
  await compare(training({ key }, () => part.forward(shaped)), limited.output);
  await compare(part.forward(shaped), free.output);
  // A later token takes no row from an earlier one.
  const changed = x.slice();
  changed.set(values(C, 77), 5 * C);
  const after = await training({ key }, () => part.forward(tensor(changed, { shape: [2, 10, C] }))).data(reference()), before = await training({ key }, () => part.forward(shaped)).data(reference());
  expect(after.slice(0, 5 * C)).toEqual(before.slice(0, 5 * C));
  expect(after).not.toEqual(before);
});

test('operations, parameters and refusals', () => {
  const part = mixtureOfExperts({ experts: 4, hidden: 10 }).build(site);
  expect(part.flopsPerToken()).toBe(2 * 4 * C + 2 * 2 * 3 * C * 10);
  expect([...part.namedParameters()].map(([name, { shape }]) => [name, shape])).toEqual([['router.weight', [4, C]], ['gate', [4, 10, C]], ['up', [4, 10, C]], ['down', [4, C, 10]]]);
  expect(() => mixtureOfExperts({ experts: 2, active: 3 })).toThrow('mixtureOfExperts: active must be at most experts (2), got 3');
  expect(() => mixtureOfExperts({ experts: 2, capacity: 0 })).toThrow('capacity must be greater than 0, got 0; leave it out to drop no token');
  expect(() => mixtureOfExperts({ experts: 2, zLoss: -1 })).toThrow('zLoss must be a number from 0, got -1');
});

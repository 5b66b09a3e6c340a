import { describe, expect, test } from 'vitest';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { webgpu } from '@ashlar/webgpu-node';
import { build } from '@ashlar/models';
import { adamW, cosine } from '@ashlar/optim';
import { packedEvaluation } from '@ashlar/text';
import { trainStep, type StepBatch } from './train-step.js';

const model = (dropout = 0) => build({
  modelType: 'decoder', vocabulary: 11, width: 8, depth: 2, maxLength: 6, dropout,
  attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: { type: 'mlp', hidden: 16 },
}, { seed: 3 });

/** Counts upward from a place that depends on the step: something to learn. */
function batchAt(step: number, rows = 4): StepBatch {
  const tokens = Int32Array.from({ length: rows * 6 }, (_, i) => (step * 5 + Math.floor(i / 6) * 3 + (i % 6)) % 11);
  return { tokens, targets: tokens.map((token) => (token + 1) % 11), shape: [rows, 6] };
}
const optimizer = () => adamW({ learningRate: cosine({ peak: 0.02, warmup: 2, steps: 40 }), betas: [0.9, 0.95], weightDecay: 0.1 });
const losses = async (step: ReturnType<typeof trainStep>, count: number): Promise<number[]> => {
  const all: number[] = [];
  for (let i = 0; i < count; i++) all.push(await step(batchAt(step.count)).loss.item());
  return all;
};

describe('a training step', () => {
  test('learns, and compiles once', async () => {
    const step = trainStep({ model: model(), device: reference(), optimizer: optimizer(), clip: 1 });
    const all = await losses(step, 30);
    expect(all[0]).toBeCloseTo(Math.log(11), 1);
    expect(all.at(-1)).toBeLessThan(0.7 * all[0]!);
    expect(step.count).toBe(30);
    expect(step.compilations.length).toBe(1);
    expect(step.learningRate).toBeCloseTo(cosine({ peak: 0.02, warmup: 2, steps: 40 })(30), 12);
  });

  test('a batch in parts gives the gradients of the whole, also where tokens count unequally', async () => {
    const batch = batchAt(0), targets = (batch.targets as Int32Array).map((target, i) => (i < 8 ? -1 : target));
    const weights = Float32Array.from({ length: 24 }, (_, i) => (i % 5) / 2);
    for (const given of [{ ...batch, targets }, { ...batch, targets, weights }] as StepBatch[]) {
      const results = [];
      for (const microBatches of [1, 2, 4]) {
        const { loss, gradNorm } = trainStep({ model: model(), device: reference(), optimizer: optimizer(), microBatches })(given);
        results.push([await loss.item(), await gradNorm.item()]);
      }
      for (const [loss, norm] of results) {
        expect(loss).toBeCloseTo(results[0]![0]!, 6);
        expect(norm).toBeCloseTo(results[0]![1]!, 6);
      }
    }
  });

  test('documents that share rows are trained on as each in a row of its own, also in parts', async () => {
    await using device = await wasm();
    const documents = [[1, 4, 9, 2], [3, 7], [8, 8, 5, 0, 6, 1], [2, 10, 4], [7, 7, 7], [0, 1, 2]].map((tokens) => Uint32Array.from(tokens));
    const packed = packedEvaluation({ documents, context: 6, batch: 4 }).batchAt(0);
    const alone = (tokens: Uint32Array): StepBatch => ({ tokens: Int32Array.from(tokens.subarray(0, -1)), targets: Int32Array.from(tokens.subarray(1)), shape: [1, tokens.length - 1] });
    const rows = (of: (document: Uint32Array) => number[]): Int32Array => Int32Array.from(documents.flatMap(of)), filler = (document: Uint32Array, token: number): number[] => Array<number>(7 - document.length).fill(token);
    const padded: StepBatch = { tokens: rows((one) => [...one.subarray(0, -1), ...filler(one, 0)]), targets: rows((one) => [...one.subarray(1), ...filler(one, -1)]), shape: [6, 6] };
    let sum = 0;
    for (const document of documents) {
      const step = trainStep({ model: model(), device, optimizer: optimizer() });
      sum += (document.length - 1) * await step(alone(document)).loss.item();
      step.release();
    }
    const results: number[][] = [];
    for (const [batch, microBatches] of [[padded, 1], [packed, 1], [packed, 2]] as const) {
      const step = trainStep({ model: model(), device, optimizer: optimizer(), microBatches }), { loss, gradNorm } = step(batch);
      results.push([await loss.item(), await gradNorm.item(), await step(batch).loss.item()]);
      step.release();
    }
    for (const [loss, gradNorm, next] of results) {
      expect(loss).toBeCloseTo(sum / 15, 5);
      expect(gradNorm).toBeCloseTo(results[0]![1]!, 4);
      expect(next).toBeCloseTo(results[0]![2]!, 5);
    }
  });

  test('recomputing layers changes nothing, dropout included', async () => {
    const run = (recompute: boolean) => losses(trainStep({ model: model(0.3), device: reference(), optimizer: optimizer(), recompute, seed: 5 }), 4);
    const kept = await run(false);
    expect(await run(true)).toEqual(kept);
  });

  test('dropout depends on the seed and the step alone', async () => {
    const run = (seed: number, dropout: number) => losses(trainStep({ model: model(dropout), device: reference(), optimizer: optimizer(), seed }), 3);
    const first = await run(1, 0.3);
    expect(await run(1, 0.3)).toEqual(first);
    expect(await run(2, 0.3)).not.toEqual(first);
    expect(await run(1, 0)).not.toEqual(first);
  });

  test('restored from its state it goes on as if it had not stopped', async () => {
    const whole = await losses(trainStep({ model: model(0.2), device: reference(), optimizer: optimizer(), seed: 9 }), 8);
    const before = trainStep({ model: model(0.2), device: reference(), optimizer: optimizer(), seed: 9 });
    await losses(before, 5);
    const contents = async (variables: typeof before.state.optimizer) => new Map(await Promise.all([...variables].map(async ([name, variable]) => [name, await variable.read()] as const)));
    const state = { count: before.state.count, parameters: await contents(before.state.parameters), optimizer: await contents(before.state.optimizer) };
    const after = trainStep({ model: model(0.2), device: reference(), optimizer: optimizer(), seed: 9 });
    after.restore(state);
    // The reference device computes in f64 and hands out f32, so the state is rounded once.
    for (const [i, loss] of (await losses(after, 3)).entries()) expect(loss).toBeCloseTo(whole[5 + i]!, 4);
    expect(after.count).toBe(8);

    const [name] = state.optimizer.keys();
    expect(() => after.restore({ ...state, optimizer: new Map([...state.optimizer].slice(1)) })).toThrow(`restore: optimizer lacks ${name}`);
    expect(() => after.restore({ ...state, optimizer: new Map([...state.optimizer, ['extra', new Float32Array(1)]]) })).toThrow('restore: optimizer has extra');
    expect(() => after.restore({ ...state, optimizer: new Map([...state.optimizer, [name!, new Float32Array(1)]]) })).toThrow('elements, got 1');
  });

  test.each([['wasm', wasm], ['webgpu', () => webgpu({ adapter: 'swiftshader' })]] as const)('on %s, after its second update it allocates nothing, builds nothing and submits once', async (_, make) => {
    await using device = await make();
    const step = trainStep({ model: model(0.1), device, optimizer: optimizer(), clip: 1 });
    step(batchAt(0));
    step(batchAt(1));
    await step.ready();
    const before = { ...device.counters };
    for (let i = 2; i < 30; i++) { step(batchAt(i)); await step.ready(); }
    expect(device.counters).toEqual({ ...before, runs: before.runs + 28, submits: before.submits + 28 });
    expect(step.plan!.explain()).toContain('scatter-add');
  });

  test('the same seed gives the same bits, and a restored run goes on with them', async () => {
    await using device = await wasm();
    const make = () => trainStep({ model: model(0.2), device, optimizer: optimizer(), clip: 1, seed: 4 });
    const whole = await losses(make(), 8);
    const before = make();
    expect(await losses(before, 5)).toEqual(whole.slice(0, 5));
    const contents = async (variables: typeof before.state.optimizer) => new Map(await Promise.all([...variables].map(async ([name, variable]) => [name, await variable.read()] as const)));
    const after = make();
    after.restore({ count: 5, parameters: await contents(before.state.parameters), optimizer: await contents(before.state.optimizer) });
    expect(await losses(after, 3)).toEqual(whole.slice(5));
  });

  test('prepare compiles and plans before anything runs', async () => {
    await using device = await wasm();
    const step = trainStep({ model: model(), device, optimizer: optimizer() });
    expect(step.plan).toBeUndefined();
    step.prepare(batchAt(0));
    expect([step.count, step.compilations.length, device.counters.runs]).toEqual([0, 1, 0]);
    expect(step.plan!.steps.length).toBeGreaterThan(20);
    step(batchAt(0));
    expect([step.count, step.compilations.length]).toEqual([1, 1]);
    step(batchAt(0, 2));
    expect(step.compilations[1]!.reason).toContain('arguments changed');
    step.release();
  });

  test('wrong options and batches are refused', () => {
    const options = { model: model(), device: reference(), optimizer: optimizer() };
    expect(() => trainStep({ ...options, clip: 0 })).toThrow('clip must be greater than 0, got 0');
    expect(() => trainStep({ ...options, microBatches: 0 })).toThrow('microBatches must be a whole number from 1');
    expect(() => trainStep({ ...options, microBatches: 3 })(batchAt(0))).toThrow('microBatches must divide the rows of a batch (4), got 3');
    expect(() => trainStep(options)({ ...batchAt(0), targets: new Int32Array(12) } as StepBatch)).toThrow('12 elements do not fill [4, 6]');
    expect(() => trainStep(options)({ tokens: new Int32Array(28), targets: new Int32Array(28), shape: [4, 7] })).toThrow('up to 6 tokens (maxLength), got 7');
  });
});

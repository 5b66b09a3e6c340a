// Plans against the real thing: a model that is built, a step that runs on a device which counts its bytes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CombinationError, Encoder, EncoderDecoder, build, type Decoder, type ModelConfigInput } from '@ashlar/models';
import { training } from '@ashlar/nn';
import { adamW } from '@ashlar/optim';
import { gradients, jit, plannedBytes, plannedFlops, read, tensor, zeros, type Device, type Plan, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { trainStep, type TrainableModel } from '../train-step.js';
import { cacheBytes } from '../index.js';
import { estimatedSeconds, measureRates } from './device-rates.js';
import { fitTraining, withWidth } from './fit-training.js';
import { planStep, planTraining, type TrainingSizes } from './plan-training.js';

const stack = { width: 64, depth: 2, maxLength: 64, norm: 'rmsNorm', feedForward: 'swiglu' } as const;
const language = { modelType: 'encoder', ...stack, vocabulary: 97, attention: { type: 'multiHead', heads: 4 }, positional: 'learned', residual: 'postNorm', head: { type: 'language', transform: { activation: 'gelu', norm: true } } } as const;
const configs: Readonly<Record<string, TrainingSizes>> = {
  'a decoder': { model: { modelType: 'decoder', ...stack, vocabulary: 97, attention: { type: 'multiHead', heads: 4 }, positional: 'rotary' }, batch: 4, context: 64 },
  'one with grouped heads, an own head, biases and no clipping': { model: { modelType: 'decoder', ...stack, vocabulary: 200, attention: { type: 'grouped', heads: 4, kvHeads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: 'mlp', bias: true, tiedHead: false }, batch: 3, context: 48, clip: false },
  'one of linear attention, in two parts, recomputed': { model: { modelType: 'decoder', ...stack, vocabulary: 97, attention: { type: 'gatedLinear', heads: 2 }, positional: 'none' }, batch: 4, context: 64, microBatches: 2, recompute: true },
  'a decoder of packed documents': { model: { modelType: 'decoder', ...stack, vocabulary: 97, attention: { type: 'multiHead', heads: 4 }, positional: 'learned' }, batch: 4, context: 64, packing: true },
  'an encoder with a language head': { model: language, batch: 4, context: 64 },
  'an encoder with a head of classes': { model: { ...language, head: { type: 'classes', classes: 5, pooling: 'mean' } }, batch: 8, context: 32 },
  'an encoder-decoder': { model: { modelType: 'encoderDecoder', ...stack, vocabulary: 97, attention: { type: 'multiHead', heads: 4 }, crossAttention: { type: 'cross', heads: 4 }, positional: 'rotary' }, batch: 4, context: 32, sourceContext: 64, microBatches: 2 },
};

type Model = Decoder | Encoder | EncoderDecoder;
/** A model with weights, and its loss in the form of a training step. */
function real({ model: config, sourceContext }: TrainingSizes): { model: Model; step: TrainableModel } {
  const model = build(config, { seed: 1 }) as Model, namedParameters = () => model.namedParameters();
  if (model instanceof EncoderDecoder) return { model, step: { namedParameters, loss: (tokens, targets) => model.loss(tokens.slice(undefined, [0, 1]).broadcastTo([tokens.shape[0]!, sourceContext!]), tokens, targets) } };
  return { model, step: model };
}

/** Operations of a plan in its matrix products. */
const productFlops = ({ steps }: Plan): number => steps.reduce((sum, { kernel, flops }) => sum + (kernel.kind === 'dot' ? 2 * kernel.m * kernel.n * kernel.k * kernel.batch.reduce((product, n) => product * n, 1) : kernel.kind === 'fused' ? flops : 0), 0);

describe.each(Object.entries(configs))('%s', (_, sizes) => {
  const { batch, context, sourceContext = 0, microBatches = 1, recompute = false, clip = true } = sizes;
  /** Operations of the forward pass, as the model counts them layer by layer. */
  const productsOf = (model: Model): number => (model instanceof EncoderDecoder ? batch * model.flops({ source: sourceContext, target: context }).forward : batch * context * model.flopsPerToken(context).forward);
  let device: Device;
  beforeAll(async () => { device = await wasm({ threads: 1 }); });
  afterAll(async () => { await device.close(); });

  test('has the parameters, bytes and operations of the plan', async () => {
    const planned = planTraining(sizes, device);
    expect(device.counters.bytes).toBe(0);
    const { model, step: trainable } = real(sizes);
    expect(planned.parameters).toBe(model.parameterCount);
    expect(Object.values(planned.parameterCounts).reduce((sum, count) => sum + count, 0)).toBe(model.parameterCount);
    expect([planned.memory.parameters, planned.memory.optimizer]).toEqual([4 * model.parameterCount, 8 * model.parameterCount]);

    const step = trainStep({ model: trainable, device, optimizer: adamW({ learningRate: 1e-3 }), microBatches, recompute, ...(clip ? { clip: 1 } : {}) });
    const ids = tensor(Int32Array.from({ length: batch * context }, (__, i) => (i * 7) % 5), { shape: [batch, context] }), ofRows = model instanceof Encoder && model.logits(ids).rank === 2;
    const whole = Int32Array.from({ length: batch * context }, (__, i) => (i * 7) % 5), shape = [batch, context] as const;
    const given = sizes.packing ? { tokens: whole, targets: whole, weights: new Float32Array(whole.length).fill(1), segments: whole.map((__, i) => Math.floor((i % context) / 10)), shape } : { tokens: ids, targets: ofRows ? tensor(new Int32Array(batch)) : ids };
    for (let i = 0; i < 2; i++) await step(given).loss.item();
    expect(Math.abs(device.counters.peakBytes / planned.memory.total - 1)).toBeLessThan(0.1);
    expect(planned.memory.total).toBe(planned.memory.parameters + planned.memory.optimizer + planned.memory.working + planned.memory.other);
    const { forward, backward, update } = planned.flops;
    expect(forward + backward + update).toBe(plannedFlops(step.plan!));
    expect(Math.min(backward - forward, update)).toBeGreaterThan(0);
    expect(forward / productsOf(model)).toBeGreaterThan(1);
    expect(forward / productsOf(model)).toBeLessThan(1.5);
    step.release();
    await model.toHost();
    expect(device.counters.bytes).toBe(0);
  });

  test('has the products that are counted layer by layer', () => {
    const { model } = real(sizes);
    const run = jit((x: Tensor) => (model instanceof EncoderDecoder ? model.logits(zeros([batch, sourceContext], 'i32'), x) : model.logits(x)), { device });
    run.prepare(zeros([batch, context], 'i32'));
    expect(Math.abs(productFlops(run.plan!) / productsOf(model) - 1)).toBeLessThan(0.02);
    run.release();
  });
});

test.each(['a decoder', 'an encoder with a language head', 'an encoder-decoder'])('working memory of gradients, kept or recomputed: %s', async (name) => {
  const sizes = { ...configs[name]!, microBatches: 1 }, { batch, context } = sizes;
  await using device = await wasm({ threads: 1 });
  const { kept, recomputed } = planTraining(sizes, device).activations;
  expect(recomputed).toBeLessThan(kept);
  for (const [again, bytes] of [[false, kept], [true, recomputed]] as const) {
    const { model, step } = real(sizes);
    const run = jit((x: Tensor, y: Tensor, key: Tensor) => training({ key, recompute: again }, () => { const loss = step.loss(x, y); return [loss, ...gradients(loss, [...step.namedParameters().values()].map(read))]; }), { device });
    const ids = tensor(new Int32Array(batch * context), { shape: [batch, context] });
    run.prepare(ids, ids, tensor(Uint32Array.of(1, 2)));
    const outputs = 4 * model.parameterCount, weights = 4 * model.parameterCount;
    expect(Math.abs((device.counters.bytes - outputs - weights) / bytes - 1)).toBeLessThan(0.1);
    run.release();
    await model.toHost();
  }
});

describe('memory of decoding', () => {
  test.each(['a decoder', 'one with grouped heads, an own head, biases and no clipping', 'one of linear attention, in two parts, recomputed', 'an encoder-decoder'])('%s', async (name) => {
    await using device = await wasm({ threads: 1 });
    const { model: config } = configs[name]!, [planned] = cacheBytes(config, [32], device)!, model = build(config) as Decoder | EncoderDecoder;
    const cache = model.cache({ capacity: 32 });
    const step = jit((tokens: Tensor, start: Tensor) => (model instanceof EncoderDecoder ? model.cachedLogits(tokens, cache, start, { encoded: model.encode(zeros([1, 32], 'i32')) }) : model.cachedLogits(tokens, cache, start)), { device });
    await step(tensor(Int32Array.of(1), { shape: [1, 1] }), cache.extend(1)).data();
    let held = 0;
    for (const data of (await cache.state()).values()) held += data.byteLength;
    expect(planned).toEqual({ context: 32, bytes: held });
    const [short, long] = cacheBytes(config, [16, 64], device)!;
    expect(long!.bytes / short!.bytes).toBe(name.includes('linear') ? 1 : 4);
  });
  test('models that keep none', async () => {
    await using device = await wasm({ threads: 1 });
    expect(cacheBytes(language, [16], device)).toBeUndefined();
    expect(cacheBytes({ modelType: 'decoder', ...stack, vocabulary: 11, attention: { type: 'topK', heads: 4, keys: 4 }, positional: 'none' }, [16], device) !== undefined).toBe(true);
  });
});

describe('what fits', () => {
  const whole: TrainingSizes = { model: { modelType: 'decoder', ...stack, vocabulary: 31, attention: { type: 'multiHead', heads: 4 }, positional: 'none' }, batch: 8, context: 32 };
  test('says so, or which change alone is enough: with it the device needs no more, with a milder one it does', async () => {
    await using device = await wasm({ threads: 1 });
    const { total } = planTraining(whole, device).memory, memory = Math.round(0.5 * total);
    expect(fitTraining(whole, total, device)).toEqual({ bytes: total, fits: true, suggestions: [] });
    const { bytes, fits, suggestions } = fitTraining(whole, memory, device);
    expect([bytes, fits]).toEqual([total, false]);
    expect(suggestions.map(({ change }) => Object.keys(change).join())).toEqual(['recompute', 'microBatches', 'recompute,microBatches', 'batch', 'context', 'width']);
    const bytesWith = ({ width, ...change }: (typeof suggestions)[number]['change']): number => plannedBytes(planStep({ ...whole, ...change, ...(width === undefined ? {} : { model: withWidth(whole.model, width) }) }, device));
    for (const { change, bytes: claimed, fits: enough } of suggestions) {
      expect([bytesWith(change), claimed <= memory]).toEqual([claimed, enough]);
      if (change.recompute || change.microBatches) continue;
      expect(enough).toBe(true);
      const milder = { batch: change.batch! + 1, context: change.context! + 1, width: change.width! + 4 }, [lever] = Object.keys(change) as ['batch' | 'context' | 'width'];
      expect(bytesWith({ [lever]: milder[lever] }), lever).toBeGreaterThan(memory);
    }
  });
  test('what cannot be had is said with the least that it takes', async () => {
    await using device = await wasm({ threads: 1 });
    const { suggestions } = fitTraining({ ...whole, batch: 4 }, 1000, device);
    expect(suggestions.map(({ change }) => change)).toEqual([{ recompute: true }, { microBatches: expect.any(Number) }, { recompute: true, microBatches: expect.any(Number) }, { batch: 1 }, { context: 1 }, { width: 4 }]);
    expect(suggestions.every(({ fits, bytes }) => !fits && bytes > 1000)).toBe(true);
  });
  test('the width of an encoder-decoder changes wherever it is said', () => {
    const config = { modelType: 'encoderDecoder', ...stack, vocabulary: 9, attention: { type: 'multiHead', heads: 4 }, crossAttention: { type: 'cross', heads: 4 }, positional: 'none', encoder: { depth: 1 }, decoder: { width: 32 } } as const satisfies ModelConfigInput;
    expect(withWidth(config, 16)).toEqual({ ...config, width: 16, encoder: { depth: 1 }, decoder: { width: 16 } });
  });
});

test('a batch in parts needs the working memory of one part, and the sums of gradients', async () => {
  await using device = await wasm({ threads: 1 });
  for (const sizes of [configs['a decoder']!, { ...configs['an encoder-decoder']!, batch: 8 }]) {
    const working = (batch: number, microBatches: number): number => planTraining({ ...sizes, context: 128, sourceContext: 128, batch, microBatches, model: { ...sizes.model, maxLength: 128 } as ModelConfigInput }, device).memory.working;
    const bytes = 4 * planTraining(sizes, device).parameters, part = working(2, 1);
    expect(working(8, 1)).toBeGreaterThan(2.5 * part);
    for (const parts of [2, 4]) expect(working(2 * parts, parts)).toBeLessThan(part + 1.3 * bytes);
  }
});

test('time: what a kernel computes or what it moves, whichever takes longer', async () => {
  await using device = await wasm({ threads: 1 });
  const { plan } = planTraining(configs['a decoder']!, device);
  expect(estimatedSeconds(plan, { flopsPerSecond: 1e9, bytesPerSecond: Infinity, secondsPerRun: 0.5 })).toBeCloseTo(plannedFlops(plan) / 1e9 + 0.5, 9);
  expect(estimatedSeconds(plan, { flopsPerSecond: Infinity, bytesPerSecond: 1e9, secondsPerRun: 0 })).toBeCloseTo(plan.steps.reduce((sum, { bytes }) => sum + bytes, 0) / 1e9, 9);
  const rates = await measureRates(device);
  expect(rates.flopsPerSecond).toBeGreaterThan(1e8);
  expect(rates.bytesPerSecond).toBeGreaterThan(1e7);
  expect(rates.secondsPerRun).toBeGreaterThan(0);
  expect(device.counters.bytes).toBe(0);
});

test('a device that has no plans is refused; so is a config that cannot be', async () => {
  expect(() => planTraining(configs['a decoder']!, reference())).toThrow('planningDevice: the reference device has no plans; take wasm or webgpu');
  await using device = await wasm({ threads: 1 });
  expect(() => planTraining({ ...configs['a decoder']!, model: { ...configs['a decoder']!.model, positional: 'alibi', attention: { type: 'gatedLinear', heads: 2 } } as ModelConfigInput }, device)).toThrow(CombinationError);
});

/** Models, gradients and updates against what PyTorch recorded (packages/hub/fixtures), on every device. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gradients, jit, read, tensor, type Device, type Tensor, type TypedArray } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { webgpu } from '@ashlar/webgpu-node';
import { families, readParameters, type HuggingFaceModel } from '@ashlar/hub';
import { loadHuggingFace, readSafetensorsFile } from '@ashlar/hub/node';
import { adamW } from '@ashlar/optim';
import { trainStep, type TrainableModel } from './index.js';

/** WebGPU runs on the adapter that the project carries, so that the test is the same everywhere. The last number: milliseconds that a test may take. */
const devices: readonly [name: string, make: () => Device | Promise<Device>, timeout: number][] = [
  ['reference', reference, 60_000],
  ['wasm', wasm, 60_000],
  ['webgpu', () => webgpu({ adapter: 'swiftshader' }), 120_000],
];

type Recorded = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: TypedArray }>;

/** How a model is trained on what was recorded. */
interface Task extends TrainableModel {
  logits(tokens: Tensor): Tensor;
  readonly tokens: Tensor;
  readonly targets: Tensor;
  /** Which rows of the logits mean something: those of padding do not. */
  valid(row: number): boolean;
}

const ofShape = (data: ArrayLike<number>, shape: readonly number[]): Tensor => tensor(Int32Array.from(data), { shape: [...shape] });

/** PyTorch's batch as each type of model takes it. */
function taskOf({ modelType, model, specialTokens }: HuggingFaceModel, batch: Recorded): Task {
  const ids = batch.get('input_ids')!, labels = batch.get('labels')!, mask = batch.get('attention_mask')!, T = labels.shape.at(-1)!;
  const tokens = ofShape(ids.data, ids.shape), padding = ofShape(mask.data, mask.shape).eq(0), namedParameters = () => model.namedParameters();
  if (modelType === 'decoder') {
    // Hugging Face's labels stand at the token itself: position t predicts labels[t + 1], and the last position nothing.
    const targets = labels.data.map((_, i) => (i % T === T - 1 ? -100 : labels.data[i + 1]!));
    return { tokens, targets: ofShape(targets, labels.shape), namedParameters, logits: (x) => model.logits(x), loss: (x, y, weights) => model.loss(x, y, weights), valid: (row) => mask.data[row] === 1 };
  }
  if (modelType === 'encoder') {
    return {
      tokens, targets: ofShape(labels.data, labels.shape), namedParameters, valid: (row) => labels.shape.length === 1 || mask.data[row] === 1,
      logits: (x) => model.logits(x, { padding }), loss: (x, y, weights) => model.loss(x, y, weights, { padding }),
    };
  }
  // The target as the decoder reads it: one place later, with the token that begins it; what does not count is padding, 0.
  const shifted = labels.data.map((_, i) => (i % T === 0 ? specialTokens.decoderStart! : Math.max(labels.data[i - 1]!, 0)));
  return {
    tokens: ofShape(shifted, labels.shape), targets: ofShape(labels.data, labels.shape), namedParameters, valid: () => true,
    logits: (x) => model.logits(tokens, x, { source: { padding } }), loss: (x, y, weights) => model.loss(tokens, x, y, weights, { source: { padding } }),
  };
}

function recorded(fixture: string) {
  const folder = fileURLToPath(new URL(`../../hub/fixtures/${fixture}/`, import.meta.url));
  const { tensors } = readSafetensorsFile(`${folder}ref.safetensors`), of = (name: string) => tensors.get(name)!;
  const { model, family, config } = loadHuggingFace(folder), logits = of('logits');
  return {
    /** The model as it was before training. */
    load: () => taskOf(loadHuggingFace(folder), tensors),
    logits: logits.data as Float32Array, width: logits.shape.at(-1)!, loss: of('loss').data[0]!,
    gradients: readParameters(families[family]!.table(config), model.namedParameters(), { name: 'ref.safetensors', tensors, read: of }, { prefix: 'grad.' }).values,
    steps: (JSON.parse(readFileSync(`${folder}train.json`, 'utf8')) as { steps_loss_gradnorm: [number, number][] }).steps_loss_gradnorm,
  };
}

const fixtures = [['gpt2', 17], ['llama', 17], ['bert', 17], ['bert_cls', 2], ['t5', 12], ['bart', 12]] as const;

describe.each(devices)('parity with PyTorch on %s', (_, make, timeout) => {
  let device: Device;
  beforeAll(async () => { device = await make(); });
  afterAll(() => device.close());

  describe.each(fixtures)('%s', (fixture, rows) => {
    const known = recorded(fixture);

    test('logits within 2e-4, loss within 1e-5, every gradient within 1e-3 of its norm and of its largest element', async () => {
      const task = known.load(), parameters = [...task.namedParameters()].filter(([, { trainable }]) => trainable);
      const run = jit((tokens: Tensor, targets: Tensor) => {
        const weights = parameters.map(([, parameter]) => read(parameter)), logits = task.logits(tokens), loss = task.loss(tokens, targets);
        return { logits, loss, gradients: gradients(loss, weights) };
      }, { device });
      const result = run(task.tokens, task.targets);

      const logits = await result.logits.data(), { width } = known;
      let compared = 0;
      for (let row = 0; row < known.logits.length / width; row++) {
        if (!task.valid(row)) continue;
        compared++;
        for (let v = row * width; v < (row + 1) * width; v++) expect(Math.abs(logits[v]! - known.logits[v]!)).toBeLessThan(2e-4);
      }
      expect(compared).toBe(rows);
      expect(Math.abs(await result.loss.item() - known.loss)).toBeLessThan(1e-5);

      expect(parameters.map(([name]) => name).toSorted()).toEqual([...known.gradients.keys()].toSorted());
      for (const [i, [name]] of parameters.entries()) {
        const got = await result.gradients[i]!.data(), expected = known.gradients.get(name)!;
        expect(got.length).toBe(expected.length);
        let difference = 0, norm = 0, largest = 0, worst = 0;
        expected.forEach((value, j) => {
          difference += (got[j]! - value) ** 2;
          norm += value ** 2;
          largest = Math.max(largest, Math.abs(value));
          worst = Math.max(worst, Math.abs(got[j]! - value));
        });
        // Keys' biases have no gradient: softmax does not see them, and both sides have rounding errors, in proportion to the whole.
        const rounding = Math.max(1e-7, 1e-8 * known.steps[0]![1]);
        expect(Math.sqrt(difference), name).toBeLessThan(1e-3 * Math.sqrt(norm) + rounding);
        expect(worst, name).toBeLessThan(1e-3 * largest + rounding);
      }
      run.release();
      for (const [, parameter] of parameters) await parameter.toHost();
    }, timeout);

    test('ten AdamW losses and gradient norms within 1e-3', async () => {
      const { tokens, targets, ...model } = known.load();
      const optimizer = adamW({ learningRate: 3e-3, betas: [0.9, 0.95], epsilon: 1e-8, weightDecay: 0.1, decays: () => true });
      const step = trainStep({ model, device, optimizer, clip: 1 });
      const results = [];
      for (const _ of known.steps) results.push(step({ tokens, targets }));
      expect(results.length).toBe(10);
      for (const [i, [loss, norm]] of known.steps.entries()) {
        expect(Math.abs(await results[i]!.loss.item() - loss), `loss ${i}`).toBeLessThan(1e-3);
        expect(Math.abs(await results[i]!.gradNorm.item() - norm), `norm ${i}`).toBeLessThan(1e-3 * norm);
      }
      expect(step.compilations.length).toBe(1);
      step.release();
    }, timeout);
  });
});

test.each(['gpt2', 'llama', 't5', 'bart'])('tokens of %s that are not shifted give another loss', async (fixture) => {
  const known = recorded(fixture), { loss, tokens, targets } = known.load();
  expect(Math.abs(await loss(tokens, targets).item(reference()) - known.loss)).toBeLessThan(1e-5);
  expect(Math.abs(await loss(tokens, tokens).item(reference()) - known.loss)).toBeGreaterThan(0.1);
});

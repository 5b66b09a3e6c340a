/** Trains one small model on recall and says what it reaches. */
import { jit, tensor, where, type Device, type Tensor } from '@ashlar/tensor';
import { build, type Decoder } from '@ashlar/models';
import { adamW, cosine } from '@ashlar/optim';
import { trainStep } from '@ashlar/train';
import { randomBelow } from '@ashlar/text';
import { recallExamples, type RecallExamples, type RecallTask } from './examples.js';
import { receptiveField, recallMixers, type RecallMixer, type RecallMixerName } from './mixers.js';

export interface RecallSetting {
  readonly task: RecallTask;
  readonly width: number;
  readonly depth: number;
  readonly trainExamples: number;
  readonly testExamples: number;
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  readonly seed: number;
}

/** Training ends early at this share of right answers. */
export const enough = 0.99;

export interface RecallResult {
  readonly mixer: string;
  readonly parameters: number;
  /** What decoding remembers of a whole example, in bytes. */
  readonly stateBytes: number;
  /** What decoding would remember of a text twice as long. */
  readonly stateBytesAtTwice: number;
  readonly receptiveField: number;
  /** Share of right answers on the test examples after each epoch. */
  readonly accuracies: readonly number[];
  readonly accuracy: number;
  readonly seconds: number;
}

/** @param told Is called after each epoch. */
export async function trainRecall(name: RecallMixerName, setting: RecallSetting, device: Device, told: (epoch: number, accuracy: number, loss: number) => void): Promise<RecallResult> {
  const { task, width, depth, batch, epochs, seed } = setting, mixer: RecallMixer = recallMixers[name], started = performance.now();
  const model = build({
    modelType: 'decoder', vocabulary: task.vocabulary, width, depth, maxLength: 2 * task.length, attention: mixer.attention, positional: mixer.positional,
    norm: 'layerNorm', feedForward: { type: 'mlp', hidden: 4 * width }, bias: true, dropout: { embedding: 0.1 }, initialisation: { std: 1 / Math.sqrt(width) },
  }, { seed });
  const train = recallExamples(task, setting.trainExamples, 2 * seed), test = recallExamples(task, setting.testExamples, 2 * seed + 1), perEpoch = Math.floor(train.count / batch);
  if (perEpoch < 1 || test.count < batch) throw new RangeError(`recall: training and test need at least one batch of ${batch} examples, got ${train.count} and ${test.count}`);
  const step = trainStep({ model, device, optimizer: adamW({ learningRate: cosine({ peak: setting.learningRate, final: 0, steps: perEpoch * epochs }), weightDecay: 0.1 }), seed });
  const right = jit((tokens: Tensor, targets: Tensor) => where(targets.ge(0), model.logits(tokens).argmax().eq(targets).cast('f32'), 0).sum(), { device, name: 'recall' });

  const accuracies: number[] = [];
  for (let epoch = 0; epoch < epochs && (accuracies.at(-1) ?? 0) < enough; epoch++) {
    const order = shuffled(train.count, seed, epoch);
    let loss: Tensor | undefined;
    for (let at = 0; at < perEpoch; at++) {
      ({ loss } = step(batchOf(train, task.length, order.subarray(at * batch, (at + 1) * batch))));
      await step.ready();
    }
    let hits = 0, asked = 0;
    for (let first = 0; first + batch <= test.count; first += batch) {
      const { tokens, targets, shape } = batchOf(test, task.length, Int32Array.from({ length: batch }, (_, i) => first + i));
      hits += await right(tensor(tokens, { shape }), tensor(targets, { shape })).item();
      asked += batch * task.pairs;
    }
    accuracies.push(hits / asked);
    told(epoch + 1, hits / asked, await loss!.item());
  }
  const seconds = (performance.now() - started) / 1000;
  step.release();
  right.release();
  const result: RecallResult = {
    mixer: name, parameters: model.parameterCount, stateBytes: rememberedBytes(model, device, task.length), stateBytesAtTwice: rememberedBytes(model, device, 2 * task.length),
    receptiveField: receptiveField(mixer, depth, task.length), accuracies, accuracy: accuracies.at(-1)!, seconds,
  };
  await model.toHost();
  return result;
}

/** Bytes of a cache that holds `length` tokens of one text. */
function rememberedBytes(model: Decoder, device: Device, length: number): number {
  const cache = model.cache({ capacity: length });
  const step = jit((tokens: Tensor, start: Tensor) => model.cachedLogits(tokens, cache, start), { device });
  step.prepare(tensor(new Int32Array(1), { shape: [1, 1] }), cache.extend(1));
  const { bytes } = cache;
  step.release();
  cache.release();
  return bytes;
}

function batchOf({ tokens, targets }: RecallExamples, length: number, rows: Int32Array): { tokens: Int32Array; targets: Int32Array; shape: readonly [number, number] } {
  const picked = (from: Int32Array): Int32Array => Int32Array.from({ length: rows.length * length }, (_, i) => from[rows[Math.floor(i / length)]! * length + (i % length)]!);
  return { tokens: picked(tokens), targets: picked(targets), shape: [rows.length, length] };
}

/** 0 … count − 1 in an order of the seed and epoch. */
function shuffled(count: number, seed: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = randomBelow(i + 1, seed, epoch, i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

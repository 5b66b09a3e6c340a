import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensorsFile, writeSafetensors } from '@ashlar/hub/node';
import { build } from '@ashlar/models';
import { adamW, cosine } from '@ashlar/optim';
import type { Device } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { batches, evaluationBatches } from '@ashlar/text';
import { wasm } from '@ashlar/wasm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { evaluator } from '../evaluator.js';
import { train } from '../loop.js';
import { readState, restoreState } from '../state-tensors.js';
import { trainStep } from '../train-step.js';
import { checkpointFolder } from './checkpoint-folder.js';
import { openMetrics, readMetrics } from './metrics-file.js';

const format = { write: writeSafetensors, read: readSafetensorsFile };
const text = Int32Array.from({ length: 400 }, (_, i) => (i * i * 7 + (i >> 3)) % 11);
const steps = 14;

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-resume-')); });
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

/** One sitting of a training with dropout: takes up the newest checkpoint, and stops after `until`. */
async function sitting(device: Device, name: string, until: number): Promise<void> {
  const model = build({ modelType: 'decoder', vocabulary: 11, width: 16, depth: 1, maxLength: 8, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: 'mlp', dropout: 0.2 }, { seed: 5 });
  const step = trainStep({ model, device, seed: 5, clip: 1, optimizer: adamW({ learningRate: cosine({ peak: 1e-2, warmup: 3, steps }) }) });
  const store = checkpointFolder(join(folder), { format });
  const path = join(folder, `${name}.jsonl`);
  const found = name === 'whole' ? undefined : store.newest();
  if (found !== undefined) restoreState(step, found.facts.optimizerCount, found.tensors);
  const metrics = openMetrics(path, { after: step.count });
  const evaluate = evaluator({ model, device, batches: evaluationBatches({ tokens: text.subarray(300), context: 8, batch: 4 }) });
  const stopping = new AbortController();
  await train({
    step, batches: batches({ tokens: text.subarray(0, 300), context: 8, batch: 4, seed: 5 }), steps, signal: stopping.signal,
    evaluate, evaluateEvery: 5, checkpointEvery: 4,
    ...(name === 'whole' ? {} : { checkpoint: async (at: number) => {
      if (stopping.signal.aborted) return; // as a killed process: what follows the last checkpoint is lost
      store.save({ facts: { step: at, seed: 5, configHash: '', optimizerCount: step.count, device: device.kind, tokenizer: null }, tensors: await readState(step.state) });
    } }),
    callbacks: { onStep: (row) => {
      metrics.append(row);
      if (row.step >= until) stopping.abort();
    } },
  });
  metrics.close();
  step.release();
  evaluate.release();
}

const rowsOf = (name: string) => readMetrics(join(folder, `${name}.jsonl`)).map(({ step, loss, valLoss, learningRate, gradNorm }) => ({ step, loss, valLoss, learningRate, gradNorm }));

/** A whole training, and the same one killed at three places and taken up again. */
async function wholeAndPieces(device: Device): Promise<void> {
  await sitting(device, 'whole', steps);
  await sitting(device, 'pieces', 3); // before the first checkpoint
  await sitting(device, 'pieces', 7); // rows 5 to 7 are beyond the checkpoint of step 4
  expect(rowsOf('pieces').map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  await sitting(device, 'pieces', 10);
  await sitting(device, 'pieces', steps);
  expect(rowsOf('whole')).toHaveLength(steps);
  expect(readFileSync(join(folder, 'pieces.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(steps);
}

describe('a training that was killed three times', () => {
  test('gives the very losses of one that was not', async () => {
    await using device = await wasm({ threads: 2 });
    await wholeAndPieces(device);
    expect(rowsOf('pieces')).toEqual(rowsOf('whole'));
  });

  test('on the reference device, whose f64 state a checkpoint rounds to f32, up to that rounding', async () => {
    await using device = reference();
    await wholeAndPieces(device);
    const whole = rowsOf('whole');
    rowsOf('pieces').forEach((row, i) => {
      expect(row.step).toBe(whole[i]!.step);
      expect(Math.abs(row.loss - whole[i]!.loss)).toBeLessThan(1e-5);
    });
  });
});

describe('restoreState', () => {
  test('refuses tensors of another model, and changes nothing', async () => {
    await using device = reference();
    const build1 = (width: number) => {
      const model = build({ modelType: 'decoder', vocabulary: 11, width, depth: 1, maxLength: 8, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: 'mlp' }, { seed: 5 });
      return { model, step: trainStep({ model, device, optimizer: adamW({ learningRate: 0.1 }) }) };
    };
    const { step } = build1(16), other = build1(8);
    const before = await readState(step.state);
    const tensors = await readState(other.step.state);
    expect(() => restoreState(step, 3, tensors)).toThrow('restoreState: parameters.tokens.weight must be f32 [11, 16], got f32 [11, 8]');
    expect(() => restoreState(step, 3, new Map([...before, ['stranger.x', before.values().next().value!]]))).toThrow('stranger.x belongs to neither parameters nor optimizer');
    before.delete('optimizer.firstMoment.tokens.weight');
    expect(() => restoreState(step, 3, before)).toThrow('firstMoment.tokens.weight');
    expect(step.count).toBe(0);
  });
});

import { describe, expect, test } from 'vitest';
import { wasm } from '@ashlar/wasm';
import { mixersNamed, renderRecall } from './command.js';
import { recallExamples } from './examples.js';
import { receptiveField, recallMixerNames, recallMixers } from './mixers.js';
import { trainRecall, type RecallSetting } from './train.js';

describe('examples', () => {
  const task = { vocabulary: 256, length: 64, pairs: 4 }, { tokens, targets } = recallExamples(task, 200, 3);
  test('ask for each key once, and the answer is the value beside it', () => {
    for (let example = 0; example < 200; example++) {
      const row = [...tokens.subarray(64 * example, 64 * (example + 1))], answers = [...targets.subarray(64 * example, 64 * (example + 1))];
      const known = new Map([0, 2, 4, 6].map((i) => [row[i]!, row[i + 1]!]));
      expect(known.size).toBe(4);
      for (const [key, value] of known) {
        expect(key >= 1 && key < 128 && value >= 128 && value < 256).toBe(true);
        const at = row.indexOf(key, 8);
        expect(answers[at]).toBe(value);
      }
      expect(answers.filter((answer) => answer >= 0).length).toBe(4);
      expect(row.slice(8).filter((token) => token !== 0).length).toBe(4);
      expect(answers.slice(0, 8).every((answer) => answer === -1)).toBe(true);
    }
  });
  test('are those of the seed, and any part of them', () => {
    expect(recallExamples(task, 50, 3).tokens).toEqual(tokens.subarray(0, 50 * 64));
    expect(recallExamples(task, 50, 4).tokens).not.toEqual(tokens.subarray(0, 50 * 64));
  });
  test('ask sooner rather than later', () => {
    const places = [...targets.keys()].filter((i) => targets[i]! >= 0).map((i) => (i % 64) - 8), early = places.filter((place) => place < 28).length;
    expect(early / places.length).toBeGreaterThan(0.6);
    expect(Math.max(...places)).toBeGreaterThan(40);
  });
  test('that do not fit are refused', () => {
    expect(() => recallExamples({ ...task, pairs: 17 }, 1, 0)).toThrow('recall: the length must be even and at least four times the pairs (17), got 64');
    expect(() => recallExamples({ ...task, vocabulary: 8 }, 1, 0)).toThrow('recall: 4 pairs need as many keys, and a vocabulary of 8 has 3');
    expect(() => recallExamples({ ...task, vocabulary: 9 }, 1, 0)).toThrow('so it must be even, got 9');
  });
});

test('names of mixers, and how far they see', () => {
  expect(mixersNamed('all')).toEqual(recallMixerNames);
  expect(mixersNamed('multiHead,mamba2')).toEqual(['multiHead', 'mamba2']);
  expect(() => mixersNamed('mamba')).toThrow('--mixers must be all, or names with commas between: multiHead,');
  expect(receptiveField(recallMixers.slidingWindow, 2, 64)).toBe(31);
  expect(receptiveField(recallMixers.slidingWindow, 9, 64)).toBe(64);
  expect(receptiveField(recallMixers.mamba2, 2, 64)).toBe(64);
});

test('a small task is learned, and the row says with what state', async () => {
  const setting: RecallSetting = { task: { vocabulary: 16, length: 16, pairs: 2 }, width: 32, depth: 2, trainExamples: 1600, testExamples: 320, epochs: 12, batch: 32, learningRate: 4e-3, seed: 1 };
  const device = await wasm({ threads: 1 }), losses: number[] = [];
  const result = await trainRecall('gatedDeltaRule', setting, device, (_, __, loss) => { losses.push(loss); });
  expect(result.accuracy).toBeGreaterThan(0.9);
  expect(losses.length).toBe(result.accuracies.length);
  expect(losses.at(-1)!).toBeLessThan(losses[0]!);
  // Two layers: four states of 8 × 16, and three tokens of queries, keys and values before the convolutions.
  expect(result.stateBytes).toBe(2 * 4 * (4 * 8 * 16 + 3 * (32 + 32 + 64)));
  expect(result.stateBytesAtTwice).toBe(result.stateBytes);
  const full = await trainRecall('multiHead', { ...setting, epochs: 1, trainExamples: 64 }, device, () => undefined);
  expect(full.stateBytes).toBe(2 * 4 * 2 * 16 * 32);
  expect(full.stateBytesAtTwice).toBe(2 * full.stateBytes);
  expect(renderRecall('here', setting, [result])).toContain(`| gatedDeltaRule | ${(100 * result.accuracy).toFixed(1)} % | ${result.accuracies.length} |`);
  await device.close();
});

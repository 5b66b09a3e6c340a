import { scalar, Tensor } from '@ashlar/tensor';
import type { Batch } from '@ashlar/text';
import { describe, expect, test, vi } from 'vitest';
import { DivergedError, train, type LoopStep, type TrainOptions } from './loop.js';

/** A step that remembers what it was given, whose losses are read from a list. */
function scriptedStep(losses: readonly number[], { count: start = 0, gradNorms = losses.map(() => 1), ready = () => {} } = {}) {
  let count = start, reads = 0;
  const seen: number[] = [];
  const value = (number: number): Tensor => {
    const tensor = scalar(number);
    tensor.item = async () => {
      reads++;
      return number;
    };
    return tensor;
  };
  const call = (batch: Batch) => {
    seen.push(batch.tokens[0]!);
    const result = { loss: value(losses[count]!), gradNorm: value(gradNorms[count]!) };
    count++;
    return result;
  };
  const step = Object.defineProperties(call, {
    count: { get: () => count },
    learningRate: { get: () => 10 + count },
    ready: { value: async () => ready() },
  }) as unknown as LoopStep;
  return { step, seen, get reads() { return reads; } };
}

const batches = {
  shape: [2, 3] as const,
  batchAt: (number: number): Batch => ({ tokens: new Int32Array(6).fill(number), targets: new Int32Array(6), shape: [2, 3] }),
};

const tenLosses = Array.from({ length: 10 }, (_, i) => 5 - i / 10);

/** Runs a training and lists what happened, in order. */
async function happenings(losses: readonly number[], options: Partial<TrainOptions>, start = 0) {
  const scripted = scriptedStep(losses, { count: start });
  const events: string[] = [];
  const result = await train({
    step: scripted.step, batches, steps: losses.length,
    evaluate: async () => {
      events.push(`evaluate ${scripted.step.count}`);
      return 7;
    },
    checkpoint: async (at) => { events.push(`checkpoint ${at}`); },
    callbacks: { onStep: (row) => { events.push(`row ${row.step}${row.valLoss === undefined ? '' : ` ${row.valLoss}`}`); } },
    ...options,
  });
  return { events, result, scripted };
}

describe('train', () => {
  test('at one step evaluates, then makes the row, then the checkpoint', async () => {
    const { events, result } = await happenings(tenLosses, { logEvery: 2, evaluateEvery: 5, checkpointEvery: 4 });
    expect(events).toEqual(['row 2', 'row 4', 'checkpoint 4', 'evaluate 5', 'row 5 7', 'row 6', 'row 8', 'checkpoint 8', 'evaluate 10', 'row 10 7', 'checkpoint 10']);
    expect(result).toMatchObject({ step: 10, finished: true, row: { step: 10, valLoss: 7, loss: tenLosses[9], learningRate: 19, gradNorm: 1 } });
  });

  test('reads loss and norm at logged and saved steps alone', async () => {
    const { scripted } = await happenings(tenLosses, { logEvery: 5, evaluateEvery: 100, checkpointEvery: 3 });
    expect(scripted.reads).toBe(2 * 5); // steps 3, 5, 6, 9, 10
  });

  test('gives update n the batch n - 1, also from the middle', async () => {
    expect((await happenings(tenLosses, {})).scripted.seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const { scripted, events } = await happenings(tenLosses, { logEvery: 2 }, 7);
    expect(scripted.seen).toEqual([7, 8, 9]);
    expect(events.filter((event) => event.startsWith('row'))).toEqual(['row 8', 'row 10 7']);
  });

  test('does nothing where all updates are done', async () => {
    const { events, result } = await happenings(tenLosses, {}, 10);
    expect(events).toEqual([]);
    expect(result).toEqual({ step: 10, finished: true });
  });

  test('a signal stops it after the step under way, with a checkpoint', async () => {
    const controller = new AbortController();
    const { events, result } = await happenings(tenLosses, {
      logEvery: 1, signal: controller.signal,
      callbacks: { onStep: ({ step }) => { if (step === 3) controller.abort(); } },
    });
    expect(events).toEqual(['checkpoint 3']);
    expect(result).toMatchObject({ step: 3, finished: false });
  });

  test('a signal between logged steps is noticed, since timers have their turn', async () => {
    const controller = new AbortController();
    const many = new Array<number>(100_000).fill(1);
    setTimeout(() => controller.abort(), 5);
    const { events, result } = await happenings(many, { logEvery: many.length, signal: controller.signal });
    expect(result.finished).toBe(false);
    expect(events).toEqual([`checkpoint ${result.step}`]);
  });

  test.each([[NaN, 1], [Infinity, 1], [2, NaN]])('loss %d with norm %d ends it before a row or a checkpoint', async (loss, norm) => {
    const scripted = scriptedStep([3, loss, 2], { gradNorms: [1, norm, 1] });
    const events: string[] = [];
    const running = train({ step: scripted.step, batches, steps: 3, checkpointEvery: 1, checkpoint: async (at) => { events.push(`checkpoint ${at}`); }, callbacks: { onStep: ({ step }) => { events.push(`row ${step}`); } } });
    await expect(running).rejects.toThrow(DivergedError);
    await expect(running).rejects.toThrow('step 2');
    expect(events).toEqual(['row 1', 'checkpoint 1']);
  });

  test('counts tokens a second over the steps since the last row, without evaluations and checkpoints', async () => {
    let clock = 0;
    const now = vi.spyOn(performance, 'now').mockImplementation(() => clock);
    try {
      const { step } = scriptedStep(tenLosses, { ready: () => { clock += 100; } });
      const speeds: number[][] = [];
      await train({
        step, batches, steps: 10, logEvery: 5, evaluateEvery: 5, evaluate: async () => { clock += 60_000; return 1; },
        checkpointEvery: 3, checkpoint: async () => { clock += 7_000; }, callbacks: { onStep: ({ tokensPerSecond, seconds }) => { speeds.push([tokensPerSecond, seconds]); } },
      });
      expect(speeds).toEqual([[60, 0.5], [60, 0.5]]); // 5 steps of 6 tokens in 0.5 s
    } finally {
      now.mockRestore();
    }
  });

  test.each(['steps', 'logEvery', 'evaluateEvery', 'checkpointEvery'])('refuses a %s that is no whole number from 1', async (name) => {
    const { step } = scriptedStep(tenLosses);
    await expect(train({ step, batches, steps: 10, [name]: 0 })).rejects.toThrow(`train: ${name} must be a whole number from 1, got 0`);
    expect(step.count).toBe(0);
  });
});

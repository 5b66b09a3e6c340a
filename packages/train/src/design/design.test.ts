import { build } from '@ashlar/models';
import { plannedBytes } from '@ashlar/tensor';
import { wasm } from '@ashlar/wasm';
import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { estimatedSeconds, type DeviceRates } from '../plan/device-rates.js';
import { planStep } from '../plan/plan-training.js';
import { planUse } from '../plan/plan-use.js';
import { design, type Design } from './design.js';
import { designTasks, type DesignNeeds } from './needs.js';
import { formatSeconds } from './format-seconds.js';

const device = await wasm({ threads: 1 });
afterAll(() => device.close());

/** A device of 20 GFLOP/s and 10 GB/s. */
const rates: DeviceRates = { flopsPerSecond: 2e10, bytesPerSecond: 1e10, secondsPerRun: 1e-4 };
const place = { device, rates };

type Possible = Extract<Design, { possible: true }>;
const possible = (needs: DesignNeeds): Possible => { const made = design(needs, place); if (!made.possible) throw new Error(JSON.stringify(made, undefined, 1)); return made; };

const hour = 3600, book: DesignNeeds = { task: 'languageModel', purpose: 'training', dataTokens: 1.2e6, context: 128, memory: 2e9, trainingSeconds: hour };
const labels: DesignNeeds = { ...book, task: 'classification', classes: 5 }, pairs: DesignNeeds = { ...book, task: 'sequenceToSequence' }, masked: DesignNeeds = { ...book, task: 'maskedLanguageModel' };
const { trainingSeconds: _, ...timeless } = book, used: DesignNeeds = { ...timeless, purpose: 'inference' };

/** A value of the model, by its path. */
const at = (made: Possible, path: string): unknown => path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], made.config);
const parametersBetween = (least: number, most: number) => ({ plan }: Possible): void => { expect(plan.parameters).toBeGreaterThanOrEqual(least); expect(plan.parameters).toBeLessThanOrEqual(most); };
const has = (path: string, value: unknown) => (made: Possible): void => { if (typeof value === 'object') expect(at(made, path)).toMatchObject(value as object); else expect(at(made, path)).toEqual(value); };
const reasoned = (key: string, pattern: RegExp) => ({ choices }: Possible): void => expect(choices.find((one) => one.key === key)?.reason).toMatch(pattern);

type Check = (made: Possible) => void;
const cases: readonly (readonly [name: string, needs: DesignNeeds, ...checks: Check[]])[] = [
  // The text sets the size, by tokens a parameter.
  ['a book in an hour', book, parametersBetween(1e5, 2.4e5), has('model.modelType', 'decoder'), reasoned('model.width', /^The text sets the size/)],
  ['a tenth of a book', { ...book, dataTokens: 1.2e5 }, parametersBetween(1e4, 4e4)],
  ['ten books and no hurry: about ten times the parameters', { ...timeless, dataTokens: 1.2e7 }, parametersBetween(1e6, 2.4e6)],
  ['a page: the smallest, and a warning', { ...book, dataTokens: 3000 }, parametersBetween(1e4, 4e4), ({ choices }) => expect(choices.find(({ key }) => key === 'model.width')!.cost).toContain('by heart')],
  ['a book, to be used: smaller and trained for longer', { ...used, dataTokens: 1.2e7 }, parametersBetween(2e5, 4.8e5), ({ plan }) => expect(plan.tokens / plan.parameters).toBeGreaterThan(90)],
  ['a text that is read often is learned with dropout', book, has('model.dropout', { embedding: 0.1, residual: 0.1 }), ({ plan }) => expect(plan.epochs).toBeCloseTo(4, 1)],
  ['a text that is never read whole is learned without', { ...book, dataTokens: 1e11, trainingSeconds: 600 }, has('model.dropout', 0), ({ plan }) => expect(plan.epochs).toBeLessThan(0.1)],
  // The time sets the size.
  ['much text, ten minutes', { ...book, dataTokens: 1e10, trainingSeconds: 600 }, parametersBetween(1e5, 8e5), reasoned('model.width', /^The training time sets the size/)],
  ['much text, a day: twelve times the parameters, for the square of them is the time', { ...book, dataTokens: 1e10, trainingSeconds: 86400 }, parametersBetween(2e6, 8e6)],
  ['time that is left is used', { ...book, dataTokens: 1e10 }, ({ plan }) => { expect(plan.trainingSeconds).toBeLessThanOrEqual(hour); expect(plan.trainingSeconds).toBeGreaterThan(hour * 0.9); }],
  ['half a minute: the smallest', { ...book, trainingSeconds: 30 }, parametersBetween(1e4, 4e4)],
  // The memory sets the size, after recomputing and smaller batches.
  ['little memory', { ...timeless, dataTokens: 1e8, memory: 1e8 }, parametersBetween(5e5, 5e6), has('training.recompute', true), reasoned('model.width', /^The memory sets the size/)],
  ['less memory', { ...timeless, dataTokens: 1e8, memory: 2e7 }, parametersBetween(1e5, 9e5), has('training.recompute', true)],
  ['enough memory: nothing is computed twice', book, has('training.recompute', false)],
  ['memory of use alone', { ...used, dataTokens: 1e9, memory: 2e7 }, parametersBetween(1e6, 4.5e6), ({ plan }) => expect(plan.trainingBytes).toBeGreaterThan(2e7)],
  // The context.
  ['a short context sees all', book, has('model.attention', { type: 'multiHead' })],
  ['a long context with memory enough sees all', { ...book, context: 2048 }, has('model.attention', { type: 'multiHead' })],
  ['a long context with little memory has windows', { ...book, context: 2048, memory: 2e8 }, has('model.attention', { type: 'perLayer', order: 'LLLG', variants: { L: { mask: { type: 'slidingWindow', windowKeys: 512 } } } })],
  ['a longer context has windows in any case', { ...book, context: 4096, memory: 1e10 }, has('model.attention.variants.L.mask.type', 'slidingWindow')],
  ['a very long context with memory has windows', { ...book, context: 8192, memory: 1e10 }, has('model.attention.variants.L.mask.type', 'slidingWindow')],
  ['a very long context with little memory has states', { ...book, context: 8192, memory: 5e8 }, has('model.attention.variants.R.type', 'gatedDeltaRule')],
  ['deeper models have a global layer in six', { ...timeless, dataTokens: 1.2e7, context: 4096 }, has('model.attention.order', 'LLLLLG')],
  // Latency and use.
  ['use without a limit shares keys', { ...used, dataTokens: 1e8 }, has('model.attention', { type: 'grouped', heads: 6, kvHeads: 1 })],
  ['latency shares keys', { ...timeless, dataTokens: 1e8, latency: 0.02 }, has('model.attention.type', 'grouped')],
  ['latency sets the size', { ...timeless, dataTokens: 1e9, latency: 0.001 }, reasoned('model.width', /^The latency sets the size/), ({ plan }) => expect(plan.useSeconds).toBeLessThanOrEqual(0.001)],
  ['latency of an encoder shares nothing: it keeps no cache', { ...labels, latency: 0.1 }, has('model.attention', { type: 'multiHead' })],
  // Other tasks.
  ['labels: an encoder', labels, has('model.modelType', 'encoder'), has('model.head', { type: 'classes', classes: 5 }), has('model.feedForward', 'geglu')],
  ['labels of long texts: local and global layers, both ways', { ...labels, context: 2048 }, has('model.attention.variants.L.mask', { type: 'symmetricWindow', windowKeys: 513 })],
  ['few examples: a small encoder', { ...labels, dataTokens: 2e5 }, parametersBetween(1e4, 4e4)],
  ['masked language model', masked, has('model.modelType', 'encoder'), has('model.head.type', 'language')],
  ['pairs: an encoder-decoder', pairs, has('model.modelType', 'encoderDecoder'), has('model.crossAttention.type', 'cross'), has('model.positional', 't5Bias')],
  ['long pairs: the encoder has windows, the decoder sees all', { ...pairs, context: 1536 }, has('model.encoder.attention.variants.L.mask.type', 'symmetricWindow'), has('model.attention.type', 'multiHead')],
  ['pairs in use share keys', { ...used, task: 'sequenceToSequence', dataTokens: 1e8 }, has('model.attention.type', 'grouped')],
];

/** What holds of every design. */
function holds(needs: DesignNeeds, { config: { model, data, training, task }, choices, plan }: Possible): void {
  const { parameterCount } = build(model, { seed: 'none' }) as { parameterCount: number }, step = planStep({ model, batch: training.batch, context: training.context, recompute: training.recompute }, device), use = planUse(model, needs.context, device);
  expect([task, data.tokenizer, training.context, (model as { maxLength?: number }).maxLength]).toEqual([needs.task, 'byte', needs.context, needs.context]);
  expect([plan.parameters, plan.trainingBytes, plan.useBytes]).toEqual([parameterCount, plannedBytes(step), use.bytes]);
  expect(needs.purpose === 'training' ? plan.trainingBytes : plan.useBytes).toBeLessThanOrEqual(needs.memory);
  expect(training.steps * estimatedSeconds(step, rates)).toBeLessThanOrEqual(needs.trainingSeconds ?? Infinity);
  expect(estimatedSeconds(use.plan, rates)).toBeLessThanOrEqual(needs.latency ?? Infinity);
  expect(training.learningRate.warmup).toBeLessThan(training.steps);
  for (const { key, value, ...why } of choices) {
    expect(value, key).toBeDefined();
    for (const text of [why.reason, why.cost]) expect(text, key).toMatch(/^[A-Z\d].{10,}\.$/s);
    expect(why.source, key).toMatch(/arXiv \d{4}\.\d{4,5}|\d{4}/);
    expect(`${why.reason}${why.cost}`, key).not.toMatch(/NaN|undefined|Infinity/);
  }
  const parts = Object.keys(model).filter((key) => !['vocabulary', 'maxLength', 'crossAttention', 'encoder'].includes(key)).map((key) => `model.${key}`);
  expect(choices.map(({ key }) => key)).toEqual(expect.arrayContaining([...parts, 'data.tokenizer', 'training.batch', 'training.steps', 'training.recompute', 'training.learningRate']));
}

test.each(cases.map(([name, needs, ...checks]) => ({ name, needs, checks })))('$name', ({ needs, checks }) => {
  const made = possible(needs);
  for (const check of checks) check(made);
});

describe('needs that exclude each other', () => {
  test.each([
    ['too little memory for the context', { ...book, memory: 2e6, context: 512 }, ['memory', 'context'], /even the smallest model takes .* to be trained/],
    ['too little memory to be used', { ...used, memory: 1e5 }, ['memory', 'context'], /even the smallest model takes .* to be used/],
    ['too little time', { ...book, trainingSeconds: 1 }, ['trainingSeconds', 'context'], /^1 s of training does not go with/],
    ['too little time a token', { ...book, latency: 1e-4 }, ['latency', 'context'], /^0\.1 ms a written token does not go with/],
    ['less text than a row', { ...book, dataTokens: 100 }, ['dataTokens', 'context'], /not one row of a batch can be filled/],
  ] as const)('%s', (_, needs, excluded, problem) => {
    const made = design(needs, place);
    if (made.possible) throw new Error('possible');
    const [first] = made.contradictions;
    expect(first!.needs).toEqual(excluded);
    expect(first!.problem).toMatch(problem);
    expect(first!.ways[0]!.need).toBe(excluded[0]);
    if (made.contradictions.length === 1) for (const { need, value } of first!.ways) expect(design({ ...needs, [need]: value }, place).possible, `${need} ${value}`).toBe(true);
  });

  test('each of several is named', () => {
    const made = design({ ...book, memory: 1e5, trainingSeconds: 1e-3 }, place);
    expect(!made.possible && made.contradictions.map(({ needs }) => needs[0])).toEqual(['memory', 'trainingSeconds']);
  });
});

test('whatever is needed gives a model that can be built and fits, or what contradicts what', () => {
  let count = 0;
  const limit = (least: number, most: number): fc.Arbitrary<number> => fc.double({ min: Math.log(least), max: Math.log(most), noNaN: true }).map(Math.exp);
  fc.assert(fc.property(
    fc.record({ task: fc.constantFrom(...designTasks), purpose: fc.constantFrom('training', 'inference'), dataTokens: limit(100, 3e7).map(Math.round), context: limit(2, 3000).map(Math.round), memory: limit(1e6, 1e10), seconds: fc.option(limit(1, 1e5)), latency: fc.option(limit(1e-4, 1)), labels: fc.integer({ min: 2, max: 100 }) }),
    ({ seconds, latency, labels: many, ...rest }) => {
      const needs: DesignNeeds = { ...rest, purpose: rest.purpose as DesignNeeds['purpose'], ...(seconds !== null && rest.purpose === 'training' ? { trainingSeconds: seconds } : {}), ...(latency === null ? {} : { latency }), ...(rest.task === 'classification' ? { classes: many } : {}) };
      const made = design(needs, place);
      if (made.possible) { count++; holds(needs, made); } else {
        expect(made.contradictions.length).toBeGreaterThan(0);
        for (const { ways, problem } of made.contradictions) { expect(ways.length).toBeGreaterThan(0); expect(problem).not.toMatch(/NaN|undefined|Infinity/); }
      }
    },
  ), { numRuns: 8, seed: 7 });
  expect(count).toBeGreaterThan(2);
});

test('what is no need is refused by name', () => {
  for (const [needs, message] of [
    [{ ...book, task: 'poetry' }, /task must be one of languageModel, .*, got "poetry"/], [{ ...book, purpose: 'fun' }, /purpose must be one of training, inference, got "fun"/],
    [{ ...book, context: 1 }, /context must be a whole number from 2, got 1/], [{ ...book, dataTokens: 1.5 }, /dataTokens must be a whole number from 1, got 1.5/],
    [{ ...book, memory: -1 }, /memory must be a number above 0, got -1/], [{ ...book, latency: NaN }, /latency must be a number above 0/],
    [{ ...book, classes: 3 }, /classes is for classification.*leave it out/], [{ ...labels, classes: undefined }, /say how many labels there are/], [{ ...used, trainingSeconds: 5 }, /trainingSeconds is for purpose training/],
  ] as const) expect(() => design(needs as unknown as DesignNeeds, place)).toThrow(message);
});

test('lengths of time', () => {
  expect([0.0032, 0.5, 1, 42.4, 119, 120, 5400, 7200, 172799, 200000].map(formatSeconds)).toEqual(['3.2 ms', '500 ms', '1 s', '42 s', '119 s', '2 min', '90 min', '2 h', '48 h', '2.3 days']);
});

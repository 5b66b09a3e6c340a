// How presets begin, by what their papers and programs say: standard deviations of every kind of matrix.
import { describe, expect, test } from 'vitest';
import { build, presets, type ModelConfigInput, type PresetName } from './index.js';

const C = 96, H = 4, D = 24, F = 256, L = 3, V = 300;
const sizes = { vocabulary: V, width: C, depth: L, heads: H, hidden: F, maxLength: 128 }, grouped = { ...sizes, kvHeads: 2, headWidth: D }, { maxLength: _, ...endless } = sizes;
const deep = { ...grouped, depth: 6 };

/** Of the normal distribution cut off at two standard deviations. */
const truncated = 0.87962566;
const std = 0.02, plain = { table: std, query: std, key: std, value: std, output: std, up: std, down: std };
const scaled = (sublayers: number) => ({ ...plain, output: std / Math.sqrt(sublayers), down: std / Math.sqrt(sublayers) });
const cut = (deviations: Readonly<Record<string, number>>) => Object.fromEntries(Object.entries(deviations).map(([part, deviation]) => [part, truncated * deviation]));

const expected: Readonly<Record<PresetName, { readonly config: ModelConfigInput; readonly deviations: Readonly<Record<string, number>>; readonly most?: number }>> = {
  gpt2: { config: presets.gpt2(sizes), deviations: { ...scaled(2 * L), positions: std } }, // Radford et al. 2019: 1/√N, N residual layers
  nanoGpt: { config: presets.nanoGpt(sizes), deviations: { ...scaled(2 * L), positions: std } },
  llama3: { config: presets.llama3(grouped), deviations: { ...plain, head: std } }, // initializer_range of the Llama configs
  qwen3: { config: presets.qwen3(grouped), deviations: plain },
  mistral: { config: presets.mistral(grouped), deviations: { ...plain, head: std } },
  gemma3: { config: presets.gemma3(deep), deviations: plain },
  bert: { config: presets.bert(sizes), deviations: cut({ ...plain, positions: std, transform: std }), most: 2 * std }, // truncated_normal_initializer(0.02)
  roberta: { config: presets.roberta(sizes), deviations: { ...plain, positions: std, transform: std } }, // init_bert_params
  distilBert: { config: presets.distilBert(sizes), deviations: { ...plain, positions: std, transform: std } },
  longformer: { config: presets.longformer({ ...sizes, windowKeys: 3 }), deviations: { ...plain, positions: std, transform: std } },
  bigBird: { config: presets.bigBird({ ...sizes, block: 2 }), deviations: cut({ ...plain, positions: std, transform: std }), most: 2 * std },
  modernBert: { config: presets.modernBert({ ...sizes, windowKeys: 3 }), deviations: cut({ ...scaled(2 * L), transform: std / Math.sqrt(2 * L) }), most: 2 * std }, // full megatron, cut off at 2
  t5: { config: presets.t5({ ...endless, headWidth: D }), deviations: { table: 1, query: (C * D) ** -0.5, key: C ** -0.5, value: C ** -0.5, output: (H * D) ** -0.5, up: C ** -0.5, down: F ** -0.5, bias: C ** -0.5 } }, // Mesh TensorFlow
  bart: { config: presets.bart(sizes), deviations: { ...plain, positions: std } }, // init_std
  linearHybrid: { config: presets.linearHybrid({ ...grouped, depth: 4 }), deviations: scaled(2 * 4) },
};

const parts: readonly (readonly [RegExp, readonly string[]])[] = [
  [/(^|\.)tokens\.weight$/, ['table']], [/positional\.weight$/, ['positions']], [/layers\.\d+\.(attention|crossAttention)\.(qkv|globalQkv)\.weight$/, ['query', 'key', 'value']],
  [/(attention|crossAttention)\.query\.weight$/, ['query']], [/(attention|crossAttention)\.key\.weight$/, ['key']], [/(attention|crossAttention)\.value\.weight$/, ['value']], [/(attention|crossAttention)\.output\.weight$/, ['output']],
  [/feedForward\.(up|gate)\.weight$/, ['up']], [/feedForward\.down\.weight$/, ['down']], [/transform\.dense\.weight$/, ['transform']], [/^head\.weight$/, ['head']],
];

describe('standard deviations at the beginning', () => {
  test.each(Object.entries(expected))('%s', async (name, { config, deviations, most = Infinity }) => {
    const seen = new Set<string>();
    for (const [parameter, variable] of build(config, { seed: 5 }).namedParameters()) {
      const t5Bias = name === 't5' && /positional\.weight$/.test(parameter), blocks = t5Bias ? ['bias'] : parts.find(([pattern]) => pattern.test(parameter))?.[1] ?? [], values = await variable.values() as Float32Array;
      blocks.forEach((block, i) => {
        const rows = values.subarray((i * values.length) / blocks.length, ((i + 1) * values.length) / blocks.length), deviation = Math.sqrt(rows.reduce((sum, x) => sum + x * x, 0) / rows.length);
        seen.add(block);
        // Five standard errors of a sample of so many.
        expect(Math.abs(deviation / deviations[block]! - 1), `${parameter}: ${block} is ${deviation}, expected ${deviations[block]}`).toBeLessThan(5 / Math.sqrt(2 * rows.length));
        expect(Math.max(...rows.map(Math.abs))).toBeLessThanOrEqual(Math.fround(most));
      });
      if (/\.bias$/.test(parameter)) expect(values.every((x) => x === 0)).toBe(true);
    }
    expect([...seen].sort()).toEqual(Object.keys(deviations).sort());
  });
});

test('schemes that do not go with something say with what', () => {
  const of = (parts: object): (() => unknown) => () => build({ modelType: 'decoder', vocabulary: 11, width: 8, depth: 2, attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', ...parts } as never);
  expect(of({ initialisation: { scheme: 'perMatrix', scaledResidual: true } })).toThrow('initialisation.scaledResidual does not go with the scheme perMatrix, which says how each matrix begins; leave it out');
  expect(of({ initialisation: { scheme: 'perMatrix' }, residual: 'deepNorm' })).toThrow('the initialisation perMatrix does not go with deepNorm residuals');
  expect(of({ initialisation: { scheme: 'perMatrix' }, attention: { type: 'perLayer', order: 'AB', variants: { A: { type: 'multiHead', heads: 2 }, B: { type: 'multiHead', heads: 4 } } } })).toThrow('the initialisation perMatrix goes with attention whose layers have heads of one width');
  expect(of({ initialisation: { scheme: 'uniform' } })).toThrow('scheme');
});

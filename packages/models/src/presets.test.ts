import { describe, expect, test } from 'vitest';
import { gradients, jit, read, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { Decoder, Encoder, build, presets, type Model, type ModelConfigInput, type PresetName } from './index.js';

const pooler = { head: { type: 'classes', classes: 2, transform: { activation: 'tanh' } } } as const;
const withoutHead = ({ head: _, ...config }: ReturnType<typeof presets.bert>): ReturnType<typeof presets.bert> => config;
/** Parameters of the published models, as their own programs count them. Of classifiers, those of the projection to two classes are added. */
const published: readonly (readonly [string, ModelConfigInput, number])[] = [
  ['GPT-2', presets.gpt2(), 124_439_808], ['GPT-2 medium', presets.gpt2({ width: 1024, depth: 24, heads: 16 }), 354_823_168], ['GPT-2 XL', presets.gpt2({ width: 1600, depth: 48, heads: 25 }), 1_557_611_200],
  ['nanoGPT on a CPU', presets.nanoGpt(), 804_096],
  ['Llama 3 8B', presets.llama3(), 8_030_261_248], ['Llama 3 70B', presets.llama3({ width: 8192, depth: 80, heads: 64, hidden: 28672 }), 70_553_706_496],
  ['Qwen 3 0.6B', presets.qwen3(), 596_049_920], ['Mistral 7B', presets.mistral(), 7_241_732_096], ['Gemma 3 1B', presets.gemma3(), 999_885_952],
  ['BERT base, masked', presets.bert(), 109_514_298], ['BERT base, with pooler', presets.bert(pooler), 109_482_240 + 2 * 769], ['BERT large, with pooler', presets.bert({ ...pooler, width: 1024, depth: 24, heads: 16 }), 335_141_888 + 2 * 1025],
  ['RoBERTa base, masked', presets.roberta(), 124_697_433], ['RoBERTa base, with pooler', presets.roberta(pooler), 124_645_632 + 2 * 769],
  ['DistilBERT', withoutHead(presets.distilBert()), 66_362_880], ['DistilBERT, masked', presets.distilBert(), 66_985_530],
  ['ModernBERT base', withoutHead(presets.modernBert()), 149_014_272], ['ModernBERT base, masked', presets.modernBert(), 149_655_232],
  ['Longformer base, with pooler', presets.longformer(pooler), 148_659_456 + 2 * 769], ['BigBird base, with pooler', presets.bigBird(pooler), 127_468_800 + 2 * 769],
  ['T5 small', presets.t5(), 60_506_624], ['T5 base', presets.t5({ width: 768, depth: 12, heads: 12, hidden: 3072 }), 222_903_552],
  ['BART base', presets.bart(), 139_420_416], ['BART large', presets.bart({ width: 1024, depth: 12, heads: 16 }), 406_291_456],
];

describe('parameters, counted without memory for them', () => {
  test.each(published)('%s', (_, config, count) => {
    const before = process.memoryUsage().arrayBuffers, model = build(config, { seed: 'none' });
    expect(model.parameterCount).toBe(count);
    expect(Object.values(model.parameterCounts).reduce((sum, part) => sum + part)).toBe(count);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2e7);
  });
});

const sizes = { vocabulary: 11, width: 8, depth: 3, heads: 2, hidden: 12, maxLength: 8 }, grouped = { ...sizes, kvHeads: 1, headWidth: 4 }, { maxLength: _, ...endless } = sizes;
const small: Readonly<Record<PresetName, ModelConfigInput>> = {
  gpt2: presets.gpt2(sizes), nanoGpt: presets.nanoGpt(sizes), llama3: presets.llama3(grouped), qwen3: presets.qwen3(grouped), mistral: presets.mistral({ ...grouped, windowKeys: 3 }), gemma3: presets.gemma3({ ...grouped, depth: 6, windowKeys: 2 }),
  bert: presets.bert(sizes), roberta: presets.roberta({ ...sizes, ...pooler }), modernBert: presets.modernBert({ ...sizes, windowKeys: 3 }), distilBert: presets.distilBert(sizes),
  longformer: presets.longformer({ ...sizes, windowKeys: 3 }), bigBird: presets.bigBird({ ...sizes, block: 2 }), t5: presets.t5({ ...endless, headWidth: 4 }), bart: presets.bart(sizes), linearHybrid: presets.linearHybrid({ ...grouped, depth: 4 }),
};

describe('a step of gradient descent lowers the loss of small ones', () => {
  test.each(Object.entries(small))('%s', async (_name, config) => {
    const device = reference(), model: Model = build({ ...config, dropout: 0 } as ModelConfigInput, { seed: 4 }), parameters = model.parameters();
    const row = (seed: number): Tensor => tensor(Int32Array.from({ length: 12 }, (__, i) => (i * i + seed * i + seed) % 11), { shape: [2, 6] });
    const lossOf = (): Tensor => (model instanceof Decoder ? model.loss(row(1), row(2)) : model instanceof Encoder ? model.loss(row(1), (config as { head: { type: string } }).head.type === 'classes' ? tensor(Int32Array.of(0, 1)) : row(2)) : model.loss(row(1), row(3), row(2)));
    const run = jit(() => { const loss = lossOf(); return { loss, slopes: gradients(loss, parameters.map(read)) }; }, { device });
    const { loss, slopes } = run(), before = await loss.item();
    for (const [i, parameter] of parameters.entries()) {
      const slope = await slopes[i]!.data();
      parameter.write(Float32Array.from(await parameter.values(), (value, k) => value - 0.02 * slope[k]!));
    }
    expect(await run().loss.item()).toBeLessThan(before);
  });
});

import { describe, expect, test } from 'vitest';
import { multiHead } from '@ashlar/attention';
import { Module, mlp, normalInitializer, swiglu, type AttentionVariant } from '@ashlar/nn';
import { layerNorm } from '@ashlar/norm';
import { learned } from '@ashlar/positional';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { CombinationError, ConfigError, build, catalogue, decoder, parseModelConfig, type DecoderConfigInput, type PartKind } from './index.js';

const config = {
  modelType: 'decoder', vocabulary: 20, width: 16, depth: 2, maxLength: 8,
  attention: { type: 'grouped', heads: 4, kvHeads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu',
} as const satisfies DecoderConfigInput;

describe('a config', () => {
  test('gets its defaults, and each part its long form', () => {
    expect(parseModelConfig(config)).toEqual({
      ...config, positional: { type: 'rotary' }, norm: { type: 'rmsNorm' }, feedForward: { type: 'swiglu' }, residual: { type: 'preNorm' }, bias: false, tiedHead: true, dropout: 0,
    });
    expect(parseModelConfig(parseModelConfig(config))).toEqual(parseModelConfig(config));
  });

  const problems = (change: object): string => {
    try { parseModelConfig({ ...config, ...change }, 'model.json'); } catch (error) { return (error as ConfigError).message; }
    return 'none';
  };
  test.each<[object, string]>([
    [{ widht: 3 }, 'model.json: unknown key "widht"; did you mean "width"? (known: modelType, vocabulary, vocabularyMultiple, width,'],
    [{ attention: { type: 'grouped', heads: 4, kvHeads: 2, kvheads: 2 } }, 'model.json: attention: unknown key "kvheads"; did you mean "kvHeads"?'],
    [{ positional: { type: 'rotary', bose: 3 } }, 'model.json: positional: unknown key "bose"; did you mean "base"?'],
    [{ residual: { type: 'preNorm', alpha: 3 } }, 'model.json: residual: unknown key "alpha"; did you mean "type"? (known: type, firstNorm)'],
    [{ positional: 'rotery' }, 'model.json: positional: must be of type none, learned, sinusoidal, rotary, xPos, alibi, t5Bias, shaw, perLayer, got "rotery"'],
    [{ positional: { type: 'alibis' } }, 'positional.type: must be of type none, learned, sinusoidal, rotary, xPos, alibi, t5Bias, shaw, perLayer, got "alibis"'],
    [{ positional: {} }, 'positional.type: must be of type none, learned, sinusoidal, rotary, xPos, alibi, t5Bias, shaw, perLayer, got {}'],
    [{ positional: 7 }, 'positional: must be of type none, learned, sinusoidal, rotary, xPos, alibi, t5Bias, shaw, perLayer, got 7'],
    [{ attention: 'grouped' }, 'model.json: attention: grouped has options that it needs: write { "type": "grouped", … }'],
    [{ attention: undefined }, `model.json: attention: must be of type ${Object.keys(catalogue.attention).join(', ')}, got nothing`],
    [{ attention: { type: 'grouped', heads: 4 } }, 'model.json: attention.kvHeads: '],
    [{ width: 0 }, 'model.json: width: '],
    [{ width: 1.5 }, 'model.json: width: '],
    [{ dropout: 1 }, 'model.json: dropout: '],
    [{ dropout: { residual: 0.1, atention: 0.1 } }, 'model.json: dropout: unknown key "atention"; did you mean "attention"?'],
    [{ modelType: 'decode' }, 'model.json: modelType: must be decoder, encoder or encoderDecoder, got "decode"'],
    [{ initialisation: { sdt: 1 } }, 'model.json: initialisation: unknown key "sdt"; did you mean "std"?'],
    [{ feedForward: { type: 'mlp', activation: 'swish' } }, 'model.json: feedForward.activation: '],
  ])('%j is refused', (change, message) => { expect(problems(change)).toContain(message); });

  test('every problem has a line', () => {
    expect(problems({ width: -1, depth: 'two', bais: true }).split('\n').length).toBe(3);
    expect(() => parseModelConfig('text')).toThrow(ConfigError);
  });
});

describe('combinations that cannot work name both sides', () => {
  test.each<[object, string]>([
    [{ attention: { type: 'multiHead', heads: 3 } }, 'multiHead: heads must divide the width (16), got 3; or give headWidth'],
    [{ attention: { type: 'grouped', heads: 4, kvHeads: 3 } }, 'grouped: kvHeads must divide heads (4), got 3'],
    [{ attention: { type: 'multiHead', heads: 16 } }, 'rotary: elements turn in pairs, so the head width must be even, got 1'],
    [{ positional: { type: 'rotary', dimensions: 6 } }, 'rotary: dimensions must be at most the head width (4), got 6'],
    [{ positional: { type: 'learned', maxLength: 4 } }, "learned: maxLength must be at least the model's (8), got 4"],
    [{ positional: 'learned', maxLength: undefined }, 'learned: it needs to know how many positions to learn'],
    [{ attention: { type: 'multiHead', heads: 4, causal: false } }, 'a decoder cannot work with multiHead attention that is not causal'],
    [{ attention: { type: 'linearAttention', heads: 4 } }, 'rotary positions do not go with linearAttention attention, which cannot rotate queries and keys; use positions that are added to the embeddings, such as learned'],
    [{ attention: { type: 'retention', heads: 4 }, positional: 'alibi' }, 'alibi positions do not go with retention attention, which has no scores that could be changed'],
    [{ attention: { type: 'mamba2', heads: 4 }, positional: 't5Bias' }, 't5Bias positions do not go with mamba2 attention, which has no scores that could be changed'],
    [{ attention: { type: 'deltaRule', heads: 4 }, positional: 'none', dropout: 0.1 }, 'dropout.attention does not go with deltaRule attention, which has no attention weights that could be dropped; give the others alone: { "embedding": 0.1, "residual": 0.1 }'],
  ])('%j', (change, message) => { expect(() => build({ ...config, ...change } as DecoderConfigInput)).toThrow(message); });

  test('attention that cannot rotate, and one that takes less', () => {
    const parts = { vocabulary: 5, width: 8, depth: 1, maxLength: 9, positional: learned(), norm: layerNorm(), feedForward: mlp() };
    const attention = multiHead({ heads: 2 }), able = attention.capabilities;
    expect(() => decoder({ ...parts, positional: { ...learned(), name: 'turning', capabilities: { embed: false, rotate: true, scoreMod: false, bidirectional: true } }, attention: { ...attention, name: 'linear', capabilities: { ...able, rotate: false } } }))
      .toThrow('turning positions do not go with linear attention, which cannot rotate queries and keys; use positions that are added to the embeddings, such as learned');
    expect(() => decoder({ ...parts, attention: { ...attention, capabilities: { ...able, maxLength: 4 } } })).toThrow(CombinationError);
    expect(decoder({ ...parts, attention }).maxLength).toBe(9);
  });
});

const headsTried = { heads: [4], headWidth: [6] }, maskTried = { mask: [{ type: 'slidingWindow', windowKeys: 2 }, ['causal', { type: 'blockLocal', size: 3 }]] };
const plainSoftmaxTried = { bias: [true], outputBias: [true], scale: [0.1], softcap: [0.5], sinks: [true], gate: ['perHead', 'perElement'] }, softmaxTried = { ...plainSoftmaxTried, queryKeyNorm: ['fullWidth'], normEpsilon: [0.5] };

/** Values of each option, by part, that differ from its default. */
const tried: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
  none: {}, learned: { maxLength: [12], offset: [2] }, sinusoidal: { base: [10], layout: ['halves'] },
  rotary: { base: [10], layout: ['interleaved'], dimensions: [2], scaling: [{ type: 'linear', factor: 4 }, { type: 'ntk', factor: 4 }, { type: 'yarn', factor: 4, originalLength: 4 }, { type: 'llama3', factor: 4, originalLength: 4 }] },
  xPos: { base: [10], layout: ['halfSplit'], scaleBase: [4] }, alibi: {}, t5Bias: { buckets: [4], maxDistance: [5] }, shaw: { maxDistance: [1] },
  layerNorm: { epsilon: [0.5], bias: [true] }, rmsNorm: { epsilon: [0.5], gain: ['onePlus'] }, scaleNorm: { epsilon: [100] }, groupNorm: { epsilon: [0.5], bias: [true], groups: [4] }, dynamicTanh: { initial: [2], bias: [true] },
  preNorm: { firstNorm: [false] }, postNorm: {}, sandwichNorm: {}, deepNorm: {}, subNorm: {}, parallelNorm: { norms: ['separate'] }, reZero: {}, layerScale: { initial: [0.5] },
  mlp: { activation: ['relu', 'reluSquared', 'silu', 'geluTanh'], hidden: [9], bias: [true] },
  mixtureOfExperts: { experts: [3], active: [1], hidden: [9], activation: ['gelu'], gated: [false] },
  ...Object.fromEntries(['glu', 'bilinearGlu', 'reglu', 'geglu', 'gegluTanh', 'swiglu'].map((type) => [type, { hidden: [9], bias: [true] }])),
  multiHead: { ...headsTried, ...softmaxTried, ...maskTried }, grouped: { ...headsTried, ...softmaxTried, ...maskTried, kvHeads: [2] },
  topK: { ...headsTried, ...softmaxTried, ...maskTried, kvHeads: [1], keys: [2] }, cross: { ...headsTried, ...softmaxTried, kvHeads: [1], mask: [{ type: 'not', mask: { type: 'slidingWindow', windowKeys: 2 } }] },
  latent: { ...headsTried, ...plainSoftmaxTried, ...maskTried, kvRank: [5], queryRank: [5], rotatedWidth: [6], valueWidth: [3], latentEpsilon: [0.5] },
  perLayer: {
    order: ['GL', 'GGL'], overrides: [{ 1: 'L' }, { 0: 'G' }], repeat: [],
    variants: [{ L: { type: 'multiHead', heads: 2, mask: { type: 'slidingWindow', windowKeys: 3 } }, G: { type: 'multiHead', heads: 2 } }, { L: { type: 'grouped', heads: 2, kvHeads: 1 }, G: { type: 'latent', heads: 2, kvRank: 4, rotatedWidth: 2 } }],
  },
  'positional.perLayer': { order: ['GL', 'GGL'], overrides: [{ 1: 'L' }, { 0: 'G' }], repeat: [], variants: [{ L: 'none', G: { type: 'rotary' } }, { L: 'alibi', G: 'alibi' }] },
  'norm.perLayer': { order: ['RL', 'RRL'], overrides: [{ 1: 'L' }, { 0: 'R' }], repeat: [], variants: [{ L: 'layerNorm', R: 'scaleNorm' }] },
  'residual.perLayer': { order: ['PF', 'PPF'], overrides: [{ 1: 'F' }, { 0: 'P' }], repeat: [], variants: [{ F: 'parallelNorm', P: 'preNorm' }, { F: 'sandwichNorm', P: 'layerScale' }] },
  'feedForward.perLayer': { order: ['MD', 'MMD'], overrides: [{ 1: 'D' }, { 0: 'M' }], repeat: [], variants: [{ D: 'mlp', M: 'swiglu' }, { D: 'glu', M: 'reglu' }] },
  linearAttention: { ...headsTried, bias: [true], featureMap: ['reluSquared', 'focused', 'hedgehog'], normalizer: ['headNorm', 'none'] }, retention: { ...headsTried, bias: [true], valueWidth: [6] },
  gatedLinear: { heads: [4], keyWidth: [6], valueWidth: [6], bias: [true], gateRank: [3], temperature: [4] },
  deltaRule: { ...headsTried, bias: [true], valueWidth: [6], convolution: [1, 3] }, gatedDeltaRule: { ...headsTried, bias: [true], valueWidth: [6], convolution: [1, 3] },
  mamba2: { heads: [4], expand: [1], stateWidth: [5], groups: [2], convolution: [2], bias: [true] },
  longformer: { ...headsTried, ...softmaxTried, windowKeys: [5], globalTokens: [2] }, bigBird: { ...headsTried, ...softmaxTried, seed: [1], block: [2], windowBlocks: [5], randomBlocks: [2] },
};
/** Options of the part that another option is tried beside, where its own example would not show it. */
const beside: Readonly<Record<string, object>> = {
  t5Bias: { buckets: 8 }, bigBird: { queryKeyNorm: 'perHead', block: 1, randomBlocks: 1 },
};
/** Of a part that has no row above, every option of its example, changed by one, and those that all attention has. */
const triedOf = (type: string, options: object, example: object): Readonly<Record<string, readonly unknown[]>> => tried[type] ?? Object.fromEntries(Object.keys(options).filter((name) => !elsewhere.includes(name))
  .map((name) => [name, name in headsTried || name in softmaxTried ? { ...headsTried, ...softmaxTried }[name as 'heads'] : [(example as Record<string, number>)[name]! + 1]]));
/** Options that cannot show here: a decoder refuses attention that is not causal, the order of casts shows in f16 alone, and some of a mixture's options in training alone. */
const elsewhere = ['causal', 'cast', 'capacity', 'balanceLoss', 'zLoss'];

describe('every part of the catalogue builds, and each of its options changes the model', () => {
  /** Of attention that no decoder takes, what the part itself gives. */
  const outputs = async (variant: AttentionVariant): Promise<string> => {
    class NoPositions extends Module {}
    const weight = normalInitializer(0.5), initializers = { weight, value: weight, residual: weight };
    const part = variant.build({ width: 16, bias: false, dropout: { attention: 0, residual: 0 }, positional: new NoPositions(), initializers });
    part.initialize(2);
    part.parameters().filter(({ shape }) => shape.length === 1).forEach((parameter, i) => parameter.write(Float32Array.from({ length: parameter.size }, (_, j) => 0.5 + ((i + j) % 3) / 4)));
    const x = tensor(Float32Array.from({ length: 8 * 16 }, (_, i) => Math.sin(i * i)), { shape: [1, 8, 16] });
    return JSON.stringify([...await part.forward({ x, positions: 0, ...(variant.capabilities.cross ? { context: x } : {}) }).data(reference())]);
  };
  const logits = async (changed: object): Promise<string> => {
    const { attention } = changed as { attention?: { type: keyof typeof catalogue.attention } };
    if (attention) {
      const { type, ...options } = attention, variant = (catalogue.attention[type] as unknown as { create(options: object): AttentionVariant }).create(options);
      if (!variant.capabilities.causal) return outputs(variant);
      if (!variant.capabilities.rotate) changed = { positional: 'learned', ...changed };
    }
    const model = build({ ...config, norm: (changed as { residual?: { type: string } }).residual?.type === 'reZero' ? undefined : config.norm, initialisation: { std: 0.5 }, ...changed } as DecoderConfigInput, { seed: 2 });
    // Gains and biases begin where options cannot show; move them. The one-number gains and slopes begin where options say.
    model.parameters().filter(({ name, shape }) => shape.length === 1 && !/slope|residual\.gains/.test(name)).forEach((parameter, i) => parameter.write(Float32Array.from({ length: parameter.size }, (_, j) => 0.5 + ((i + j) % 3) / 4)));
    return JSON.stringify([...await model.logits(tensor(Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6), { shape: [1, 8] })).data(reference()), model.maxLength, model.parameterCount]);
  };
  for (const kind of Object.keys(catalogue) as PartKind[]) {
    test.each(Object.entries<{ options: object; example: object }>(catalogue[kind]))(`${kind} %s`, async (type, { options, example }) => {
      const base = { type, ...example, ...beside[type] ?? ('queryKeyNorm' in options && { queryKeyNorm: 'perHead' }) }, plain = await logits({ [kind]: base });
      const choicesOf = tried[`${kind}.${type}`] ?? triedOf(type, options, example);
      expect(Object.keys(choicesOf).toSorted()).toEqual(Object.keys(options).filter((name) => !elsewhere.includes(name)).toSorted());
      for (const [name, choices] of Object.entries(choicesOf)) for (const value of choices) expect(await logits({ [kind]: { ...base, [name]: value } }), `${type}.${name} = ${JSON.stringify(value)}`).not.toBe(plain);
    });
  }
});

describe('a pattern of layers', () => {
  const L = { type: 'multiHead', heads: 2, mask: { type: 'slidingWindow', windowKeys: 2 } }, G = { type: 'multiHead', heads: 2 };
  const logits = async (attention: unknown, depth = 3): Promise<string> => JSON.stringify([...await build({ ...config, depth, attention } as DecoderConfigInput, { seed: 2 }).logits(tensor(Int32Array.of(3, 1, 4, 1, 5, 9), { shape: [1, 6] })).data(reference())]);
  const pattern = (order: string, more: object = {}): object => ({ type: 'perLayer', order, variants: { L, G }, ...more });
  test('repeats; single layers may differ', async () => {
    expect(await logits(pattern('L', { variants: { L } }))).toBe(await logits(L));
    expect(await logits(pattern('LG'))).toBe(await logits(pattern('LGL', { repeat: false })));
    expect(await logits(pattern('LG', { overrides: { 2: 'G' } }))).toBe(await logits(pattern('LGG')));
    expect(await logits(pattern('LG'))).not.toBe(await logits(pattern('LGG')));
  });
  test.each<[object, string]>([
    [pattern('LG', { repeat: false }), 'perLayer: the order LG has 2 letters, and the model a layer 2; write one a layer, or let it repeat'], [pattern('LX'), 'perLayer: "X" has no variant; there are L, G'], [pattern('L'), 'perLayer: the variant G is used by no layer'],
    [pattern('LG', { overrides: { last: 'L' } }), 'perLayer: overrides are by the number of a layer, from 0, got "last"'], [pattern('LG', { variants: { L, G: { type: 'multiHead', heads: 2, windows: 3 } } }), 'attention.variants.G: unknown key "windows"'],
    [pattern('LG', { variants: { L, G: pattern('LG') } }), 'attention.variants.G.type: must be of type multiHead'], [pattern('LG', { variants: { L, G: { type: 'cross', heads: 2 } } }), 'do not go together: some attend to another sequence'],
    [pattern('LG', { variants: { L, G: { type: 'longformer', heads: 2, windowKeys: 3, globalTokens: 1 } } }), 'a decoder cannot work with perLayer(multiHead, longformer) attention that is not causal'],
  ])('%j', async (attention, message) => { await expect(async () => logits(attention)).rejects.toThrow(message); });

  const logitsWith = async (changed: object): Promise<string> => JSON.stringify([...await build({ ...config, depth: 2, ...changed } as DecoderConfigInput, { seed: 2 }).logits(tensor(Int32Array.of(3, 1, 4, 1, 5, 9), { shape: [1, 6] })).data(reference())]);
  const parts = {
    positional: [{ type: 'rotary', base: 100 }, 'none'], norm: ['rmsNorm', { type: 'layerNorm', bias: false }], residual: ['preNorm', 'parallelNorm'], feedForward: ['swiglu', 'geglu'],
  } as const;
  test.each(Object.entries(parts))('%s: a pattern of one is that one; of two, neither', async (kind, [A, B]) => {
    const of = (order: string, variants: object) => logitsWith({ [kind]: { type: 'perLayer', order, variants } });
    expect(await of('A', { A })).toBe(await logitsWith({ [kind]: A }));
    expect(await of('AB', { A: B, B })).toBe(await logitsWith({ [kind]: B }));
    expect(new Set([await of('AB', { A, B }), await of('BA', { A, B }), await of('A', { A }), await of('B', { B })]).size).toBe(4);
  });
  test.each<[object, string]>([
    [{ positional: { type: 'perLayer', order: 'AB', variants: { A: 'rotary', B: 'learned' } } }, 'perLayer: learned positions are added to the embeddings, before all layers; use encodings that act in a layer, such as rotary and none'],
    [{ residual: { type: 'perLayer', order: 'AB', variants: { A: 'preNorm', B: 'deepNorm' } } }, 'perLayer: deepNorm says how all layers begin, and cannot be that of some'],
    [{ residual: { type: 'perLayer', order: 'AB', variants: { A: 'preNorm', B: 'postNorm' } } }, 'perLayer: preNorm and postNorm do not go together: preNorm has finalNorm and the other has not; use schemes that agree'],
    [{ feedForward: { type: 'perLayer', order: 'AB', variants: { A: 'mlp', B: { type: 'mixtureOfExperts', experts: 2 } } }, residual: 'subNorm' }, 'subNorm residuals do not go with perLayer(mlp, mixtureOfExperts) feed-forward'],
  ])('%j is refused', (changed, message) => { expect(() => build({ ...config, ...changed } as DecoderConfigInput)).toThrow(message); });
});

describe('masks as data', () => {
  const attention = (mask: unknown) => ({ ...config, attention: { type: 'grouped', heads: 4, kvHeads: 2, mask } }) as DecoderConfigInput;
  const logits = async (mask: unknown): Promise<string> => JSON.stringify([...await build({ ...attention(mask), maxLength: 12 }, { seed: 2 }).logits(tensor(Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6, 5, 3), { shape: [1, 10] })).data(reference())]);
  test('every type has its effect, and a list joins', async () => {
    const window = { type: 'slidingWindow', windowKeys: 4 }, plain = await logits(undefined);
    expect(await logits('causal')).toBe(plain);
    expect(await logits({ type: 'causal' })).toBe(plain);
    expect(await logits({ type: 'prefixLm', length: 2 })).toBe(plain); // causality holds beside the mask
    const masks = [
      window, { type: 'symmetricWindow', windowKeys: 5 }, { type: 'dilatedWindow', windowKeys: 2, dilation: 3 }, { type: 'blockLocal', size: 3 }, { type: 'or', masks: [window, { type: 'globalTokens', count: 1 }] }, { type: 'strided', stride: 3 },
      { type: 'fixedPattern', stride: 3 }, { type: 'fixedPattern', stride: 3, summary: 2 }, { type: 'blockLayout', matrix: [[1, 0], [0, 1]], blockSize: 5 }, { type: 'not', mask: { type: 'slidingWindow', windowKeys: 1 } }, [window, { type: 'blockLocal', size: 5 }],
    ];
    const all = await Promise.all([...masks.map(logits), plain]);
    expect(new Set(all).size).toBe(masks.length + 1);
    expect(await logits(['causal', window])).toBe(all[0]);
    expect(await logits({ type: 'and', masks: [window, { type: 'blockLocal', size: 5 }] })).toBe(all[masks.length - 1]);
  });
  test.each<[unknown, string]>([
    [{ type: 'slidingWindow', windowKey: 4 }, 'unknown key "windowKey"; did you mean "windowKeys"?'], [{ type: 'window' }, 'must be a mask, or a list of masks, of type causal, slidingWindow'], [['causal', { type: 'blockLocal', size: 0 }], 'attention.mask.1.size'],
    [{ type: 'not', mask: 'casual' }, 'attention.mask.mask'], [[], 'attention.mask'], ['window', 'attention.mask'],
  ])('%j is refused', (mask, message) => { expect(() => parseModelConfig(attention(mask))).toThrow(message); });
});

test('the same model from values and from data', async () => {
  const fromData = build({ modelType: 'decoder', vocabulary: 9, width: 8, depth: 1, maxLength: 4, attention: { type: 'multiHead', heads: 2 }, positional: 'learned', norm: 'layerNorm', feedForward: 'swiglu', tiedHead: false, bias: true }, { seed: 6 });
  const fromValues = decoder({ vocabulary: 9, width: 8, depth: 1, maxLength: 4, attention: multiHead({ heads: 2 }), positional: learned(), norm: layerNorm(), feedForward: swiglu(), tiedHead: false, bias: true, seed: 6 });
  const contents = (model: typeof fromData) => Promise.all([...model.namedParameters()].map(async ([name, parameter]) => [name, await parameter.values()] as const));
  expect(await contents(fromValues)).toEqual(await contents(fromData));
});

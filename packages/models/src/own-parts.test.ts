import { describe, expect, test } from 'vitest';
import { multiHead, slidingWindow } from '@ashlar/attention';
import type { AttentionVariant, NormVariant } from '@ashlar/nn';
import { layerNorm } from '@ashlar/norm';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { z } from 'zod';
import { build, entriesOf, parseModelConfig, type Decoder } from './index.js';

const windowed = entriesOf<AttentionVariant>()({
  summary: 'Multi-head attention in a window', formula: 'softmax(Q Kᵀ / √D, over 0 ≤ q − k < windowKeys) V', paper: 'arXiv 2310.06825', options: { heads: z.int().min(1), windowKeys: z.int().min(1) }, example: { heads: 2, windowKeys: 3 },
  create: ({ heads, windowKeys }) => multiHead({ heads, mask: slidingWindow(windowKeys) }),
});
const tiny = entriesOf<NormVariant>()({ summary: 'A layer norm with a small ε', formula: '(x − mean) / √(variance + ε)', paper: 'unpublished', options: {}, example: {}, create: () => layerNorm({ epsilon: 1e-9, bias: false }) });
const parts = { attention: { windowed }, norm: { tiny } };

const rest = { modelType: 'decoder', vocabulary: 9, width: 16, depth: 2, maxLength: 6, positional: 'learned', feedForward: 'mlp' } as const;
const logits = async (model: Decoder): Promise<number[]> => [...await model.logits(tensor(Int32Array.of(1, 2, 3, 4, 5, 6), { shape: [1, 6] })).data(reference())];

describe('a config may name parts that the catalogue does not have', () => {
  test('they are built as the same parts of the catalogue are', async () => {
    const mine = build({ ...rest, attention: { type: 'windowed', heads: 2, windowKeys: 2 }, norm: { type: 'tiny' } }, { parts, seed: 1 });
    const same = build({ ...rest, attention: { type: 'multiHead', heads: 2, mask: { type: 'slidingWindow', windowKeys: 2 } }, norm: { type: 'layerNorm', epsilon: 1e-9 } }, { seed: 1 });
    expect(await logits(mine)).toEqual(await logits(same));
    const wider = build({ ...rest, attention: { type: 'windowed', heads: 2, windowKeys: 3 }, norm: 'tiny' }, { parts, seed: 1 });
    expect(await logits(wider)).not.toEqual(await logits(same));
  });
  test('also in a pattern of layers', async () => {
    const pattern = (L: { type: string; [option: string]: unknown }) => ({ type: 'perLayer' as const, order: 'LG', variants: { L, G: { type: 'multiHead', heads: 2 } } });
    const mine = build({ ...rest, attention: pattern({ type: 'windowed', heads: 2, windowKeys: 2 }), norm: 'rmsNorm' }, { parts });
    const same = build({ ...rest, attention: pattern({ type: 'multiHead', heads: 2, mask: { type: 'slidingWindow', windowKeys: 2 } }), norm: 'rmsNorm' });
    expect(await logits(mine)).toEqual(await logits(same));
  });
  test('their options are checked, and their names known', () => {
    // @ts-expect-error an option that is not there
    expect(() => build({ ...rest, attention: { type: 'windowed', heads: 2, windowKey: 2 }, norm: 'tiny' }, { parts })).toThrow('attention: unknown key "windowKey"; did you mean "windowKeys"?');
    // @ts-expect-error a part that is not there
    expect(() => build({ ...rest, attention: { type: 'windows', heads: 2 }, norm: 'tiny' }, { parts })).toThrow('mamba2, windowed, perLayer, got "windows"');
    expect(() => parseModelConfig({ ...rest, attention: { type: 'windowed', heads: 2, windowKeys: 2 }, norm: 'rmsNorm' })).toThrow('attention.type: must be of type multiHead');
  });
  test('names and families that are not to be had are refused', () => {
    const config = { ...rest, attention: { type: 'multiHead', heads: 2 }, norm: 'rmsNorm' } as const;
    expect(() => build(config, { parts: { attention: { multiHead: windowed } } })).toThrow('parts: the catalogue has attention multiHead already; give yours another name');
    expect(() => build(config, { parts: { attentions: { windowed } } as object })).toThrow('parts: there is no family "attentions"; the families are attention, positional, norm, residual, feedForward');
  });
});

import { testAttention } from '@ashlar/conformance';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { expect, test } from 'vitest';
import { linearAttention } from './index.js';
import { linearReference } from './test/recurrent-reference.js';

const devices = { reference, wasm: () => wasm({ threads: 1 }) }, sizes = { heads: 3, headWidth: 4 };

testAttention('linear attention, divided by the sum', linearAttention({ heads: 3 }), {
  devices, reference: linearReference(sizes),
  changed: {
    heads: linearAttention({ heads: 2 }), headWidth: linearAttention({ heads: 3, headWidth: 6 }), bias: linearAttention({ heads: 3, bias: false }), causal: linearAttention({ heads: 3, causal: false }),
    normalizer: linearAttention({ heads: 3, normalizer: 'none' }), featureMap: linearAttention({ heads: 3, featureMap: 'reluSquared' }),
  },
});
testAttention('linear attention both ways', linearAttention({ heads: 3, causal: false }), { devices, lengths: [1, 7, 65], reference: linearReference({ ...sizes, causal: false }) });
testAttention('linear attention with squares and norms a head', linearAttention({ heads: 3, featureMap: 'reluSquared', normalizer: 'headNorm' }), {
  devices, lengths: [7, 65], reference: linearReference({ ...sizes, featureMap: 'reluSquared', normalizer: 'headNorm' }),
});
testAttention('linear attention, focused', linearAttention({ heads: 3, featureMap: 'focused' }), { devices, lengths: [7, 65], reference: linearReference({ ...sizes, featureMap: 'focused' }) });
testAttention('linear attention with learned features', linearAttention({ heads: 2, headWidth: 5, featureMap: 'hedgehog', normalizer: 'none' }), {
  devices, lengths: [1, 7, 65], reference: linearReference({ heads: 2, headWidth: 5, featureMap: 'hedgehog', normalizer: 'none' }),
});

test('what cannot be is told', () => {
  expect(() => linearAttention({ heads: 2, featureMap: 'exp' as 'focused' })).toThrow('linearAttention: featureMap must be eluPlusOne, reluSquared, focused, hedgehog, got "exp"');
  expect(() => linearAttention({ heads: 2, normalizer: 'all' as 'sum' })).toThrow('linearAttention: normalizer must be sum, headNorm or none, got "all"');
  expect(() => linearAttention({ heads: 0 })).toThrow('linearAttention: heads must be a whole number from 1, got 0');
});

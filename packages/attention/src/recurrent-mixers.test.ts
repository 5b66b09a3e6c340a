import { testAttention } from '@ashlar/conformance';
import { rotary } from '@ashlar/positional';
import { normalInitializer } from '@ashlar/nn';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { expect, test } from 'vitest';
import { deltaRule, gatedDeltaRule, gatedLinear, mamba2, retention } from './index.js';
import { deltaReference, gatedLinearReference, mamba2Reference, retentionReference } from './test/recurrent-reference.js';

const devices = { reference, wasm: () => wasm({ threads: 1 }) };
const weight = normalInitializer(0.4), turning = rotary().build({ width: 12, maxLength: 70, heads: undefined, causal: true, initializers: { weight, value: weight, residual: weight } });

testAttention('retention, rotated', retention({ heads: 3 }), {
  devices, positional: turning, reference: retentionReference({ heads: 3, headWidth: 4, valueWidth: 8, rotated: true }),
  changed: { heads: retention({ heads: 2 }), headWidth: retention({ heads: 3, headWidth: 6 }), valueWidth: retention({ heads: 3, valueWidth: 4 }), bias: retention({ heads: 3, bias: false }) },
});
testAttention('gated linear attention', gatedLinear({ heads: 2 }), {
  devices, reference: gatedLinearReference({ heads: 2, keyWidth: 3, valueWidth: 6 }),
  changed: {
    heads: gatedLinear({ heads: 3 }), keyWidth: gatedLinear({ heads: 2, keyWidth: 4 }), valueWidth: gatedLinear({ heads: 2, valueWidth: 4 }), gateRank: gatedLinear({ heads: 2, gateRank: 3 }),
    temperature: gatedLinear({ heads: 2, temperature: 4 }), bias: gatedLinear({ heads: 2, bias: false }),
  },
});
testAttention('gated linear attention that forgets fast', gatedLinear({ heads: 1, temperature: 0.2 }), { devices, lengths: [7, 65], reference: gatedLinearReference({ heads: 1, keyWidth: 6, valueWidth: 12, temperature: 0.2 }) });
testAttention('delta rule', deltaRule({ heads: 3 }), {
  devices, reference: deltaReference({ heads: 3, headWidth: 4, valueWidth: 4 }),
  changed: { heads: deltaRule({ heads: 2 }), headWidth: deltaRule({ heads: 3, headWidth: 2 }), valueWidth: deltaRule({ heads: 3, valueWidth: 6 }), convolution: deltaRule({ heads: 3, convolution: 3 }), bias: deltaRule({ heads: 3, bias: false }) },
});
testAttention('delta rule without convolution', deltaRule({ heads: 2, valueWidth: 5, convolution: 1 }), { devices, lengths: [1, 65], reference: deltaReference({ heads: 2, headWidth: 6, valueWidth: 5 }) });
testAttention('gated delta rule', gatedDeltaRule({ heads: 3 }), {
  devices, reference: deltaReference({ heads: 3, headWidth: 4, valueWidth: 8, gated: true }),
  changed: {
    heads: gatedDeltaRule({ heads: 2 }), headWidth: gatedDeltaRule({ heads: 3, headWidth: 2, valueWidth: 8 }), valueWidth: gatedDeltaRule({ heads: 3, valueWidth: 6 }),
    convolution: gatedDeltaRule({ heads: 3, convolution: 1 }), bias: gatedDeltaRule({ heads: 3, bias: false }),
  },
});
testAttention('mamba2', mamba2({ heads: 4, stateWidth: 5, groups: 2 }), {
  devices, reference: mamba2Reference({ heads: 4, inner: 24, stateWidth: 5, groups: 2 }),
  changed: {
    heads: mamba2({ heads: 2, stateWidth: 5, groups: 2 }), expand: mamba2({ heads: 4, stateWidth: 5, groups: 2, expand: 3 }), stateWidth: mamba2({ heads: 4, stateWidth: 7, groups: 2 }),
    groups: mamba2({ heads: 4, stateWidth: 5 }), convolution: mamba2({ heads: 4, stateWidth: 5, groups: 2, convolution: 2 }), bias: mamba2({ heads: 4, stateWidth: 5, groups: 2, bias: false }),
  },
});

test('what cannot be is told', () => {
  expect(() => mamba2({ heads: 4, groups: 3 })).toThrow('mamba2: groups must divide heads (4), got 3');
  expect(() => mamba2({ heads: 4, convolution: 1 })).toThrow('mamba2: convolution must be a whole number from 2, got 1');
  expect(() => gatedLinear({ heads: 4, temperature: 0 })).toThrow('gatedLinear: temperature must be greater than 0, got 0');
  expect(() => deltaRule({ heads: 4, convolution: 0 })).toThrow('deltaRule: convolution must be a whole number from 1, got 0');
  const site = { width: 18, bias: false, dropout: { attention: 0, residual: 0 }, positional: turning, initializers: { weight, value: weight, residual: weight } };
  expect(() => gatedLinear({ heads: 2 }).build(site)).toThrow('gatedLinear: 2 × heads must divide the width (18), got heads 2; or give keyWidth');
  expect(() => mamba2({ heads: 5 }).build(site)).toThrow('mamba2: heads must divide expand × width (2 × 18), got 5');
  expect(() => deltaRule({ heads: 2 }).build({ ...site, dropout: { attention: 0.1, residual: 0 } })).toThrow('deltaRule has no attention weights that could be dropped, got dropout.attention 0.1');
});

import { testAttention } from '@ashlar/conformance';
import { rotary } from '@ashlar/positional';
import { normalInitializer } from '@ashlar/nn';
import type { ScoreMod } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { and, blockLocal, causal, cross, globalTokens, grouped, multiHead, or, slidingWindow, symmetricWindow } from './index.js';
import { softmaxReference } from './test/softmax-reference.js';

const devices = { reference, wasm }, backward = (t: number, s: number): boolean => s <= t;
const weight = normalInitializer(0.4), turning = rotary().build({ width: 12, maxLength: 70, heads: undefined, causal: true, initializers: { weight, value: weight, residual: weight } });

const heads = { heads: 3, kvHeads: 3, headWidth: 4 };
testAttention('multiHead', multiHead({ heads: 3 }), {
  devices, reference: softmaxReference({ ...heads, visible: backward }),
  changed: {
    headWidth: multiHead({ heads: 3, headWidth: 6 }), bias: multiHead({ heads: 3, bias: false }), causal: multiHead({ heads: 3, causal: false }), scale: multiHead({ heads: 3, scale: 2 }), softcap: multiHead({ heads: 3, softcap: 0.5 }),
    sinks: multiHead({ heads: 3, sinks: true }), queryKeyNorm: multiHead({ heads: 3, queryKeyNorm: 'perHead' }), gate: multiHead({ heads: 3, gate: 'perHead' }), mask: multiHead({ heads: 3, mask: slidingWindow(2) }), score: multiHead({ heads: 3, score: ({ score, q }) => score.mul(q.cast('f32')) }), heads: multiHead({ heads: 2 }),
  },
});
testAttention('multiHead both ways, with an inner window', multiHead({ heads: 3, causal: false, mask: symmetricWindow(5) }), {
  devices, lengths: [1, 7, 65], reference: softmaxReference({ ...heads, visible: (t, s) => Math.abs(t - s) <= 2 }),
});
const fading: ScoreMod = ({ score, h, q, k }) => score.sub(h.add(1).mul(q.sub(k)).cast('f32').mul(0.1));
testAttention('grouped in a window, rotated, with a soft cap and a score of its own', grouped({ heads: 6, kvHeads: 2, mask: and(causal, slidingWindow(4)), softcap: 2, score: fading }), {
  devices, positional: turning, reference: softmaxReference({ heads: 6, kvHeads: 2, headWidth: 2, rotated: true, softcap: 2, score: (score, h, t, s) => score - 0.1 * (h + 1) * (t - s), visible: (t, s) => s <= t && t - s < 4 }),
  changed: {
    score: grouped({ heads: 6, kvHeads: 2, mask: slidingWindow(4), softcap: 2 }),
    windowKeys: grouped({ heads: 6, kvHeads: 2, mask: slidingWindow(3), softcap: 2, score: fading }), kvHeads: grouped({ heads: 6, kvHeads: 3, mask: slidingWindow(4), softcap: 2, score: fading }),
  },
});
testAttention('multi-query with sinks, soft cap, norms a head and a gate a head', grouped({ heads: 3, kvHeads: 1, sinks: true, softcap: 1.5, queryKeyNorm: 'perHead', normEpsilon: 0.01, gate: 'perHead' }), {
  devices, lengths: [1, 7, 65], reference: softmaxReference({ heads: 3, kvHeads: 1, headWidth: 4, softcap: 1.5, norm: 'perHead', epsilon: 0.01, gate: 'perHead', visible: backward }),
  changed: { normEpsilon: grouped({ heads: 3, kvHeads: 1, sinks: true, softcap: 1.5, queryKeyNorm: 'perHead', gate: 'perHead' }), queryKeyNorm: grouped({ heads: 3, kvHeads: 1, sinks: true, softcap: 1.5, gate: 'perHead' }) },
});
testAttention('grouped with norms over the full width and a gate an element, in chunks', grouped({ heads: 4, kvHeads: 2, headWidth: 4, bias: false, queryKeyNorm: 'fullWidth', gate: 'perElement', scale: 0.7, mask: or(blockLocal(4), globalTokens(1)) }), {
  devices, lengths: [1, 7, 63], positional: turning,
  reference: softmaxReference({ heads: 4, kvHeads: 2, headWidth: 4, norm: 'fullWidth', gate: 'perElement', scale: 0.7, rotated: true, visible: (t, s) => s <= t && (Math.floor(t / 4) === Math.floor(s / 4) || s < 1 || t < 1) }),
  changed: { gate: grouped({ heads: 4, kvHeads: 2, headWidth: 4, bias: false, queryKeyNorm: 'fullWidth', scale: 0.7, mask: or(blockLocal(4), globalTokens(1)) }) },
});
testAttention('cross', cross({ heads: 3 }), {
  devices, lengths: [1, 7, 65], reference: softmaxReference({ ...heads, cross: true, visible: () => true }),
  changed: { kvHeads: cross({ heads: 3, kvHeads: 1 }), headWidth: cross({ heads: 3, headWidth: 6 }), scale: cross({ heads: 3, scale: 2 }), score: cross({ heads: 3, score: ({ score, k }) => score.mul(k.cast('f32')) }), mask: cross({ heads: 3, mask: ({ k }) => k.ne(2) }) },
});

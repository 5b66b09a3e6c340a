import { testAttention } from '@ashlar/conformance';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { expect, test } from 'vitest';
import { myAttention } from './my-attention.js';
import { myAttentionReference } from './test/my-attention-reference.js';

const options = { heads: 3, windowKeys: 4, fade: 0.5 };
testAttention('myAttention', myAttention(options), {
  devices: { reference, wasm },
  reference: myAttentionReference(options),
  changed: { heads: myAttention({ ...options, heads: 2 }), windowKeys: myAttention({ ...options, windowKeys: 5 }), fade: myAttention({ ...options, fade: 0.6 }) },
});

test('what cannot be is refused', () => {
  expect(() => myAttention({ ...options, windowKeys: 0 })).toThrow('myAttention: windowKeys must be a whole number from 1, got 0');
  expect(() => myAttention({ ...options, fade: Number.NaN })).toThrow('myAttention: fade must be a number, got NaN');
  expect(() => myAttention({ ...options, heads: 0 })).toThrow('myAttention: heads must be a whole number from 1, got 0');
});

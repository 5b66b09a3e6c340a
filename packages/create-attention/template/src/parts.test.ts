import { build } from '@ashlar/models';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { expect, test } from 'vitest';
import { parts } from './index.js';

test('a config that names it builds a model', async () => {
  const config = { modelType: 'decoder', vocabulary: 8, width: 12, depth: 2, positional: 'none', norm: 'rmsNorm', feedForward: 'swiglu' } as const;
  const model = build({ ...config, attention: { type: 'myAttention', heads: 3, windowKeys: 4, fade: 0.5 } }, { parts });
  const tokens = tensor(Int32Array.of(1, 2, 3, 4, 5), { shape: [1, 5] }), loss = await model.loss(tokens, tokens).item(reference());
  expect(loss).toBeGreaterThan(1);
  expect(loss).toBeLessThan(3);
});

import { test } from 'vitest';
import { wasm } from '@ashlar/wasm';
import { build } from '@ashlar/models';
import { adamW } from '@ashlar/optim';
import { trainStep } from './train-step.js';
import { writeFileSync } from 'node:fs';
test('probe', async () => {
  const device = await wasm();
  const model = build({ modelType: 'decoder', vocabulary: 65, width: 128, depth: 4, maxLength: 64, attention: { type: 'multiHead', heads: 4 }, positional: 'learned', norm: 'layerNorm', feedForward: { type: 'mlp' } });
  const step = trainStep({ model, device, optimizer: adamW({ learningRate: 1e-3, betas: [0.9, 0.99], weightDecay: 0.1 }), clip: 1 });
  const tokens = Int32Array.from({ length: 768 }, (_, i) => (i * 7) % 65), targets = tokens.map((t) => (t + 7) % 65);
  let t = performance.now();
  step({ tokens, targets, shape: [12, 64] });
  await step.ready();
  console.log('first', performance.now() - t, device.description);
  writeFileSync('/tmp/probe/plan.txt', step.plan!.explain());
  for (let k = 0; k < 4; k++) {
    t = performance.now();
    let last;
    for (let i = 0; i < 10; i++) { last = step({ tokens, targets, shape: [12, 64] }); await step.ready(); }
    const loss = await last!.loss.item();
    console.log('ms/step', (performance.now() - t) / 10, 'loss', loss);
  }
  await device.close();
}, 200_000);

import { testAttention } from '@ashlar/conformance';
import { webgpu } from '@ashlar/webgpu-node';
import { gatedDeltaRule, grouped, slidingWindow } from './index.js';
import { deltaReference } from './test/recurrent-reference.js';
import { softmaxReference } from './test/softmax-reference.js';

testAttention('grouped in a window, with sinks, on WebGPU', grouped({ heads: 6, kvHeads: 2, sinks: true, mask: slidingWindow(3) }), {
  devices: { swiftshader: () => webgpu({ adapter: 'swiftshader' }) }, lengths: [7],
  reference: softmaxReference({ heads: 6, kvHeads: 2, headWidth: 2, visible: (t, s) => s <= t && t - s < 3 }),
});
testAttention('gated delta rule on WebGPU', gatedDeltaRule({ heads: 3 }), {
  devices: { swiftshader: () => webgpu({ adapter: 'swiftshader' }) }, lengths: [65], reference: deltaReference({ heads: 3, headWidth: 4, valueWidth: 8, gated: true }),
});

import { testPositional, type ScorePoint } from '@ashlar/conformance';
import { webgpu } from '@ashlar/webgpu-node';
import { rotary, t5Bias } from './index.js';

const devices = { swiftshader: () => webgpu({ adapter: 'swiftshader' }) };

testPositional('rotary', rotary(), {
  devices, lengths: [7],
  reference: { rotate: (row, position) => row.map((value, i) => {
    const half = row.length / 2, angle = position * 10000 ** (-(i % half) / half);
    return value * Math.cos(angle) + (i < half ? -row[i + half]! : row[i - half]!) * Math.sin(angle);
  }) },
});
// Distances below 16 have a bucket each.
testPositional('t5Bias', t5Bias(), {
  devices, lengths: [7],
  reference: { score: ({ score, head, heads, q, k, causal, weights }: ScorePoint) => score + weights.get('weight')![(causal ? Math.max(q - k, 0) : Math.abs(k - q) + (k > q ? 16 : 0)) * heads + head]! },
});

import { testPositional, type ScorePoint } from '@ashlar/conformance';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { alibi, learned, noPositions, rotary, shaw, sinusoidal, t5Bias, xPos } from './index.js';

const devices = { reference, wasm };

testPositional('none', noPositions(), { devices, lengths: [7], reference: {} });

testPositional('learned', learned(), {
  devices, reference: { embed: (row, position, weights) => row.map((value, c) => value + weights.get('weight')![position * row.length + c]!) },
});

const sineLoops = (base: number, halves: boolean) => (row: readonly number[], position: number): number[] => {
  const out = [...row];
  for (let i = 0; i < row.length / 2; i++) {
    const angle = position / base ** ((2 * i) / row.length);
    out[halves ? i : 2 * i]! += Math.sin(angle);
    out[halves ? row.length / 2 + i : 2 * i + 1]! += Math.cos(angle);
  }
  return out;
};
testPositional('sinusoidal', sinusoidal(), { devices, reference: { embed: sineLoops(10000, false) }, changed: { base: sinusoidal({ base: 10 }), layout: sinusoidal({ layout: 'halves' }) } });
testPositional('sinusoidal in halves', sinusoidal({ layout: 'halves', base: 50 }), { devices, lengths: [7], reference: { embed: sineLoops(50, true) } });

/** A pair (a, b) turned by an angle and multiplied. */
function turned(row: readonly number[], interleaved: boolean, d: number, angleOf: (pair: number) => number, factorOf: (pair: number) => number = () => 1): number[] {
  const out = [...row];
  for (let pair = 0; pair < d / 2; pair++) {
    const [a, b] = interleaved ? [2 * pair, 2 * pair + 1] : [pair, pair + d / 2], angle = angleOf(pair), factor = factorOf(pair);
    out[a] = factor * (row[a]! * Math.cos(angle) - row[b]! * Math.sin(angle));
    out[b] = factor * (row[a]! * Math.sin(angle) + row[b]! * Math.cos(angle));
  }
  return out;
}
testPositional('rotary', rotary(), {
  devices, lengths: [7, 65], reference: { rotate: (row, position) => turned(row, false, row.length, (pair) => position / 10000 ** ((2 * pair) / row.length)) },
  changed: { base: rotary({ base: 10 }), layout: rotary({ layout: 'interleaved' }), dimensions: rotary({ dimensions: 4 }), scaling: rotary({ scaling: { type: 'linear', factor: 2 } }) },
});
testPositional('rotary, interleaved and partial', rotary({ layout: 'interleaved', dimensions: 6, base: 300 }), { devices, lengths: [7], reference: { rotate: (row, position) => turned(row, true, 6, (pair) => position / 300 ** (pair / 3)) } });
testPositional('xPos', xPos(), {
  devices, lengths: [7, 65],
  reference: {
    rotate: (row, position, of) => turned(row, true, row.length, (pair) => position / 10000 ** ((2 * pair) / row.length), (pair) => ((2 * pair) / row.length / 1.4 + 0.4 / 1.4) ** ((of === 'query' ? position : -position) / 512)),
  },
  changed: { base: xPos({ base: 10 }), layout: xPos({ layout: 'halfSplit' }), scaleBase: xPos({ scaleBase: 8 }) },
});

/** Slopes by the paper's own recursion. */
function slopeLoops(heads: number): number[] {
  if (Number.isInteger(Math.log2(heads))) return Array.from({ length: heads }, (_, i) => (2 ** -(2 ** -(Math.log2(heads) - 3))) ** (i + 1));
  let power = 1;
  while (2 * power <= heads) power *= 2;
  return [...slopeLoops(power), ...slopeLoops(2 * power).filter((_, i) => i % 2 === 0).slice(0, heads - power)];
}
const alibiLoops = ({ score, head, heads, q, k }: ScorePoint): number => score - slopeLoops(heads)[head]! * Math.abs(q - k);
testPositional('alibi', alibi(), { devices, reference: { score: alibiLoops } });
testPositional('alibi with four heads', alibi(), { devices, heads: 4, lengths: [7], reference: { score: alibiLoops } });

/** The bucket by whole numbers: the greatest j with exact · (maxDistance / exact)^(j / left) ≤ distance. */
function bucketLoops(relative: number, buckets: number, maxDistance: number, causal: boolean): number {
  const count = causal ? buckets : buckets / 2, exact = count / 2, distance = causal ? Math.max(0, -relative) : Math.abs(relative), first = !causal && relative > 0 ? count : 0;
  if (distance < exact) return first + distance;
  let j = 0;
  while (j + 1 < count - exact && exact * (maxDistance / exact) ** ((j + 1) / (count - exact)) <= distance * (1 + 1e-12)) j++;
  return first + exact + j;
}
const t5Loops = (buckets: number, maxDistance: number) => ({ score, head, heads, q, k, causal, weights }: ScorePoint): number => score + weights.get('weight')![bucketLoops(k - q, buckets, maxDistance, causal) * heads + head]!;
testPositional('t5Bias', t5Bias(), { devices, reference: { score: t5Loops(32, 128) }, changed: { buckets: t5Bias({ buckets: 8 }), maxDistance: t5Bias({ maxDistance: 20 }) } });
testPositional('t5Bias with eight buckets', t5Bias({ buckets: 8, maxDistance: 20 }), { devices, lengths: [7, 63], reference: { score: t5Loops(8, 20) } });

const shawLoops = (most: number) => ({ score, q, k, query, scale, causal, weights }: ScorePoint): number => {
  const row = causal ? Math.min(q - k, most) : Math.min(Math.max(k - q, -most), most) + most;
  return score + scale * query.reduce((sum, value, d) => sum + value * weights.get('weight')![row * query.length + d]!, 0);
};
testPositional('shaw', shaw(), { devices, reference: { score: shawLoops(16) }, changed: { maxDistance: shaw({ maxDistance: 2 }) } });
testPositional('shaw with a near end', shaw({ maxDistance: 3 }), { devices, lengths: [7], reference: { score: shawLoops(3) } });

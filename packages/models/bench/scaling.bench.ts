import { defineBenchmark, type Judgement, type TimedCase } from '@ashlar/conformance/benchmark';
import { build } from '@ashlar/models';
import { trainingCase, vocabulary } from './training-case.js';

/** The sizes at factor 1, and what grows. */
const axes = {
  layers: { depth: 2, width: 128, batch: 8, context: 64 },
  batch: { depth: 2, width: 128, batch: 16, context: 64 },
  context: { depth: 2, width: 128, batch: 1, context: 256 },
  windowed: { depth: 2, width: 128, batch: 1, context: 1024 },
  width: { depth: 2, width: 64, batch: 4, context: 64 },
} as const;
type Axis = keyof typeof axes;
const grown: Readonly<Record<Axis, 'depth' | 'batch' | 'context' | 'width'>> = { layers: 'depth', batch: 'batch', context: 'context', windowed: 'context', width: 'width' };

/** The exponents that have a bar: 1 within `allowed`. Of time in context there is none: attention is quadratic. */
const bars: readonly { readonly axis: Axis; readonly of: 'time' | 'working memory' }[] = [
  { axis: 'layers', of: 'time' }, { axis: 'batch', of: 'time' }, { axis: 'windowed', of: 'time' }, { axis: 'context', of: 'working memory' },
];
const allowed = 0.05;

/** The slope of log y over log x, by least squares. */
function exponent(points: readonly (readonly [x: number, y: number])[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const), mean = (of: readonly number[]): number => of.reduce((a, b) => a + b) / of.length;
  const x = mean(logs.map(([one]) => one)), y = mean(logs.map(([, one]) => one));
  return logs.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / logs.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
}

interface Parameters { readonly axis: string; readonly factor: number; readonly [key: string]: string | number }

function judge(results: readonly TimedCase<Parameters>[]): Judgement[] {
  return (Object.keys(axes) as Axis[]).flatMap((axis) => {
    const own = results.filter(({ parameters }) => parameters.axis === axis);
    if (new Set(own.map(({ parameters }) => parameters.factor)).size < 2) return [];
    return (['time', 'working memory'] as const).map((of) => {
      const found = exponent(own.map(({ parameters, ms, figures }) => [parameters.factor, of === 'time' ? ms : figures['workBytes']!]));
      const barred = bars.some((bar) => bar.axis === axis && bar.of === of);
      return { what: `exponent of ${of} in ${axis}: ${found.toFixed(3)}${barred ? ` (1 ± ${allowed})` : ''}`, holds: !barred || Math.abs(found - 1) <= allowed };
    });
  });
}

export const benchmarks = [defineBenchmark<Parameters>({
  suite: 'scaling', name: 'scaling', description: 'Forward and backward of a GPT as one of its sizes grows; windowed: its context, where each token sees 64 keys.',
  parameters: { axis: Object.keys(axes), factor: [1, 2, 4, 8] },
  async prepare({ axis, factor }, place) {
    const size: Record<string, number> = { ...axes[axis as Axis] }, key = grown[axis as Axis];
    size[key] = size[key]! * factor;
    const { depth, width, batch, context } = size as { depth: number; width: number; batch: number; context: number };
    const model = build({
      modelType: 'decoder', vocabulary, width, depth, maxLength: context, positional: 'rotary', norm: 'rmsNorm', feedForward: 'mlp',
      attention: { type: 'multiHead', heads: width / 32, ...(axis === 'windowed' ? { mask: { type: 'slidingWindow', windowKeys: 64 } } : {}) },
    });
    return trainingCase(model, await place.device(), batch, context);
  },
  judge,
})];

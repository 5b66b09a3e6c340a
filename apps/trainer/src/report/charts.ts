import type { MetricsRow } from '@ashlar/train';
import { formatCount } from '../progress/format.js';
import { figure, Plot } from '@ashlar/page';

/** A loss that some simple way of guessing reaches, drawn as a line across. */
export interface Baseline {
  readonly label: string;
  /** Nats a token. */
  readonly loss: number;
}

const tick = (value: number): string => (value >= 10_000 ? `${value / 1000}k` : formatCount(value));
const stepAxis = { label: 'step', tickFormat: tick, labelArrow: 'none' } as const;

/** Training and validation loss over the steps, in nats a token. */
export function lossChart(rows: readonly MetricsRow[], baselines: readonly Baseline[], scale: 'linear' | 'log'): string {
  const evaluated = rows.filter((row) => row.valLoss !== undefined);
  const smooth = smoothed(rows);
  const losses = rows.flatMap((row) => [row.loss, row.valLoss ?? row.loss]);
  const shown = baselines.filter(({ loss }) => loss < Math.max(...losses) * 1.05);
  const low = Math.min(...losses, ...shown.map(({ loss }) => loss)), high = Math.max(...losses);
  const room = (high - low) * 0.06 || 0.1;
  return figure({
    label: `Loss over the steps, ${scale} scale`, width: 864, height: 360, marginRight: 104,
    x: { ...stepAxis, domain: [0, rows.at(-1)?.step ?? 1] },
    y: { label: 'loss, nats a token', grid: true, labelArrow: 'none', type: scale, domain: [scale === 'log' ? low / 1.04 : Math.max(0, low - room), high + room], ticks: 6, tickFormat: (value: number) => String(Number(value.toPrecision(3))) },
    marks: [
      Plot.ruleY(shown, { y: 'loss', stroke: 'var(--muted)', strokeDasharray: '2 4' }),
      Plot.text(shown, { y: 'loss', text: 'label', frameAnchor: 'right', textAnchor: 'start', dx: 6, fill: 'var(--muted)', fontSize: 11 }),
      Plot.line(rows, { x: 'step', y: 'loss', stroke: 'var(--series-1)', strokeWidth: 1, strokeOpacity: 0.3 }),
      Plot.line(smooth, { x: 'step', y: 'loss', stroke: 'var(--series-1)', strokeWidth: 2 }),
      Plot.line(evaluated, { x: 'step', y: 'valLoss', stroke: 'var(--series-2)', strokeWidth: 2 }),
      Plot.dot(evaluated, { x: 'step', y: 'valLoss', fill: 'var(--series-2)', stroke: 'var(--surface)', strokeWidth: 1.5, r: 4, title: (row: MetricsRow) => `step ${formatCount(row.step)}\nvalidation loss ${row.valLoss!.toFixed(4)}\ntraining loss ${row.loss.toFixed(4)}` }),
    ],
  });
}

export const learningRateChart = (rows: readonly MetricsRow[]): string => lineChart(rows, 'learningRate', 'Learning rate', 'var(--series-3)');
export const gradNormChart = (rows: readonly MetricsRow[]): string => lineChart(rows, 'gradNorm', 'Gradient norm before clipping', 'var(--series-4)');
export const speedChart = (rows: readonly MetricsRow[]): string => lineChart(rows, 'tokensPerSecond', 'Tokens a second', 'var(--series-1)');

function lineChart(rows: readonly MetricsRow[], key: 'learningRate' | 'gradNorm' | 'tokensPerSecond', label: string, stroke: string): string {
  const format = key === 'learningRate' ? (value: number) => (value === 0 ? '0' : value.toExponential(1).replace('.0e', 'e').replace('e-', 'e−')) : tick;
  return figure({
    label: `${label} over the steps`, width: 290, height: 180, marginLeft: 44,
    x: { ...stepAxis, domain: [0, rows.at(-1)?.step ?? 1], ticks: 4 },
    y: { label: null, grid: true, zero: true, ticks: 4, tickFormat: key === 'gradNorm' ? (value: number) => String(value) : format },
    marks: [Plot.line(rows, { x: 'step', y: key, stroke, strokeWidth: 1.75, strokeLinejoin: 'round' })],
  });
}

/** The mean of each row with its neighbours, about a thirtieth of all rows; fewer at the beginning, where the loss falls fast. */
function smoothed(rows: readonly MetricsRow[]): { step: number; loss: number }[] {
  const reach = Math.floor(rows.length / 60);
  return rows.map(({ step }, i) => {
    const side = Math.min(reach, i);
    return { step, loss: meanLoss(rows.slice(i - side, i + side + 1)) };
  });
}

/** The mean of the training losses of some rows. */
export const meanLoss = (rows: readonly MetricsRow[]): number => rows.reduce((sum, { loss }) => sum + loss, 0) / rows.length;

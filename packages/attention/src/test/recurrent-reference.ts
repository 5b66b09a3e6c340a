/** Mixers that keep a state, as recurrences in plain loops, token by token, in f64. */
import { linear, rms, turn } from './softmax-reference.js';

type Row = readonly number[];
type Rows = readonly Row[];
type Weights = ReadonlyMap<string, ArrayLike<number>>;
interface Given { readonly x: Rows; readonly weights: Weights }

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const silu = (x: number): number => x * sigmoid(x);
const softplus = (x: number): number => Math.log(1 + Math.exp(x));
const head = (row: Row, h: number, width: number): number[] => row.slice(h * width, (h + 1) * width);
const dot = (x: Row, y: Row): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
const unit = (x: Row): number[] => x.map((value) => value / Math.sqrt(dot(x, x) + 1e-6));
const ones = (count: number): number[] => Array<number>(count).fill(1);
const of = (weights: Weights, name: string): ArrayLike<number> => weights.get(name)!;

/** silu of the depthwise convolution, looking back. */
function convolved(rows: Rows, weights: Weights, name: string): number[][] {
  const weight = of(weights, `${name}.weight`), channels = rows[0]!.length, width = weight.length / channels;
  return rows.map((_, t) => Array.from({ length: channels }, (__, c) => {
    let sum = weights.get(`${name}.bias`)?.[c] ?? 0;
    for (let w = 0; w < width; w++) sum += weight[c * width + w]! * (rows[t - width + 1 + w]?.[c] ?? 0);
    return silu(sum);
  }));
}

interface Step { readonly q: Row; readonly k: Row; readonly v: Row; readonly decay?: Row | undefined; readonly rate?: number | undefined }

/** S ← diag(decay) S, then + k vᵀ, or + β k (v − Sᵀ k)ᵀ where a rate is given; o = Sᵀ q. */
function recurrence(steps: readonly Step[]): number[][] {
  const state = steps[0]!.k.map(() => steps[0]!.v.map(() => 0));
  return steps.map(({ q, k, v, decay, rate }) => {
    for (const [d, row] of state.entries()) for (const e of row.keys()) row[e]! *= decay?.[d] ?? 1;
    const known = v.map((_, e) => k.reduce((sum, value, d) => sum + value * state[d]![e]!, 0));
    for (const [d, row] of state.entries()) for (const e of row.keys()) row[e]! += rate === undefined ? k[d]! * v[e]! : rate * k[d]! * (v[e]! - known[e]!);
    return v.map((_, e) => q.reduce((sum, value, d) => sum + value * state[d]![e]!, 0));
  });
}

/** Runs each head over its steps and joins what the heads give, token by token. */
const heads = (count: number, tokens: number, steps: (h: number) => readonly Step[], after: (o: Row, t: number, h: number) => Row = (o) => o): number[][] => {
  const outputs = Array.from({ length: count }, (_, h) => recurrence(steps(h)));
  return Array.from({ length: tokens }, (_, t) => outputs.flatMap((rows, h) => after(rows[t]!, t, h)));
};

const softmax = (x: Row): number[] => {
  const most = Math.max(...x), raised = x.map((value) => Math.exp(value - most)), total = raised.reduce((sum, value) => sum + value, 0);
  return raised.map((value) => value / total);
};

function feature(map: string, x: Row, weight: ArrayLike<number> | undefined, h: number): number[] {
  const D = x.length;
  if (map === 'eluPlusOne') return x.map((value) => (value > 0 ? value + 1 : Math.exp(value)));
  if (map === 'reluSquared') return x.map((value) => Math.max(value, 0) ** 2);
  if (map === 'focused') {
    const y = x.map((value) => Math.max(value, 0) + 1e-6), cubes = y.map((value) => value ** 3), factor = Math.sqrt(dot(y, y) / dot(cubes, cubes));
    return cubes.map((value) => value * factor);
  }
  const turned = x.map((_, i) => x.reduce((sum, value, j) => sum + value * weight![(h * D + i) * D + j]!, 0));
  return [...softmax(turned), ...softmax(turned.map((value) => -value))];
}

export interface LinearReference { readonly heads: number; readonly headWidth: number; readonly featureMap?: string; readonly normalizer?: 'sum' | 'headNorm' | 'none'; readonly causal?: boolean }

export const linearReference = ({ heads: H, headWidth: D, featureMap = 'eluPlusOne', normalizer = 'sum', causal = true }: LinearReference) => ({ x, weights }: Given): number[][] => {
  const mapped = (name: string): number[][][] => x.map((row) => Array.from({ length: H }, (_, h) => feature(featureMap, head(linear(row, weights, name), h, D), weights.get(`${name}Map.weight`), h)));
  const q = mapped('query'), k = mapped('key'), v = x.map((row) => linear(row, weights, 'value'));
  return x.map((_, t) => {
    const mixed = Array.from({ length: H }, (__, h) => {
      const seen = x.map((___, s) => s).filter((s) => !causal || s <= t), factor = normalizer === 'sum' ? 1 : 1 / Math.sqrt(q[t]![h]!.length);
      const scores = seen.map((s) => dot(q[t]![h]!, k[s]![h]!) * factor), total = scores.reduce((sum, score) => sum + score, 0);
      const sum = Array.from({ length: D }, (___, d) => seen.reduce((so, s, i) => so + scores[i]! * v[s]![h * D + d]!, 0));
      if (normalizer === 'headNorm') return rms(sum, of(weights, 'headGain'));
      return normalizer === 'sum' ? sum.map((value) => value / (total + 1e-6)) : sum;
    }).flat();
    return linear(mixed, weights, 'output');
  });
};

export const retentionReference = ({ heads: H, headWidth: D, valueWidth: E, rotated = false }: { readonly heads: number; readonly headWidth: number; readonly valueWidth: number; readonly rotated?: boolean }) => ({ x, weights }: Given): number[][] => {
  const turned = (name: string): number[][] => x.map((row, t) => (rotated ? turn(linear(row, weights, name), t, D) : linear(row, weights, name)));
  const q = turned('query'), k = turned('key'), v = x.map((row) => linear(row, weights, 'value'));
  const mixed = heads(H, x.length, (h) => x.map((_, t) => ({ q: head(q[t]!, h, D), k: head(k[t]!, h, D).map((value) => value / Math.sqrt(D)), v: head(v[t]!, h, E), decay: Array<number>(D).fill(1 - 2 ** (-5 - h)) })), (o) => rms(o, ones(E)));
  return x.map((row, t) => linear(linear(row, weights, 'gate').map((value, i) => silu(value) * mixed[t]![i]!), weights, 'output'));
};

export const gatedLinearReference = ({ heads: H, keyWidth: D, valueWidth: E, temperature = 16 }: { readonly heads: number; readonly keyWidth: number; readonly valueWidth: number; readonly temperature?: number }) => ({ x, weights }: Given): number[][] => {
  const rows = (name: string): number[][] => x.map((row) => linear(row, weights, name)), q = rows('query'), k = rows('key'), v = rows('value'), gate = rows('gate');
  const decay = x.map((row) => linear(linear(row, weights, 'decayDown'), weights, 'decayUp').map((logit) => Math.max(sigmoid(logit) ** (1 / temperature), Math.exp(-4))));
  const mixed = heads(H, x.length, (h) => x.map((_, t) => ({ q: head(q[t]!, h, D).map((value) => value / Math.sqrt(D)), k: head(k[t]!, h, D), v: head(v[t]!, h, E), decay: head(decay[t]!, h, D) })), (o) => rms(o, of(weights, 'headGain')));
  return x.map((_, t) => linear(gate[t]!.map((value, i) => silu(value) * mixed[t]![i]!), weights, 'output'));
};

export interface DeltaReference { readonly heads: number; readonly headWidth: number; readonly valueWidth: number; readonly gated?: boolean }

export const deltaReference = ({ heads: H, headWidth: D, valueWidth: E, gated = false }: DeltaReference) => ({ x, weights }: Given): number[][] => {
  const rows = (name: string): number[][] => {
    const projected = x.map((row) => linear(row, weights, name));
    return weights.has(`${name}.convolution.weight`) ? convolved(projected, weights, `${name}.convolution`) : projected.map((row) => row.map(silu));
  };
  const q = rows('query'), k = rows('key'), v = rows('value'), rate = x.map((row) => linear(row, weights, 'rate').map(sigmoid));
  const decay = (t: number, h: number): number => Math.exp(-Math.exp(of(weights, 'fading.logRate')[h]!) * softplus(linear(x[t]!, weights, 'decay')[h]! + of(weights, 'fading.offset')[h]!));
  const mixed = heads(H, x.length, (h) => x.map((_, t) => ({
    q: unit(head(q[t]!, h, D)), k: unit(head(k[t]!, h, D)), v: head(v[t]!, h, E), rate: rate[t]![h]!, decay: gated ? Array<number>(D).fill(decay(t, h)) : undefined,
  })), (o) => rms(o, of(weights, 'headGain')));
  return x.map((row, t) => linear(gated ? linear(row, weights, 'gate').map((value, i) => silu(value) * mixed[t]![i]!) : mixed[t]!, weights, 'output'));
};

export const mamba2Reference = ({ heads: H, inner, stateWidth: D, groups: G }: { readonly heads: number; readonly inner: number; readonly stateWidth: number; readonly groups: number }) => ({ x, weights }: Given): number[][] => {
  const all = x.map((row) => linear(row, weights, 'input')), E = inner / H, mixedIn = convolved(all.map((row) => row.slice(inner, 2 * inner + 2 * G * D)), weights, 'convolution');
  const distance = (t: number, h: number): number => softplus(all[t]![2 * inner + 2 * G * D + h]! + of(weights, 'fading.offset')[h]!);
  const mixed = heads(H, x.length, (h) => x.map((_, t) => {
    const g = Math.floor(h * G / H), shared = mixedIn[t]!.slice(inner);
    return {
      q: head(shared, G + g, D), k: head(shared, g, D), v: head(mixedIn[t]!, h, E).map((value) => value * distance(t, h)),
      decay: Array<number>(D).fill(Math.exp(-Math.exp(of(weights, 'fading.logRate')[h]!) * distance(t, h))),
    };
  }), (o, t, h) => o.map((value, e) => value + of(weights, 'skip')[h]! * mixedIn[t]![h * E + e]!));
  return x.map((_, t) => linear(rms(mixed[t]!.map((value, i) => value * silu(all[t]![i]!)), of(weights, 'innerGain')), weights, 'output'));
};

/** Softmax attention of one sequence in plain loops, row by row, in f64. */
export interface SoftmaxReference {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headWidth: number;
  /** Whether query t sees key s. */
  readonly visible: (t: number, s: number) => boolean;
  readonly scale?: number;
  readonly softcap?: number;
  /** What a score becomes, after the soft cap. */
  readonly score?: (score: number, head: number, t: number, s: number) => number;
  readonly norm?: 'perHead' | 'fullWidth';
  readonly epsilon?: number;
  readonly gate?: 'perHead' | 'perElement';
  /** Turned pairs (i, i + D/2) by base 10000. */
  readonly rotated?: boolean;
  /** Keys and values come from the context. */
  readonly cross?: boolean;
}
type Rows = readonly (readonly number[])[];
interface Given { readonly x: Rows; readonly context: Rows; readonly weights: ReadonlyMap<string, ArrayLike<number>> }

export const linear = (row: readonly number[], weights: Given['weights'], name: string, from = 0, count = weights.get(`${name}.weight`)!.length / row.length): number[] =>
  Array.from({ length: count }, (_, o) => row.reduce((sum, value, i) => sum + value * weights.get(`${name}.weight`)![(from + o) * row.length + i]!, weights.get(`${name}.bias`)?.[from + o] ?? 0));

export const rms = (row: readonly number[], gain: ArrayLike<number>, epsilon = 1e-6): number[] => {
  const inverse = 1 / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / row.length + epsilon);
  return row.map((value, i) => value * inverse * gain[i]!);
};

export const turn = (row: readonly number[], position: number, D: number): number[] => row.map((value, i) => {
  const inHead = i % D, half = D / 2, angle = position * 10000 ** (-2 * (inHead % half) / D);
  return value * Math.cos(angle) + (inHead < half ? -row[i + half]! : row[i - half]!) * Math.sin(angle);
});

/** Σ weights · value rows, with weights exp(score) / (Σ exp(score) + exp(sink)). */
export function mix(scores: readonly number[], values: Rows, sink = -Infinity): number[] {
  const most = Math.max(...scores, sink), raised = scores.map((score) => Math.exp(score - most));
  const total = raised.reduce((sum, value) => sum + value, Number.isFinite(sink) ? Math.exp(sink - most) : 0);
  return (values[0] ?? []).map((_, d) => raised.reduce((sum, value, s) => sum + value / total * values[s]![d]!, 0));
}

export const softmaxReference = (options: SoftmaxReference) => ({ x, context, weights }: Given): number[][] => {
  const { heads: H, kvHeads: G, headWidth: D, norm, epsilon } = options, source = options.cross ? context : x, packed = weights.has('qkv.weight');
  const normed = (row: number[], gain: string): number[] => {
    const values = weights.get(gain);
    if (!norm) return row;
    if (norm === 'fullWidth') return rms(row, values!, epsilon);
    return Array.from({ length: row.length / D }, (_, h) => rms(row.slice(h * D, (h + 1) * D), values!, epsilon)).flat();
  };
  const turned = (row: number[], position: number): number[] => (options.rotated ? turn(row, position, D) : row);
  const q = x.map((row, t) => turned(normed(packed ? linear(row, weights, 'qkv', 0, H * D) : linear(row, weights, 'query'), 'queryGain'), t));
  const k = source.map((row, t) => turned(normed(packed ? linear(row, weights, 'qkv', H * D, H * D) : linear(row, weights, 'key'), 'keyGain'), t));
  const v = source.map((row) => (packed ? linear(row, weights, 'qkv', 2 * H * D, H * D) : linear(row, weights, 'value')));
  return x.map((row, t) => {
    const gate = options.gate && linear(row, weights, 'gate').map((value) => 1 / (1 + Math.exp(-value)));
    const mixed = Array.from({ length: H }, (_, h) => {
      const g = Math.floor(h * G / H), seen = source.map((__, s) => s).filter((s) => options.visible(t, s));
      const scores = seen.map((s) => {
        let product = 0;
        for (let d = 0; d < D; d++) product += q[t]![h * D + d]! * k[s]![g * D + d]!;
        const scaled = product * (options.scale ?? 1 / Math.sqrt(D));
        const capped = options.softcap === undefined ? scaled : options.softcap * Math.tanh(scaled / options.softcap);
        return options.score?.(capped, h, t, s) ?? capped;
      });
      const head = seen.length === 0 ? Array<number>(D).fill(0) : mix(scores, seen.map((s) => v[s]!.slice(g * D, (g + 1) * D)), weights.get('sinks')?.[h]);
      return head.map((value, d) => value * (options.gate === 'perHead' ? gate![h]! : options.gate === 'perElement' ? gate![h * D + d]! : 1));
    }).flat();
    return linear(mixed, weights, 'output');
  });
};

type Rows = readonly (readonly number[])[];
interface Given { readonly x: Rows; readonly weights: ReadonlyMap<string, ArrayLike<number>> }

/** myAttention of one sequence in plain f64 loops. It imports nothing: what it judges must not have a part in it. */
export const myAttentionReference = ({ heads, windowKeys, fade }: { readonly heads: number; readonly windowKeys: number; readonly fade: number }) => ({ x, weights }: Given): number[][] => {
  const linear = (row: readonly number[], name: string): number[] => {
    const weight = weights.get(`${name}.weight`)!, bias = weights.get(`${name}.bias`), C = row.length;
    return Array.from({ length: weight.length / C }, (_, o) => row.reduce((sum, value, i) => sum + value * weight[o * C + i]!, bias?.[o] ?? 0));
  };
  const C = x[0]!.length, D = C / heads, qkv = x.map((row) => linear(row, 'qkv'));
  return x.map((_, t) => linear(Array.from({ length: C }, (__, c) => {
    const head = Math.floor(c / D);
    let total = 0, sum = 0;
    for (let s = Math.max(0, t - windowKeys + 1); s <= t; s++) {
      let product = 0;
      for (let d = head * D; d < (head + 1) * D; d++) product += qkv[t]![d]! * qkv[s]![C + d]!;
      const weight = Math.exp(product / Math.sqrt(D) - fade * (t - s));
      total += weight;
      sum += weight * qkv[s]![2 * C + c]!;
    }
    return sum / total;
  }), 'output'));
};

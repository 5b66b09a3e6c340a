/** Which function of some sizes gave certain values. */

/** A sum of products. */
export interface SizeFunction {
  readonly terms: readonly { readonly coefficient: number; readonly factors: readonly string[] }[];
  /** The number it always is, or how it is written: `past + sequence`. */
  readonly text: number | string;
}

/** Products of up to three sizes are enough for what models do. */
const degree = 3, mostTerms = 3;

/**
 * For sets of sizes: finds the sum of at most three products of them, with whole factors, that gives one value for each
 * set, the shortest first; undefined where none does. Sets are twice as many as terms, so that what fits by chance does
 * not fit the others.
 */
export function sizeFunctions(sets: readonly Readonly<Record<string, number>>[]): (values: readonly number[]) => SizeFunction | undefined {
  const names = Object.keys(sets[0] ?? {}), products: { readonly factors: readonly string[]; readonly values: readonly number[] }[] = [];
  const extend = (factors: readonly string[], from: number): void => {
    products.push({ factors, values: sets.map((sizes) => factors.reduce((product, name) => product * sizes[name]!, 1)) });
    if (factors.length < degree) for (let i = from; i < names.length; i++) extend([...factors, names[i]!], i);
  };
  extend([], 0);
  products.sort((a, b) => a.factors.length - b.factors.length);

  const solve = (chosen: readonly (readonly number[])[], values: readonly number[]): number[] | undefined => {
    const coefficients = linearSolution(chosen, values)?.map(Math.round);
    return coefficients?.every((c) => c !== 0) && values.every((value, set) => chosen.reduce((sum, product, i) => sum + coefficients[i]! * product[set]!, 0) === value) ? coefficients : undefined;
  };
  const search = (values: readonly number[], count: number, from: number, chosen: readonly number[]): SizeFunction | undefined => {
    if (chosen.length === count) {
      const coefficients = solve(chosen.map((i) => products[i]!.values), values);
      return coefficients && written(chosen.map((i, term) => ({ coefficient: coefficients[term]!, factors: products[i]!.factors })));
    }
    for (let i = from; i < products.length; i++) {
      const found = search(values, count, i + 1, [...chosen, i]);
      if (found) return found;
    }
    return undefined;
  };
  const known = new Map<string, SizeFunction | undefined>();
  return (values) => {
    const key = values.join();
    if (!known.has(key)) {
      let found: SizeFunction | undefined = values.every((value) => value === 0) ? written([{ coefficient: 0, factors: [] }]) : undefined;
      if (values.every(Number.isSafeInteger)) for (let count = 1; count <= mostTerms && !found; count++) found = search(values, count, 0, []);
      known.set(key, found);
    }
    return known.get(key);
  };
}

function written(terms: SizeFunction['terms']): SizeFunction {
  const [only] = terms;
  if (terms.length === 1 && only!.factors.length === 0) return { terms, text: only!.coefficient };
  return { terms, text: terms.map(({ coefficient, factors }) => [...(coefficient === 1 && factors.length > 0 ? [] : [String(coefficient)]), ...factors].join(' * ')).join(' + ') };
}

/** x with Σ xᵢ columnᵢ = values in the first equations, as many as there are columns; undefined where they do not decide it. */
function linearSolution(columns: readonly (readonly number[])[], values: readonly number[]): number[] | undefined {
  const n = columns.length, rows = Array.from({ length: n }, (_, row) => [...columns.map((column) => column[row]!), values[row]!]);
  for (let pivot = 0; pivot < n; pivot++) {
    let best = pivot;
    for (let row = pivot + 1; row < n; row++) if (Math.abs(rows[row]![pivot]!) > Math.abs(rows[best]![pivot]!)) best = row;
    [rows[pivot], rows[best]] = [rows[best]!, rows[pivot]!];
    const lead = rows[pivot]![pivot]!;
    if (Math.abs(lead) < 1e-9) return undefined;
    for (let row = 0; row < n; row++) {
      if (row === pivot) continue;
      const factor = rows[row]![pivot]! / lead;
      for (let column = pivot; column <= n; column++) rows[row]![column]! -= factor * rows[pivot]![column]!;
    }
  }
  return rows.map((row, i) => row[n]! / row[i]!);
}

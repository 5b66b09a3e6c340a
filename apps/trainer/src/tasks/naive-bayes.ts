/** Counts of n-grams of characters, of all lengths up to `longest`, and how often labels have them. */
export interface NaiveBayes { label(text: string): number }

/**
 * Naive Bayes over the n-grams of characters of a text: the label that maximises Σ log (c(gram, label) + ½) / (c(label) + ½ V),
 * with labels alike beforehand. What linear language identifiers do (Lui and Baldwin 2012, langid.py).
 */
export function naiveBayes(examples: Iterable<{ readonly text: string; readonly label: number }>, labels: number, longest: number): NaiveBayes {
  const counts = new Map<string, Float64Array>(), totals = new Float64Array(labels);
  for (const { text, label } of examples) for (const gram of gramsOf(text, longest)) {
    let row = counts.get(gram);
    if (!row) counts.set(gram, row = new Float64Array(labels));
    row[label]!++;
    totals[label]!++;
  }
  const logs = totals.map((total) => Math.log(total + counts.size / 2));
  return {
    label(text) {
      const scores = new Float64Array(labels);
      for (const gram of gramsOf(text, longest)) {
        const row = counts.get(gram);
        if (row) for (let label = 0; label < labels; label++) scores[label]! += Math.log(row[label]! + 0.5) - logs[label]!;
      }
      return scores.indexOf(Math.max(...scores));
    },
  };
}

function* gramsOf(text: string, longest: number): Generator<string> {
  const characters = [...text];
  for (let start = 0; start < characters.length; start++) for (let size = 1; size <= longest && start + size <= characters.length; size++) yield characters.slice(start, start + size).join('');
}

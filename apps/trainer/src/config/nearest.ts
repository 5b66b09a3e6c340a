import { distance } from 'fastest-levenshtein';

/** The word that is most likely meant; undefined where none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known.map((one) => ({ one, far: distance(word.toLowerCase(), one.toLowerCase()) })).sort((a, b) => a.far - b.far);
  const [best] = ranked;
  return best !== undefined && best.far <= Math.max(2, Math.floor(word.length / 2)) ? best.one : undefined;
}

/** ` Did you mean "steps"?`, or nothing. */
export function suggestion(word: string, known: readonly string[]): string {
  const one = nearest(word, known);
  return one === undefined ? '' : ` Did you mean "${one}"?`;
}

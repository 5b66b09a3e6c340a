import { distance } from 'fastest-levenshtein';

/** The nearest of the targets that a source has, and how many tokens must at least be inserted, taken out or changed to have it. */
export interface NearestTarget {
  readonly target: ArrayLike<number>;
  readonly edits: number;
}

/** Of at least one target the one with the fewest edits from what was written, of equals the first: as published error rates take it. */
export function nearestTarget(written: ArrayLike<number>, targets: readonly ArrayLike<number>[]): NearestTarget {
  const numbers = new Map<number, number>();
  const numberOf = (token: number): number => numbers.get(token) ?? (numbers.set(token, numbers.size), numbers.size - 1);
  /** Tokens as characters, by the order in which they occur. */
  const textOf = (tokens: ArrayLike<number>): string => Array.from(tokens, (token) => String.fromCharCode(numberOf(token))).join('');
  const text = textOf(written);
  return targets.map((target) => ({ target, edits: distance(text, textOf(target)) })).reduce((one, other) => (other.edits < one.edits ? other : one));
}

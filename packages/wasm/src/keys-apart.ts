/** Blocks whose keys stand apart: their places, by the number of a key in its block. */
import { expressionMapper } from '@ashlar/tensor';
import type { Expression } from '@ashlar/tensor';

/** The loop axis that holds the place of a block's first key, where keys stand apart. */
export const firstKey = 4;

/** Rewrites the key's place: axis 3 numbers the keys of a block. What is past the last key stands at its place. */
export function keysApart(step: number, S: number): (expression: Expression) => Expression {
  const place: Expression = {
    kind: 'binary', op: 'min', dtype: 'i32', y: { kind: 'constant', dtype: 'i32', value: S - 1 },
    x: { kind: 'index', dtype: 'i32', index: { base: 0, terms: [{ atom: { kind: 'loop', axis: firstKey }, factor: 1 }, { atom: { kind: 'loop', axis: 3 }, factor: step }] } },
  };
  return expressionMapper({
    slot: (slot) => slot,
    index: ({ base, terms }) => ({ base, terms: terms.map(({ atom, factor }) => ({ factor, atom: atom.kind === 'loop' && atom.axis === 3 ? { kind: 'value', of: place } : atom })) }),
  });
}

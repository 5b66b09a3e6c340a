import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearestTarget } from './nearest-target.js';

test('the nearest of several targets counts, the first of equals', () => {
  expect(nearestTarget([1, 2, 3], [[1, 2, 4, 5], [1, 2, 3]])).toEqual({ target: [1, 2, 3], edits: 0 });
  expect(nearestTarget([1, 2, 3], [[1, 3], [1, 2, 9]])).toEqual({ target: [1, 3], edits: 1 });
  expect(nearestTarget([], [[7, 7, 7]]).edits).toBe(3);
});

/** The table of Wagner and Fischer 1974. */
function editsBetween(one: readonly number[], other: readonly number[]): number {
  let row = other.map((_, j) => j + 1);
  for (const [i, token] of one.entries()) {
    let left = i + 1, diagonal = i;
    row = other.map((wanted, j) => {
      left = Math.min(left + 1, row[j]! + 1, diagonal + (token === wanted ? 0 : 1));
      diagonal = row[j]!;
      return left;
    });
  }
  return row.at(-1) ?? one.length;
}

test('edits are those of the table, whatever the numbers of the tokens', () => {
  const tokens = fc.array(fc.constantFrom(0, 1, 2, 65_279, 65_536, 70_000, 2 ** 31 - 1), { maxLength: 40 });
  fc.assert(fc.property(tokens, fc.array(tokens, { minLength: 1, maxLength: 4 }), (written, targets) => {
    const { target, edits } = nearestTarget(written, targets), all = targets.map((one) => editsBetween(written, one));
    expect(edits).toBe(Math.min(...all));
    expect(target).toBe(targets[all.indexOf(edits)]);
  }));
});

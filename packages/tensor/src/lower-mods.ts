/** Traced mods among a fused operation's attributes become scalar expressions for its kernel. */
import { expressionGradient } from './expression-gradient.js';
import { addIndex, constantIndex, flatten, scaleIndex } from './index-algebra.js';
import type { Expression, Index, View } from './kernel.js';
import { loops, Lowering } from './lower.js';
import { isTracedMod } from './mods.js';

/**
 * A place where a score reads an operand: ∂score/∂operand[position] is `coefficient` (f32), by the row-major position in
 * the operand. Where there is a `guard` and it is false, nothing is read, and `position` may lie outside.
 */
export interface AttentionTable { readonly input: number; readonly position: Index; readonly coefficient: Expression; readonly guard?: Expression }

/**
 * The attributes with each mod lowered, over loop axes 0…3 = batch, head, query, key. Where there is a `score`, also
 * `slope`, ∂score/∂accumulator, and `tables`, one entry for each place where the score reads a float operand.
 */
export function lowerMods(attributes: Readonly<Record<string, unknown>>, inputs: readonly View[]): Readonly<Record<string, unknown>> {
  const result: Record<string, unknown> = { ...attributes };
  for (const [name, mod] of Object.entries(attributes)) {
    if (!isTracedMod(mod)) continue;
    const { body, score, captures, firstInput } = mod, places = new Map<Expression, Omit<AttentionTable, 'coefficient'>>();
    const lowering = new Lowering(body.shape, (node, index, guard) => {
      if (node === score) return { kind: 'accumulator', dtype: 'f32' };
      const capture = captures.indexOf(node);
      if (capture < 0) return undefined;
      const view = inputs[firstInput + capture]!;
      const at = index.reduce((sum, i, axis) => addIndex(sum, scaleIndex(i, view.strides[axis]!)), constantIndex(view.offset));
      const load: Expression = { kind: 'load', dtype: view.slot.dtype, slot: view.slot, index: at, ...(guard ? { guard } : {}) };
      places.set(load, { input: firstInput + capture, position: flatten(index, node.shape), ...(guard ? { guard } : {}) });
      return load;
    });
    const expression = lowering.element(body, loops(0, 4));
    result[name] = expression;
    if (name !== 'score') continue;
    const slopes = expressionGradient(expression);
    result['slope'] = [...slopes].find(([leaf]) => leaf.kind === 'accumulator')?.[1] ?? { kind: 'constant', dtype: 'f32', value: 0 };
    result['tables'] = [...slopes].flatMap(([leaf, coefficient]): AttentionTable[] => { const place = places.get(leaf); return place ? [{ ...place, coefficient }] : []; });
  }
  return result;
}

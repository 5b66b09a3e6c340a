/** What the attention kernels share: shapes, addresses, and the scaled, masked scores of a row. */
import type { AttentionTable, Expression, FusedRequest, Slot, View } from '@ashlar/tensor';
import { visitExpression } from '@ashlar/tensor';
import { add, get, int, mul, op, set, splat, sub, vectorConstant } from './code.js';
import type { Code, FunctionBuilder, Local } from './encoder.js';
import type { Emitter } from './emitter.js';
import type { EmitContext } from './fused.js';
import { Interner } from './normal.js';
import type { Node, NormalIndex } from './normal.js';

/** Queries and keys of a block. */
export const block = 64;
/** Rows that share one product, and its limit of visible keys. */
export const strip = 16;
/** Bytes of a row of scores. */
export const scoreRow = 4 * block;
/** Widest head: the panels of a block must fit a thread's working area. */
export const widestHead = 512;

/** B batch, H query heads, T queries, D head width, G key heads, S keys. */
export interface AttentionShape { readonly B: number; readonly H: number; readonly T: number; readonly D: number; readonly G: number; readonly S: number }

export function attentionShape(inputs: readonly { readonly shape: readonly number[] }[]): AttentionShape {
  const [q, k] = inputs as [{ shape: [number, number, number, number] }, { shape: [number, number, number, number] }];
  const [B, H, T, D] = q.shape, [, G, S] = k.shape;
  return { B, H, T, D, G, S };
}

const knownAttributes = ['scale', 'causal', 'mask', 'score', 'slope', 'tables', 'differentiate'];

/** Whether the shapes and attributes are ones that these kernels know. */
export function servesAttention({ inputs, attributes }: FusedRequest): boolean {
  const { H, D, G } = attentionShape(inputs);
  return D >= 1 && D <= widestHead && G >= 1 && H % G === 0
    && Object.keys(attributes).every((name) => knownAttributes.includes(name) || attributes[name] === undefined);
}

/** A place where the score reads a table that wants its gradient, number `table` of those. */
export interface TableReads { readonly table: number; readonly position: NormalIndex; readonly coefficient: Node; readonly guard: Node | undefined }

/**
 * Scale, causality, and the expressions over loop axes 0…3 = batch, head, query, key that change or mask a score;
 * `slope` is the derivative of `score` in the scaled score, undefined where that is 1.
 */
export interface AttentionMods { readonly scale: number; readonly causal: boolean; readonly interner: Interner; readonly mask: Node | undefined; readonly score: Node | undefined; readonly slope: Node | undefined; readonly tables: readonly TableReads[] }

export function attentionMods(attributes: Readonly<Record<string, unknown>>): AttentionMods {
  const interner = new Interner(), wanted = (attributes['differentiate'] ?? []) as readonly number[];
  const node = (name: string): Node | undefined => (attributes[name] === undefined ? undefined : interner.node(attributes[name] as Expression));
  const [mask, score, slope] = [node('mask'), node('score'), node('slope')];
  const tables = ((attributes['tables'] ?? []) as readonly AttentionTable[]).filter(({ input }) => wanted.includes(input)).map(({ input, position, coefficient, guard }): TableReads => {
    const condition = guard && interner.node(guard);
    return { table: wanted.indexOf(input), position: interner.index(position, condition), coefficient: interner.node(coefficient), guard: condition };
  });
  return { scale: attributes['scale'] as number, causal: attributes['causal'] as boolean, interner, mask, score, slope: slope?.kind === 'constant' && slope.value === 1 ? undefined : slope, tables };
}

/** Slots that the mods load from. */
export function modSlots(attributes: Readonly<Record<string, unknown>>): Slot[] {
  const slots: Slot[] = [];
  for (const name of ['mask', 'score']) {
    const mod = attributes[name] as Expression | undefined;
    if (mod) visitExpression(mod, (e) => { if (e.kind === 'load') slots.push(e.slot); });
  }
  return slots;
}

export const viewBytes = (view: View): number => (view.slot.dtype === 'f16' ? 2 : 4);

/** Address of a view's element; one index an axis. */
export function viewAddress(base: Code, view: View, index: readonly Code[]): Code {
  const bytes = viewBytes(view);
  return index.reduce<Code>((sum, at, axis) => (view.strides[axis] === 0 ? sum : add(sum, mul(at, int(view.strides[axis]! * bytes)))), add(base, int(view.offset * bytes)));
}

/** min and max of signed integers held in locals or constants. */
export const lesser = (x: Code, y: Code): Code => op('select', x, y, op('i32.lt_s', x, y));
export const greater = (x: Code, y: Code): Code => op('select', x, y, op('i32.gt_s', x, y));
export const clamp = (x: Code, low: Code, high: Code): Code => greater(lesser(x, high), low);

/** Which of the four keys from `key` (a scalar) on lie below `limit`. */
export function below(f: FunctionBuilder, key: Code, limit: Code): Code {
  const steps = get(f.shared('lanes0123', 'v128', () => vectorConstant([0, 1, 2, 3])));
  return op('i32x4.gt_s', op('i32x4.splat', sub(limit, key)), steps);
}

/**
 * Scores of four keys: scaled, changed by the score mod; and which of them count. `raw` is the product, `key` the key's
 * number within the block and `limit` how many of the block are visible to the row. Call within the emitter's vector loop.
 */
export function scores(e: Emitter, mods: AttentionMods, raw: Code, key: Code, limit: Code): { score: Code; valid: Code } {
  const { f } = e;
  const scaled = f.local('v128');
  e.push(set(scaled, op('f32x4.mul', raw, splat(f, mods.scale))));
  e.accumulator = () => get(scaled);
  const score = mods.score ? e.value(mods.score) : get(scaled);
  const inside = below(f, key, limit);
  return { score, valid: mods.mask ? op('v128.and', inside, e.value(mods.mask)) : inside };
}

/** A local that holds a slot's address. */
export function localOf(context: EmitContext, slot: Slot): Local {
  const { f } = context, local = f.local('i32');
  f.body.push(set(local, context.address(slot)));
  return local;
}

/** What the attention kernels share: shapes, addresses, and the scaled, masked scores of a row. */
import type { AttentionPart, AttentionTable, Expression, FusedRequest, Slot, View } from '@ashlar/tensor';
import { attentionParts, visitExpression } from '@ashlar/tensor';
import { add, forRange, get, int, minimum, mul, named, op, set, splat, sub, vectorConstant, when } from './code.js';
import type { Code, FunctionBuilder, Local } from './encoder.js';
import type { Emitter } from './emitter.js';
import type { EmitContext } from './fused.js';
import { possibilities } from './mask-blocks.js';
import type { Interval, Possible } from './mask-blocks.js';
import { Interner } from './normal.js';
import type { Node, NormalIndex } from './normal.js';
import { keysApart } from './keys-apart.js';

/** Queries and keys of a block. */
export const block = 64;
/** Most rows that share one product, and its limits of visible keys; half as many where a block is not wholly visible. */
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
 * Scale, causality, and the expressions over loop axes 0…3 = batch, head, query, key that change or mask a score of a
 * part; `slope` is the derivative of `score` in the scaled score, undefined where that is 1.
 */
export interface AttentionMods extends Omit<AttentionPart, 'mask' | 'rest'> {
  readonly scale: number;
  readonly causal: boolean;
  readonly interner: Interner;
  /** What a block has not settled of the mask. In it and the others, where `keyStep` is not 1, axis 3 numbers the keys of a block, whose first stands at the place that is on axis `firstKey`. */
  readonly mask: Node | undefined;
  readonly score: Node | undefined;
  readonly slope: Node | undefined;
  readonly tables: readonly TableReads[];
  /** The whole mask, by places. */
  readonly placedMask: Node | undefined;
}

/** The mods of each part of the scores. */
export const attentionMods = (attributes: Readonly<Record<string, unknown>>, shape: AttentionShape): AttentionMods[] =>
  attentionParts(attributes['mask'] as Expression | undefined, shape).map(({ mask, rest, ...part }) => {
    const interner = new Interner(), wanted = (attributes['differentiate'] ?? []) as readonly number[];
    const apart = part.keyStep === 1 ? (e: Expression): Expression => e : keysApart(part.keyStep, shape.S);
    const node = (e: unknown): Node | undefined => (e === undefined ? undefined : interner.node(apart(e as Expression)));
    const [masked, score, slope] = [node(rest), node(attributes['score']), node(attributes['slope'])];
    const tables = ((attributes['tables'] ?? []) as readonly AttentionTable[]).filter(({ input }) => wanted.includes(input)).map(({ input, position, coefficient, guard }): TableReads => {
      const condition = guard && interner.node(apart(guard)), { index } = apart({ kind: 'index', dtype: 'i32', index: position }) as Expression & { kind: 'index' };
      return { table: wanted.indexOf(input), position: interner.index(index, condition), coefficient: interner.node(apart(coefficient)), guard: condition };
    });
    return {
      ...part, scale: attributes['scale'] as number, causal: attributes['causal'] as boolean, interner, mask: masked, score, tables,
      slope: slope?.kind === 'constant' && slope.value === 1 ? undefined : slope, placedMask: mask && interner.node(mask),
    };
  });

/** How blocks are made, where their queries or keys stand apart. */
export function attentionNote({ attributes, inputs }: Pick<FusedRequest, 'attributes' | 'inputs'>): string | undefined {
  const parts = attentionParts(attributes['mask'] as Expression | undefined, attentionShape(inputs)).map(({ queryStep, keyStep }) => {
    const apart = [...(queryStep > 1 ? [`queries ${queryStep} apart`] : []), ...(keyStep > 1 ? [`keys ${keyStep} apart`] : [])];
    return apart.join(' and ') || 'neighbours';
  });
  return parts.every((part) => part === 'neighbours') ? undefined : `in blocks of ${parts.join(', then of ')}`;
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
const lesser = (x: Code, y: Code): Code => op('select', x, y, op('i32.lt_s', x, y));
export const greater = (x: Code, y: Code): Code => op('select', x, y, op('i32.gt_s', x, y));
export const clamp = (x: Code, low: Code, high: Code): Code => greater(lesser(x, high), low);

/** Which of the four keys from `key` (a scalar) on lie below `limit`. */
export function below(f: FunctionBuilder, key: Code, limit: Code): Code {
  const steps = get(f.shared('lanes0123', 'v128', () => vectorConstant([0, 1, 2, 3])));
  return op('i32x4.gt_s', op('i32x4.splat', sub(limit, key)), steps);
}

/**
 * Scores of four keys: scaled, changed by the score mod; and which of them count, undefined: all. `raw` is the product,
 * `key` the key's number within the block and `limits` what of the block is visible to the row; without limits, no
 * score of the block is masked. Call within the emitter's vector loop.
 */
export function scores(e: Emitter, mods: AttentionMods, raw: Code, key: Code, limits: RowLimits | undefined): { score: Code; valid: Code | undefined } {
  const { f } = e;
  const scaled = f.local('v128');
  e.push(set(scaled, op('f32x4.mul', raw, splat(f, mods.scale))));
  e.accumulator = () => get(scaled);
  const score = mods.score ? e.value(mods.score) : get(scaled);
  if (!limits) return { score, valid: undefined };
  const before = below(f, key, limits.end), inside = limits.first ? op('v128.andnot', before, below(f, key, limits.first)) : before;
  return { score, valid: named(f, 'v128', e.segment, mods.mask && !limits.all ? op('v128.and', inside, e.value(mods.mask)) : inside) };
}

/** Numbers, in a block, of the first key that a row sees (undefined: 0) and of the one after the last; `all`: that is all that the mask asks. */
export interface RowLimits { readonly first: Code | undefined; readonly end: Code; readonly all: boolean }

/** The limits of query `query` in a block whose first key stands at `start`, of which `visible` are there. */
export function rowLimits(e: Emitter, mods: AttentionMods, { T, S }: AttentionShape, query: Code, start: Code, visible: Code): RowLimits {
  const number = (code: Code): Code => named(e.f, 'i32', e.segment, code), until = (last: Code, end: Code): Code => number(clamp(number(keysUpTo(mods, last, start)), int(0), end));
  const all = mods.bounded && mods.bounds.every(({ key }) => Math.abs(key) === 1), { low, high } = all ? meets(mods, 'query', query, query) : { low: undefined, high: undefined };
  const seen = mods.causal ? until(add(query, int(S - T)), visible) : visible;
  return { first: low && number(keysFrom(mods, number(low), start)), end: high ? until(number(high), seen) : seen, all };
}

/** How many keys of a block that begins at `start` stand no further than `last`; below 0 where `last` lies before `start`. */
export function keysUpTo({ keyStep }: AttentionMods, last: Code, start: Code): Code {
  const far = sub(last, start);
  return keyStep === 1 ? add(far, int(1)) : op('i32.div_s', greater(add(far, int(keyStep)), int(0)), int(keyStep));
}

/** The number, in a block that begins at `start`, of the first key that stands no nearer than `first`; 0 where that lies before. */
const keysFrom = ({ keyStep }: AttentionMods, first: Code, start: Code): Code => {
  const far = greater(add(sub(first, start), int(keyStep - 1)), int(0));
  return keyStep === 1 ? far : op('i32.div_s', far, int(keyStep));
};

/** Places whose neighbours in a block stand `step` apart: those with remainders by it from `first` up to `end`. */
export interface Places { readonly step: number; readonly first: Code; readonly end: Code; /** There is one remainder. */ readonly alone: boolean }

/** The places of keys that queries of remainder `query` meet; undefined: of any. */
export function keyPlaces({ keyStep, keyRemainders: [first, end], shift }: AttentionMods, query?: Code): Places {
  if (shift === undefined || !query) return { step: keyStep, first: int(first), end: int(end), alone: end - first === 1 };
  const own = op('i32.rem_u', add(query, int(shift)), int(keyStep));
  return { step: keyStep, first: own, end: add(own, int(1)), alone: true };
}

/** The places of queries that meet keys of remainder `key`; undefined: of any. */
export function queryPlaces({ queryStep, shift }: AttentionMods, key?: Code): Places {
  if (shift === undefined || !key) return { step: queryStep, first: int(0), end: int(queryStep), alone: queryStep === 1 };
  const own = op('i32.rem_u', add(key, int(queryStep - shift)), int(queryStep));
  return { step: queryStep, first: own, end: add(own, int(1)), alone: true };
}

/** Blocks about which a mask is asked at once, before it is asked about each. */
const blocksAtOnce = 8;

/**
 * The blocks of `places` from `from` on and before `end`: `build` gets the place of a block's first and how many there are.
 * With `size`, the last block goes on up to it. `wanted` says of the places of several blocks whether any of these is to be built.
 */
export function eachBlock(
  e: Emitter, { step, first, end: beyond, alone }: Places, end: Code, build: (start: Code, count: Code) => void,
  { from, size, wanted }: { readonly from?: Code; readonly size?: Code; readonly wanted?: ((start: Code, count: Code) => Code) | undefined } = {},
): void {
  const { f } = e, at = f.local('i32'), several = f.local('i32'), stop = f.local('i32'), remainder = f.local('i32'), number = (code: Code): Code => named(f, 'i32', e.segment, code);
  /** How many places before `limit` have a remainder. */
  const before = (limit: Code, own: Code): Code => (step === 1 ? limit : op('i32.div_s', greater(add(sub(limit, own), int(step - 1)), int(0)), int(step)));
  const group = (own: Code): void => {
    const placeOf = (i: Local): Code => (step === 1 ? get(i) : number(add(own, mul(get(i), int(step)))));
    const last = number(before(end, own)), until = size ? number(lesser(number(before(size, own)), op('i32.and', add(last, int(block - 1)), int(-block)))) : last;
    e.push(set(stop, lesser(until, add(get(several), int((wanted ? blocksAtOnce : 1) * block)))));
    const one = e.scope(() => { build(placeOf(at), number(lesser(sub(get(stop), get(at)), int(block)))); });
    const blocks = forRange(at, get(several), get(stop), int(block), one);
    e.push(wanted ? when(wanted(placeOf(several), number(sub(get(stop), get(several)))), blocks) : blocks);
  };
  const fixed = alone ? number(first) : undefined;
  const body = e.scope(() => {
    if (fixed) group(fixed);
    else e.push(forRange(remainder, first, beyond, int(1), e.scope(() => { group(get(remainder)); })));
  });
  // of all remainders, the greatest has the fewest places before `from`, and the least the most before `end`
  const begin = from === undefined ? int(0) : number(op('i32.and', before(from, fixed ?? int(step - 1)), int(-block))), limit = number(before(end, fixed ?? first));
  e.push(forRange(several, begin, limit, int((wanted ? blocksAtOnce : 1) * block), body));
}

/** A rectangle of scores: places of the first query and key, and how many there are of each. */
export interface Rectangle { readonly batch: Code; readonly head: Code; readonly top: Code; readonly rows: Code; readonly start: Code; readonly columns: Code }

/** What the mask may do in a rectangle that is not empty. Without a mask, all scores count. */
export function maskOf(e: Emitter, mods: AttentionMods, { batch, head, top, rows, start, columns }: Rectangle): Possible {
  if (!mods.placedMask) return { holds: int(1), fails: int(0) };
  const { f, segment } = e;
  const places = (first: Code, count: Code, step: number): Interval => ({ low: first, high: named(f, 'i32', segment, add(first, mul(sub(count, int(1)), int(step)))), step });
  const alone = (value: Code): Interval => ({ low: value, high: value, step: 0 });
  return possibilities(f, segment, mods.placedMask, [alone(batch), alone(head), places(top, rows, mods.queryStep), places(start, columns, mods.keyStep)], e.slots);
}

/** How many rows share a product, in a block whose first row sees `seen` of `count` keys: its limits are drawn closer where not all scores count. */
export const stripHeight = (mixed: Code, seen: Code, count: Code): Code => op('select', int(strip), int(strip / 2), op('i32.and', op('i32.eqz', mixed), op('i32.eq', seen, count)));

/** Two places between which, both included, those lie that queries (or keys) from `first` to `last` can meet, as far as the bounds of a mask tell. */
export function meets({ bounds }: AttentionMods, which: 'query' | 'key', first: Code, last: Code): { low: Code | undefined; high: Code | undefined } {
  const lows: Code[] = [], highs: Code[] = [];
  for (const bound of bounds) {
    const [own, other] = which === 'query' ? [bound.key, bound.query] : [bound.query, bound.key];
    if (Math.abs(own) !== 1) continue;
    const least = other === 0 ? int(bound.base) : add(mul(other > 0 ? first : last, int(other)), int(bound.base));
    if (own < 0) lows.push(least); else highs.push(sub(int(0), least));
  }
  const most = (list: readonly Code[], choose: (x: Code, y: Code) => Code): Code | undefined => (list.length > 0 ? list.reduce(choose) : undefined);
  return { low: most(lows, greater), high: most(highs, lesser) };
}

/**
 * The columns of a strip that its mask leaves: `low` and `high` become the first and the end of the panels of eight, up
 * to `visible` columns, between which a score may count; `low` ≥ `high` where none does. `mixed`: whether the mask does anything.
 */
export function trimColumns(e: Emitter, mods: AttentionMods, strip: Omit<Rectangle, 'columns'>, visible: Code, mixed: Code, low: Local, high: Local): void {
  const { f } = e, column = f.local('i32'), direction = f.local('i32'), { keyStep } = mods, number = (code: Code): Code => named(f, 'i32', e.segment, code);
  e.push([set(low, int(0)), set(high, visible)]);
  if (!mods.placedMask) return;
  const near = meets(mods, 'query', strip.top, number(add(strip.top, mul(sub(strip.rows, int(1)), int(mods.queryStep)))));
  if (near.high) e.push(set(high, clamp(number(keysUpTo(mods, number(near.high), strip.start)), int(0), visible)));
  if (near.low) {
    const from = number(keysFrom(mods, number(near.low), strip.start));
    e.push(set(low, op('select', op('i32.and', from, int(-8)), get(high), op('i32.lt_s', from, get(high)))));
  }
  if (mods.bounded) return;
  const search = e.scope(() => {
    // up to the first panel in which a score may count, then down from the last one
    const begin = number(get(low)), end = number(get(high));
    e.push([set(low, end), set(high, int(0)), set(direction, int(8))]);
    const body = e.scope(() => {
      const columns = number(minimum(sub(end, get(column)), int(8)));
      const { holds } = maskOf(e, mods, { ...strip, start: number(add(strip.start, mul(get(column), int(keyStep)))), columns });
      const first = [set(low, get(column)), set(direction, int(-8)), set(column, add(op('i32.and', sub(end, int(1)), int(-8)), int(8)))];
      const last = [set(high, add(get(column), columns)), set(column, add(end, int(8)))];
      e.push(when(holds, when(op('i32.gt_s', get(direction), int(0)), first, last)));
    });
    e.push(forRange(column, begin, end, get(direction), body));
  });
  e.push(when(mixed, search));
}

/** A local that holds a slot's address. */
export function localOf(context: EmitContext, slot: Slot): Local {
  const { f } = context, local = f.local('i32');
  f.body.push(set(local, context.address(slot)));
  return local;
}

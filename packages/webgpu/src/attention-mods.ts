/**
 * Mods of attention: expressions that change a score or mask it, inlined where the score is, and the map of blocks that a
 * mask leaves empty or full, so that empty ones are skipped.
 */
import { attentionParts, blockMap, type AttentionTable, type Expression } from '@ashlar/tensor';
import type { AttentionShape } from './attention-shape.js';
import type { Binding, SlotResolver, SlotUses } from './bindings.js';
import type { Body, Value } from './emitter.js';
import { ExpressionEmitter } from './expression.js';
import type { Apart } from './attention-tiles.js';
import { noteLoads, type CompileContext } from './program.js';

export interface AttentionMods {
  /** Over loop axes 0…3 = batch, head, query, key; the accumulator is the scaled score. */
  readonly mask: Expression | undefined;
  readonly score: Expression | undefined;
  /** ∂score/∂accumulator. */
  readonly slope: Expression | undefined;
}

export function modsOf(attributes: Readonly<Record<string, unknown>>): AttentionMods {
  const of = (name: string): Expression | undefined => attributes[name] as Expression | undefined;
  const score = of('score'), slope = of('slope');
  if (score && !slope) throw new TypeError('attention: a score mod comes with its slope');
  return { mask: of('mask'), score, slope };
}

/** The mods of a part of the scores, and the keys, or queries, that a row of a remainder meets there, where these stand apart. */
export interface ModsPart { readonly mods: AttentionMods; keysApart(query: string): Apart | undefined; queriesApart(key: string): Apart | undefined }

/** The parts of the scores: two where a mask is a union of one by remainders and another, whose rows are then walked alone. */
export function partsOf(mods: AttentionMods, shape: AttentionShape): ModsPart[] {
  const parts = attentionParts(mods.mask, shape);
  if (parts.length === 1) return [{ mods, keysApart: () => undefined, queriesApart: () => undefined }];
  return parts.map(({ mask, queryStep, keyStep, keyRemainders: [first, end], shift, bounds, bounded }) => {
    /** The places that the bounds leave of keys for a query, or of queries for a key, where they are all that is asked. */
    const within = (row: string, which: 'query' | 'key'): Apart['within'] => {
      const other = which === 'key' ? 'query' : 'key';
      if (shift === undefined || !bounded || bounds.some((bound) => Math.abs(bound[which]) !== 1)) return undefined;
      const limit = (sign: number, start: string): string => bounds.filter((bound) => bound[which] === sign).reduce((text, bound) => (sign < 0 ? `max(${text}, ${bound[other]} * ${row} + ${bound.base})` : `min(${text}, 1 - (${bound[other]} * ${row} + ${bound.base}))`), start);
      return [limit(-1, '0'), limit(1, '2147483647')];
    };
    const alone = (row: string, by: number, step: number): Apart => ({ step, first: `(${row} + ${by}) % ${step}`, end: `(${row} + ${by}) % ${step} + 1` });
    return {
      mods: { ...mods, mask },
      keysApart: (query) => (queryStep * keyStep === 1 ? undefined : shift !== undefined ? { ...alone(query, shift, keyStep), within: within(query, 'key') } : { step: keyStep, first: String(first), end: String(end) }),
      // a key of another remainder meets none
      queriesApart: (key) => (queryStep * keyStep === 1 ? undefined : shift !== undefined ? { ...alone(key, queryStep - shift, queryStep), within: within(key, 'query') } : { step: queryStep, first: '0', end: end - first === keyStep ? String(queryStep) : `select(0, ${queryStep}, ${key} % ${keyStep} >= ${first} && ${key} % ${keyStep} < ${end})` }),
    };
  });
}

export function noteMods(uses: SlotUses, { mask, score, slope }: AttentionMods): void {
  for (const mod of [mask, score, slope]) if (mod) noteLoads(uses, mod);
}

/** What a mod's loop axes are called in the shader. */
export interface ModPoint { readonly batch: string; readonly head: string; readonly query: string; readonly key: string }

const scalar = (text: string): Value => ({ text, type: 'f32', varies: false });

/** Emits mods at points where one axis (2: query, 3: key) moves inside the other loops. */
export class ModEmitter {
  constructor(readonly body: Body, readonly bindings: SlotResolver, readonly mods: AttentionMods, readonly moving: 2 | 3) {}

  #at({ batch, head, query, key }: ModPoint, accumulator?: Value): ExpressionEmitter {
    return new ExpressionEmitter({ body: this.body, bindings: this.bindings, axes: [batch, head, query, key], lanes: 1, laneAxis: -1, innerAxes: new Set([this.moving]), ...(accumulator && { accumulator }) });
  }

  /** Computes here what the moving axis and the score do not enter. */
  hoist(point: ModPoint, reads: readonly AttentionTable[] = []): void {
    const { mask, score, slope } = this.mods, more = reads.flatMap(({ coefficient, guard }) => [coefficient, guard]);
    this.#at(point).hoist([mask, score, slope, ...more].filter((mod) => mod !== undefined), reads.map(({ position }) => position));
  }

  /** Emits whether the mask lets a point through, from where it is on the moving axis; undefined without a mask. */
  masked(point: (moving: string) => ModPoint): ((moving: string) => string) | undefined {
    const { mask } = this.mods;
    return mask && ((moving) => this.#at(point(moving)).value(mask).text);
  }

  /** The score to use and the slope, from the scaled score; what is undefined is the score itself and 1. */
  score(point: ModPoint, scaled: string, wantsSlope: boolean): { readonly score: string; readonly slope: string | undefined } {
    const { score, slope } = this.mods;
    if (!score) return { score: scaled, slope: undefined };
    const at = this.#at(point, scalar(scaled));
    return { score: at.value(score).text, slope: wantsSlope ? at.value(slope!).text : undefined };
  }

  /** Where a score reads a table of `size` elements, ∂score/∂element, and whether it reads at all. */
  read({ position, coefficient, guard }: AttentionTable, point: ModPoint, scaled: string, size: number): { readonly at: string; readonly coefficient: string; readonly guard: string | undefined } {
    const at = this.#at(point, scalar(scaled));
    return { at: this.body.bind(`clamp(${at.scalarIndex(position)}, 0, ${size - 1})`), coefficient: at.value(coefficient).text, guard: guard && at.value(guard).text };
  }
}

/** Lists of a mask's blocks of `step` rows of the walk: those that are not empty, by rows of a workgroup's side. */
export interface BlockLookup {
  readonly binding: Binding;
  readonly step: number;
  /** The numbers, in the binding, of the first entry of `row` and of the one after its last. */
  range(row: string): readonly [string, string];
}

/** Rows of a workgroup's side that share a list. */
const rowsPerList = 64;

/**
 * The lists of the mask for a walk over keys (or, `overQueries`, over queries) in blocks of `step`; undefined without a
 * mask, and where no block is empty or full. An entry is twice the number of a block, plus 1 where all of it counts.
 */
export function blockLookup(context: CompileContext, { B, H, T, S, causal }: AttentionShape, { mask }: AttentionMods, step: number, overQueries: boolean): BlockLookup | undefined {
  if (!mask) return undefined;
  const [queries, keys] = overQueries ? [step, rowsPerList] : [rowsPerList, step], map = blockMap(mask, { B, H, T, S }, queries, keys);
  if (map.every((state) => state === 1)) return undefined;
  const columns = Math.ceil(S / keys), lists = Array.from({ length: Math.ceil(overQueries ? columns : T / queries) }, (_, row) => Array.from({ length: overQueries ? Math.ceil(T / queries) : columns }, (__, block) => {
    const [i, j] = overQueries ? [block, row] : [row, block], state = map[i * columns + j]!;
    return state === 0 || (causal && j * keys > Math.min(T, (i + 1) * queries) - 1 + S - T) ? [] : [2 * block + Number(state === 2)];
  }).flat());
  const starts = lists.reduce<number[]>((list, { length }) => [...list, list.at(-1)! + length], [lists.length + 1]), data = Uint32Array.from([...starts, ...lists.flat()]), region = context.table(data);
  const binding: Binding = { name: 'blocks', element: 'u32', vector: false, writable: false, buffer: region.buffer, offset: 0, size: Math.ceil(region.bytes / 16) * 16 };
  return { binding, step, range: (row) => [`blocks[(${row}) / ${rowsPerList}]`, `blocks[(${row}) / ${rowsPerList} + 1]`] };
}

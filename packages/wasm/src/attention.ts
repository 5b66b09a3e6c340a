/**
 * Streaming softmax attention (Dao et al. 2022, arXiv 2205.14135): blocks of 64 queries × 64 keys, a running maximum and
 * sum a row, never a T × S matrix. Blocks above the diagonal are skipped, and strips of rows stop at the diagonal.
 */
import type { FusedKernel, View } from '@ashlar/tensor';
import { accessLane, add, call, fillBytes, forRange, get, int, load, minimum, mul, named, op, scaled, set, splat, store, sub, when, whileBelow } from './code.js';
import type { Code, Local, Segment } from './encoder.js';
import { attentionMods, attentionNote, attentionShape, block, clamp, eachBlock, keyPlaces, keysUpTo, localOf, maskOf, meets, modSlots, rowLimits, scoreRow, scores, servesAttention, stripHeight, trimColumns, viewAddress, viewBytes } from './attention-rows.js';
import type { AttentionMods } from './attention-rows.js';
import { Emitter } from './emitter.js';
import { addValuesFunction, keyDotsFunction } from './few-queries.js';
import type { EmitContext, WasmKernel } from './fused.js';
import { floatToHalf } from './half.js';
import { firstKey } from './keys-apart.js';
import { acrossLanes } from './math.js';
import { share, vectorLoop } from './nest.js';
import { packFunction, rowsFunction } from './pack.js';
import { copyRow } from './skinny.js';
import { softmaxEndsFunction, softmaxRowsFunction } from './softmax-rows.js';

import { tilesFunction } from './tile.js';

/**
 * Inputs q [B,H,T,D], k and v [B,G,S,D]; outputs o [B,T,H,D] and lse [B,H,T], the logarithm of Σ exp(score) of each row.
 * A row that sees no key gives o = 0 and lse = −infinity. Where the scores are in two parts, the second goes on from what
 * the first gave, which for halves is f32 scratch.
 */
export const attentionKernel: WasmKernel = {
  when: (request) => servesAttention(request),
  scratch: ({ attributes, inputs, outputs }) => {
    const shape = attentionShape(inputs), { B, H, T, D } = shape;
    return outputs[0]!.dtype === 'f16' && attentionMods(attributes, shape).length > 1 ? [4 * B * T * H * D] : [];
  },
  note: attentionNote,
  slots: (kernel) => modSlots(kernel.attributes),
  emit: (context) => { emitAttention(context, partsOf(context.kernel), 0); },
  finish: (kernel) => { const parts = partsOf(kernel); return parts.length > 1 ? (context) => { emitAttention(context, parts, 1); } : undefined; },
};

const partsOf = ({ attributes, inputs }: FusedKernel): AttentionMods[] => attentionMods(attributes, attentionShape(inputs));

function emitAttention(context: EmitContext, parts: readonly AttentionMods[], part: number): void {
  const { module, f, kernel, threads, thread, scratch } = context;
  const [q, k, v] = kernel.inputs as [View, View, View], [result, lse] = kernel.outputs as [View, View];
  const { B, H, T, D, G, S } = attentionShape(kernel.inputs);
  const between: View = kernel.scratch.length > 0 ? { slot: { ...kernel.scratch[0]!, dtype: 'f32' }, offset: 0, shape: result.shape, strides: [T * H * D, H * D, D, 1] } : result;
  const o = part === parts.length - 1 ? result : between;
  if (B * H * T === 0) return;
  // With few queries, packing keys and values would cost more than using them.
  const few = T <= 4 && k.strides[3] === 1 && v.strides[3] === 1;
  const mods = parts[part]!, { causal, queryStep, keyStep } = mods;
  const wide = Math.ceil(D / 8) * 8; // columns of the result, padded
  const e = new Emitter(module, f, mods.interner.slots.map((slot) => localOf(context, slot)));

  const rowsOf = (view: View) => rowsFunction(module, D, view.strides[3] === 1, view.slot.dtype);
  const packK = packFunction(module, 8, 'along', 'f32');
  const scoreTiles = tilesFunction(module, { row: 4 * wide, step: 4 }), valueTiles = tilesFunction(module, { row: scoreRow, step: 4 }, 4 * wide);

  // the thread's working area
  let next = 0;
  const area = (bytes: number): Code => { const at = next; next += bytes; return named(f, 'i32', f.body, add(scratch, int(at))); };
  const queries = area(4 * block * wide), keys = area(4 * block * D), values = area(4 * block * wide), sumRows = area(4 * block * wide);
  const scoreArea = area(block * scoreRow), maxima = area(4 * block), fresh = area(4 * block), sums = area(4 * block);

  /** Computes an integer here and names it. */
  const number = (value: Code): Code => named(f, 'i32', e.segment, value);
  const blocks = queryStep * Math.ceil(Math.ceil(T / queryStep) / block);
  const unit = f.local('i32');
  const unitBody = e.scope(() => {
    const pair = number(op('i32.div_u', get(unit), int(blocks))), queryBlock = number(op('i32.rem_u', get(unit), int(blocks)));
    const batch = f.local('i32'), head = f.local('i32');
    e.push([set(batch, op('i32.div_u', pair, int(H))), set(head, op('i32.rem_u', pair, int(H)))]);
    e.bind(0, batch);
    e.bind(1, head);
    const keyHead = number(op('i32.div_u', get(head), int(H / G)));
    /** Place of the first query, and how many there are; neighbours stand `queryStep` apart. Blocks of other remainders at the same place come next. */
    const top = number(queryStep === 1 ? mul(queryBlock, int(block)) : add(op('i32.rem_u', queryBlock, int(queryStep)), mul(op('i32.div_u', queryBlock, int(queryStep)), int(queryStep * block))));
    const rows = number(clamp(queryStep === 1 ? sub(int(T), top) : op('i32.div_s', sub(int(T + queryStep - 1), top), int(queryStep)), int(0), int(block)));
    const placeOf = (row: Code): Code => add(top, queryStep === 1 ? row : mul(row, int(queryStep)));
    const panels = number(op('i32.shr_u', add(rows, int(3)), int(2)));
    const queryRow = (row: Code): Code => viewAddress(context.address(q.slot), q, [get(batch), get(head), placeOf(row)]);
    if (few) for (let row = 0; row < T; row++) e.push(call(copyRow(module, q.slot.dtype), add(queries, int(4 * D * row)), queryRow(int(row)), int(q.strides[3]! * viewBytes(q)), int(D)));
    else e.push(call(rowsOf(q), queries, viewAddress(context.address(q.slot), q, [get(batch), get(head), top]), int(queryStep * q.strides[2]! * viewBytes(q)), int(q.strides[3]! * viewBytes(q)), rows));
    const r = f.local('i32');
    if (part === 0) {
      e.push(fillBytes(sumRows, int(0), scaled(panels, 16 * wide)));
      e.push(forRange(r, int(0), int(4 * block), int(16), [
        store('v128.store', add(maxima, get(r)), splat(f, -Infinity)), store('v128.store', add(sums, get(r)), splat(f, 0)),
      ]));
    } else {
      // a row's result is a sum whose largest score is its log-sum-exp, and whose exponentials sum to 1, or to 0 where there was none
      e.push(call(rowsOf(between), sumRows, viewAddress(context.address(between.slot), between, [get(batch), top, get(head)]), int(queryStep * between.strides[1]! * 4), int(4), rows));
      const four: Segment = [], at = (base: Code): Code => add(base, scaled(get(r), 4)), largest = f.local('v128');
      four.push(set(largest, load('v128.load', at(maxima))), store('v128.store', at(sums), op('v128.andnot', splat(f, 1), op('f32x4.eq', get(largest), splat(f, -Infinity)))));
      e.push(forRange(r, int(0), rows, int(1), store('i32.store', at(maxima), load('i32.load', viewAddress(context.address(lse.slot), lse, [get(batch), get(head), placeOf(get(r))])))));
      e.push(forRange(r, int(0), rows, int(4), four));
    }
    // keys that this block sees at most
    const last = number(placeOf(sub(rows, int(1)))), near = meets(mods, 'query', top, last);
    const limit = number(causal ? clamp(add(last, int(S - T + 1)), int(0), int(S)) : int(S)), end = near.high ? number(clamp(number(add(near.high, int(1))), int(0), limit)) : limit;
    eachBlock(e, keyPlaces(mods, top), end, (first, columns) => {
      const state = maskOf(e, mods, { batch: get(batch), head: get(head), top, rows, start: first, columns });
      const use = e.scope(() => { if (few) fewQueries(first, columns); else seenKeys(first, columns, state.fails); });
      e.push(mods.placedMask ? when(state.holds, use) : use);
    }, {
      ...(near.low && { from: number(clamp(number(near.low), int(0), int(S))) }),
      wanted: mods.bounded ? undefined : (start, columns) => maskOf(e, mods, { batch: get(batch), head: get(head), top, rows, start, columns }).holds,
    });
    finish();

    /** A block of keys without those at both ends that no row sees, which need not be packed. */
    function seenKeys(first: Code, columns: Code, mixed: Code): void {
      const low = f.local('i32'), high = f.local('i32');
      trimColumns(e, mods, { batch: get(batch), head: get(head), top, rows, start: first }, columns, mixed, low, high);
      const start = number(add(first, mul(get(low), int(keyStep)))), count = number(sub(get(high), get(low)));
      if (keyStep > 1) { const place = f.local('i32'); e.push(set(place, start)); e.bind(firstKey, place); }
      const use = e.scope(() => { keyBlock(start, count, mixed); });
      e.push(when(op('i32.gt_s', count, int(0)), use));
    }

    function keyBlock(start: Code, count: Code, mixed: Code): void {
      for (const view of [k, v]) { // keys are there until they are packed
        e.push(call(rowsOf(view), values, viewAddress(context.address(view.slot), view, [get(batch), keyHead, start]), int(keyStep * view.strides[2]! * viewBytes(view)), int(view.strides[3]! * viewBytes(view)), count));
        if (view === k) e.push(call(packK, keys, values, int(4 * wide), int(4), count, int(D)));
      }
      const from = f.local('i32'), low = f.local('i32'), high = f.local('i32');
      const seenBy = (row: Code): Code => (causal ? clamp(keysUpTo(mods, add(placeOf(row), int(S - T)), start), int(0), count) : count);
      const height = number(stripHeight(mixed, seenBy(int(0)), count));
      const stripBody = e.scope(() => {
        const to = number(minimum(add(get(from), height), rows));
        const visible = number(seenBy(sub(to, int(1))));
        trimColumns(e, mods, { batch: get(batch), head: get(head), top: number(placeOf(get(from))), rows: number(sub(to, get(from))), start }, visible, mixed, low, high);
        const inside = e.scope(() => {
          const stripPanels = number(op('i32.shr_u', add(sub(to, get(from)), int(3)), int(2)));
          const line = number(add(add(scoreArea, mul(get(from), int(scoreRow))), scaled(get(low), 4)));
          const columnPanels = number(op('i32.shr_u', add(sub(get(high), get(low)), int(7)), int(3)));
          e.push(call(scoreTiles, add(queries, mul(get(from), int(4 * wide))), add(keys, mul(get(low), int(4 * D))), line, int(scoreRow), stripPanels, columnPanels, int(D), int(16 * wide), int(32 * D), int(0)));
          const row = f.local('i32');
          const eachRow = (checked: boolean): Segment => {
            const body = e.scope(() => { maskRow(row, start, get(low), get(high), columnPanels, checked); });
            return [forRange(row, get(from), to, int(1), body)];
          };
          // whether every score of a whole block counts
          const open = op('i32.and', op('i32.eqz', mixed), op('i32.eq', seenBy(get(from)), int(block)));
          e.push(when(open, eachRow(false), eachRow(true)));
          e.push(forRange(row, get(from), to, int(4), softmaxFour(row, start, get(low), columnPanels)));
          e.push(call(valueTiles, line, add(values, mul(get(low), int(4 * wide))), add(sumRows, mul(get(from), int(4 * wide))), int(4 * wide), stripPanels, int(wide / 8), sub(get(high), get(low)), int(4 * scoreRow), int(32), int(1)));
        });
        e.push(when(op('i32.lt_s', get(low), get(high)), inside));
      });
      e.push(forRange(from, int(0), rows, height, stripBody));
    }

    function fewQueries(start: Code, count: Code): void {
      const [keyRows, valueRows] = [k, v].map((view) => number(viewAddress(context.address(view.slot), view, [get(batch), keyHead, start]))) as [Code, Code];
      const columnPanels = number(op('i32.shr_u', add(count, int(7)), int(3)));
      const row = f.local('i32');
      const eachRow = (build: (visible: Code, line: Code) => Code): void => {
        const body = e.scope(() => {
          const visible = number(causal ? clamp(sub(add(add(top, get(row)), int(S - T + 1)), start), int(0), count) : count);
          e.push(build(visible, number(add(scoreArea, mul(get(row), int(scoreRow))))));
        });
        e.push(forRange(row, int(0), int(T), int(1), body));
      };
      eachRow((visible, line) => {
        const dots = call(keyDotsFunction(module, D, k.slot.dtype), line, add(queries, mul(get(row), int(4 * D))), keyRows, int(k.strides[2]! * viewBytes(k)), visible);
        e.push(when(visible, dots));
        maskRow(row, start, int(0), visible, columnPanels, true);
        return [];
      });
      e.push([set(row, int(0)), softmaxFour(row, start, int(0), columnPanels)]);
      eachRow((visible, line) => call(addValuesFunction(module, D, v.slot.dtype), add(sumRows, mul(get(row), int(4 * wide))), line, valueRows, int(v.strides[2]! * viewBytes(v)), visible));
    }

    /** The end, on loop axis 3, of the columns that are computed from `low` on; and what axis 3 is at column 0. */
    function columnsEnd(start: Code, low: Code, columnPanels: Code): { stop: Code; origin: Code } {
      const origin = keyStep === 1 ? start : int(0), stop = add(add(origin, low), scaled(columnPanels, 8));
      return { origin, stop: keyStep === 1 ? minimum(int(S), stop) : stop };
    }

    /** Scales a row's products, masks them where they are to be checked, and notes their maximum. */
    function maskRow(row: Local, start: Code, low: Code, visible: Code, columnPanels: Code, checked: boolean): void {
      const query = f.local('i32');
      e.push(set(query, placeOf(get(row))));
      e.bind(2, query);
      const limits = checked ? rowLimits(e, mods, { B, H, T, D, G, S }, get(query), start, visible) : undefined;
      const { origin, stop } = columnsEnd(start, low, columnPanels);
      const lineOrigin = number(sub(add(scoreArea, mul(get(row), int(scoreRow))), mul(origin, int(4))));
      const most = f.local('v128');
      e.push(set(most, splat(f, -Infinity)));
      vectorLoop(e, 3, keyStep === 1 ? S : block, 1, () => {
        const at = add(lineOrigin, e.vectorOffset());
        const key = sub(op('i32.shr_u', e.vectorOffset(), int(2)), origin);
        const { score, valid } = scores(e, mods, load('v128.load', at), key, limits);
        const masked = valid ? named(f, 'v128', e.segment, op('v128.bitselect', score, splat(f, -Infinity), valid)) : score;
        e.push([store('v128.store', at, masked), set(most, op('f32x4.pmax', get(most), masked))]);
      }, { start: number(add(origin, low)), end: number(stop) });
      // not-a-numbers do not reach the maximum; they reach the sum
      const largest = acrossLanes(f, e.segment, get(most), (x, y) => op('f32x4.pmax', x, y));
      e.push(accessLane('v128.store32_lane', add(fresh, mul(get(row), int(4))), largest, 0));
    }

    /** Exponentials of up to four rows from `row` on. */
    function softmaxFour(row: Local, start: Code, low: Code, columnPanels: Code): Code {
      const { origin, stop } = columnsEnd(start, low, columnPanels), place = (base: Code): Code => add(base, mul(get(row), int(4)));
      const columns = sub(stop, add(origin, low));
      return call(softmaxRowsFunction(module, few ? T : 4), add(add(scoreArea, mul(get(row), int(scoreRow))), scaled(low, 4)), int(scoreRow), op('i32.and', add(mul(columns, int(4)), int(12)), int(-16)),
        place(maxima), place(fresh), place(sums), add(sumRows, mul(get(row), int(4 * wide))), int(4 * wide), part === 0 ? start : int(1));
    }

    /** Divides by the sums and writes the rows. */
    function finish(): void {
      const row = f.local('i32');
      e.push(call(softmaxEndsFunction(module), maxima, sums, rows));
      const body = e.scope(() => {
        const query = number(placeOf(get(row)));
        const logarithm = load('i32.load', add(maxima, mul(get(row), int(4))));
        e.push(store('i32.store', viewAddress(context.address(lse.slot), lse, [get(batch), get(head), query]), logarithm));
        const inverse = named(f, 'v128', e.segment, load('v128.load32_splat', add(sums, mul(get(row), int(4)))));
        writeRow(e, viewAddress(context.address(o.slot), o, [get(batch), query, get(head)]), viewBytes(o), D, add(sumRows, mul(get(row), int(4 * wide))), inverse);
      });
      e.push(forRange(row, int(0), rows, int(1), body));
    }
  });
  // Neighbouring heads share cache lines and keys: a thread takes a run of them. With few heads the blocks, which a causal
  // mask makes unequal, are dealt out in turn.
  if (B * H >= 4 * threads || (B * H) % threads === 0) {
    const { start, end } = share(f, f.body, thread, threads, B * H * blocks);
    f.body.push(set(unit, get(start)), whileBelow(unit, get(end), int(1), unitBody));
  } else f.body.push(set(unit, thread), whileBelow(unit, int(B * H * blocks), int(threads), unitBody));
}

/** Writes D floats from `source`, times `factor`, as f32 or f16, or adds them to the f32 that are there; `source` may be read up to the next multiple of four. */
export function writeRow(e: Emitter, target: Code, bytes: number, D: number, source: Code, factor: Code, adds = false): void {
  const { f } = e, at = f.local('i32'), from = f.local('i32');
  const value = (out: Segment, i: number): Code => {
    const product = op('f32x4.mul', load('v128.load', get(from), 16 * i), factor), x = named(f, 'v128', out, adds ? op('f32x4.add', load('v128.load', get(at), 16 * i), product) : product);
    return bytes === 2 ? floatToHalf(f, out, x) : x;
  };
  e.push([set(at, target), set(from, source)]);
  const vectors = Math.floor(D / 4), together = [8, 4, 2, 1].find((n) => vectors % n === 0)!; // many at once, where rows are far apart in memory
  if (vectors) {
    const body: Segment = [], all = Array.from({ length: together }, (_, i) => named(f, 'v128', body, value(body, i)));
    body.push(all.map((x, i) => (bytes === 2 ? accessLane('v128.store64_lane', get(at), x, 0, 8 * i) : store('v128.store', get(at), x, 16 * i))), set(from, add(get(from), int(16 * together))));
    const stop = named(f, 'i32', e.segment, add(get(at), int(4 * vectors * bytes)));
    e.push(whileBelow(at, stop, int(4 * together * bytes), body));
  }
  if (D % 4) {
    const last: Segment = [];
    const x = value(last, 0);
    for (let lane = 0; lane < D % 4; lane++) last.push(accessLane(bytes === 2 ? 'v128.store16_lane' : 'v128.store32_lane', get(at), x, lane, lane * bytes));
    e.push(last);
  }
}

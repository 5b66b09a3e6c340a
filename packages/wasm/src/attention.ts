/**
 * Streaming softmax attention (Dao et al. 2022, arXiv 2205.14135): blocks of 64 queries × 64 keys, a running maximum and
 * sum a row, never a T × S matrix. Blocks above the diagonal are skipped, and strips of 16 rows stop at the diagonal.
 */
import type { View } from '@ashlar/tensor';
import { accessLane, add, call, fillBytes, forRange, get, int, load, minimum, mul, named, op, scaled, set, splat, store, sub, when, whileBelow } from './code.js';
import type { Code, Local, Segment } from './encoder.js';
import { attentionMods, attentionShape, block, clamp, localOf, modSlots, scoreRow, scores, servesAttention, strip, viewAddress, viewBytes } from './attention-rows.js';
import { Emitter } from './emitter.js';
import { addValuesFunction, keyDotsFunction } from './few-queries.js';
import type { EmitContext, WasmKernel } from './fused.js';
import { floatToHalf } from './half.js';
import { mayHold } from './mask-blocks.js';
import type { Interval } from './mask-blocks.js';
import { acrossLanes } from './math.js';
import { share, vectorLoop } from './nest.js';
import { grain, packFunction } from './pack.js';
import { copyRow } from './skinny.js';
import { softmaxEndsFunction, softmaxRowsFunction } from './softmax-rows.js';
import { packedRows, tilesFunction } from './tile.js';

/**
 * Inputs q [B,H,T,D], k and v [B,G,S,D]; outputs o [B,T,H,D] and lse [B,H,T], the logarithm of Σ exp(score) of each row.
 * A row that sees no key gives o = 0 and lse = −infinity.
 */
export const attentionKernel: WasmKernel = {
  when: (request) => servesAttention(request),
  scratch: () => [],
  slots: (kernel) => modSlots(kernel.attributes),
  emit: emitAttention,
};

function emitAttention(context: EmitContext): void {
  const { module, f, kernel, threads, thread, scratch } = context;
  const [q, k, v] = kernel.inputs as [View, View, View], [o, lse] = kernel.outputs as [View, View];
  const { B, H, T, D, G, S } = attentionShape(kernel.inputs);
  if (B * H * T === 0) return;
  const mods = attentionMods(kernel.attributes), { causal } = mods;
  const wide = Math.ceil(D / 8) * 8; // columns of the result, padded
  const e = new Emitter(module, f, mods.interner.slots.map((slot) => localOf(context, slot)));

  const packQ = packFunction(module, 4, grain(q.strides[2]!, q.strides[3]!), q.slot.dtype);
  const packK = packFunction(module, 8, grain(k.strides[2]!, k.strides[3]!), k.slot.dtype);
  const packV = packFunction(module, 8, grain(v.strides[3]!, v.strides[2]!), v.slot.dtype);
  const scoreTiles = tilesFunction(module, packedRows), valueTiles = tilesFunction(module, { row: scoreRow, step: 4 });

  // With few queries, packing keys and values would cost more than using them.
  const few = T <= 4 && k.strides[3] === 1 && v.strides[3] === 1;

  // the thread's working area
  let next = 0;
  const area = (bytes: number): Code => { const at = next; next += bytes; return named(f, 'i32', f.body, add(scratch, int(at))); };
  const queries = area(4 * block * D), keys = area(4 * block * D), values = area(4 * block * wide), result = area(4 * block * wide);
  const scoreArea = area(block * scoreRow), maxima = area(4 * block), fresh = area(4 * block), sums = area(4 * block);

  /** Computes an integer here and names it. */
  const number = (value: Code): Code => named(f, 'i32', e.segment, value);
  const blocks = Math.ceil(T / block);
  const unit = f.local('i32');
  const unitBody = e.scope(() => {
    const pair = number(op('i32.div_u', get(unit), int(blocks)));
    const batch = f.local('i32'), head = f.local('i32');
    e.push([set(batch, op('i32.div_u', pair, int(H))), set(head, op('i32.rem_u', pair, int(H)))]);
    e.bind(0, batch);
    e.bind(1, head);
    const keyHead = number(op('i32.div_u', get(head), int(H / G)));
    const top = number(mul(op('i32.rem_u', get(unit), int(blocks)), int(block)));
    const rows = number(minimum(sub(int(T), top), int(block)));
    const panels = number(op('i32.shr_u', add(rows, int(3)), int(2)));
    const queryRow = (row: Code): Code => viewAddress(context.address(q.slot), q, [get(batch), get(head), add(top, row)]);
    if (few) for (let row = 0; row < T; row++) e.push(call(copyRow(module, q.slot.dtype), add(queries, int(4 * D * row)), queryRow(int(row)), int(q.strides[3]! * viewBytes(q)), int(D)));
    else e.push(call(packQ, queries, viewAddress(context.address(q.slot), q, [get(batch), get(head), top]), int(q.strides[2]! * viewBytes(q)), int(q.strides[3]! * viewBytes(q)), rows, int(D)));
    e.push(fillBytes(result, int(0), scaled(panels, 16 * wide)));
    const r = f.local('i32');
    e.push(forRange(r, int(0), int(4 * block), int(16), [
      store('v128.store', add(maxima, get(r)), splat(f, -Infinity)), store('v128.store', add(sums, get(r)), splat(f, 0)),
    ]));
    /** Keys that the first `count` rows of this block see at most. */
    const reach = (count: Code): Code => (causal ? clamp(add(add(top, count), int(S - T)), int(0), int(S)) : int(S));
    const end = number(reach(rows));
    const first = f.local('i32');
    const keyBody = e.scope(() => {
      const use = e.scope(() => { if (few) fewQueries(get(first), end); else keyBlock(get(first), end); });
      const last = (from: Code, count: Code): Code => number(sub(add(from, count), int(1)));
      const range = (low: Code, high: Code): Interval => ({ low, high });
      e.push(mods.mask ? when(mayHold(f, e.segment, mods.mask, [
        range(get(batch), get(batch)), range(get(head), get(head)), range(top, last(top, rows)),
        range(get(first), last(get(first), minimum(sub(end, get(first)), int(block)))),
      ], e.slots), use) : use);
    });
    e.push(forRange(first, int(0), end, int(block), keyBody));
    finish();

    function keyBlock(start: Code, keyEnd: Code): void {
      const count = number(minimum(sub(keyEnd, start), int(block)));
      e.push(call(packK, keys, viewAddress(context.address(k.slot), k, [get(batch), keyHead, start]), int(k.strides[2]! * viewBytes(k)), int(k.strides[3]! * viewBytes(k)), count, int(D)));
      e.push(call(packV, values, viewAddress(context.address(v.slot), v, [get(batch), keyHead, start]), int(v.strides[3]! * viewBytes(v)), int(v.strides[2]! * viewBytes(v)), int(D), count));
      const from = f.local('i32');
      const stripBody = e.scope(() => {
        const to = number(minimum(add(get(from), int(strip)), rows));
        const visible = number(causal ? clamp(sub(add(add(top, to), int(S - T)), start), int(0), count) : count);
        const inside = e.scope(() => {
          const stripPanels = number(op('i32.shr_u', add(sub(to, get(from)), int(3)), int(2)));
          const line = number(add(scoreArea, mul(get(from), int(scoreRow))));
          const columnPanels = number(op('i32.shr_u', add(visible, int(7)), int(3)));
          e.push(call(scoreTiles, add(queries, mul(get(from), int(4 * D))), keys, line, int(scoreRow), stripPanels, columnPanels, int(D), int(16 * D), int(32 * D), int(0)));
          const row = f.local('i32');
          const rowBody = e.scope(() => { maskRow(row, start, visible, columnPanels); });
          e.push(forRange(row, get(from), to, int(1), rowBody));
          e.push(forRange(row, get(from), to, int(4), softmaxFour(row, start, columnPanels)));
          e.push(call(valueTiles, line, values, add(result, mul(get(from), int(4 * wide))), int(4 * wide), stripPanels, int(wide / 8), visible, int(4 * scoreRow), scaled(count, 32), int(1)));
        });
        e.push(when(op('i32.gt_s', visible, int(0)), inside));
      });
      e.push(forRange(from, int(0), rows, int(strip), stripBody));
    }

    function fewQueries(start: Code, keyEnd: Code): void {
      const count = number(minimum(sub(keyEnd, start), int(block)));
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
        maskRow(row, start, visible, columnPanels);
        return [];
      });
      e.push([set(row, int(0)), softmaxFour(row, start, columnPanels)]);
      eachRow((visible, line) => call(addValuesFunction(module, D, v.slot.dtype), add(result, mul(get(row), int(4 * wide))), line, valueRows, int(v.strides[2]! * viewBytes(v)), visible));
    }

    /** Scales and masks a row's products and notes their maximum. */
    function maskRow(row: Local, start: Code, visible: Code, columnPanels: Code): void {
      const query = f.local('i32');
      e.push(set(query, add(top, get(row))));
      e.bind(2, query);
      const limit = number(causal ? clamp(sub(add(get(query), int(S - T + 1)), start), int(0), visible) : visible);
      const stop = number(minimum(int(S), add(start, scaled(columnPanels, 8))));
      const lineOrigin = number(sub(add(scoreArea, mul(get(row), int(scoreRow))), mul(start, int(4))));
      const most = f.local('v128');
      e.push(set(most, splat(f, -Infinity)));
      vectorLoop(e, 3, S, 1, () => {
        const at = add(lineOrigin, e.vectorOffset());
        const key = sub(op('i32.shr_u', e.vectorOffset(), int(2)), start);
        const { score, valid } = scores(e, mods, load('v128.load', at), key, limit);
        const masked = named(f, 'v128', e.segment, op('v128.bitselect', score, splat(f, -Infinity), valid));
        e.push([store('v128.store', at, masked), set(most, op('f32x4.pmax', get(most), masked))]);
      }, { start, end: stop });
      // not-a-numbers do not reach the maximum; they reach the sum
      const largest = acrossLanes(f, e.segment, get(most), (x, y) => op('f32x4.pmax', x, y));
      e.push(accessLane('v128.store32_lane', add(fresh, mul(get(row), int(4))), largest, 0));
    }

    /** Exponentials of up to four rows from `row` on. */
    function softmaxFour(row: Local, start: Code, columnPanels: Code): Code {
      const stop = minimum(int(S), add(start, scaled(columnPanels, 8))), place = (base: Code): Code => add(base, mul(get(row), int(4)));
      return call(softmaxRowsFunction(module, few ? T : 4), add(scoreArea, mul(get(row), int(scoreRow))), int(scoreRow), op('i32.and', add(mul(sub(stop, start), int(4)), int(12)), int(-16)),
        place(maxima), place(fresh), place(sums), add(result, mul(get(row), int(4 * wide))), int(4 * wide), start);
    }

    /** Divides by the sums and writes the rows. */
    function finish(): void {
      const row = f.local('i32');
      e.push(call(softmaxEndsFunction(module), maxima, sums, rows));
      const body = e.scope(() => {
        const query = number(add(top, get(row)));
        const logarithm = load('i32.load', add(maxima, mul(get(row), int(4))));
        e.push(store('i32.store', viewAddress(context.address(lse.slot), lse, [get(batch), get(head), query]), logarithm));
        const inverse = named(f, 'v128', e.segment, load('v128.load32_splat', add(sums, mul(get(row), int(4)))));
        writeRow(e, viewAddress(context.address(o.slot), o, [get(batch), query, get(head)]), viewBytes(o), D, add(result, mul(get(row), int(4 * wide))), inverse);
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

/** Writes D floats from `source`, times `factor`, as f32 or f16; `source` may be read up to the next multiple of four. */
export function writeRow(e: Emitter, target: Code, bytes: number, D: number, source: Code, factor: Code): void {
  const { f } = e, at = f.local('i32'), from = f.local('i32');
  const value = (out: Segment, offset = 0): Code => {
    const x = named(f, 'v128', out, op('f32x4.mul', load('v128.load', get(from), offset), factor));
    return bytes === 2 ? floatToHalf(f, out, x) : x;
  };
  e.push([set(at, target), set(from, source)]);
  const whole = Math.floor(D / 4) * 4;
  if (whole) {
    const body: Segment = [];
    const x = value(body);
    body.push(bytes === 2 ? accessLane('v128.store64_lane', get(at), x, 0) : store('v128.store', get(at), x), set(from, add(get(from), int(16))));
    const stop = named(f, 'i32', e.segment, add(get(at), int(whole * bytes)));
    e.push(whileBelow(at, stop, int(4 * bytes), body));
  }
  if (D % 4) {
    const last: Segment = [];
    const x = value(last);
    for (let lane = 0; lane < D % 4; lane++) last.push(accessLane(bytes === 2 ? 'v128.store16_lane' : 'v128.store32_lane', get(at), x, lane, lane * bytes));
    e.push(last);
  }
}

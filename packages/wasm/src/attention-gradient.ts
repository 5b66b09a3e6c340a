/**
 * Gradient of streaming attention: scores are computed again from q, k and the saved log-sum-exp, block by block.
 * One thread owns a key head of a batch entry with all its query heads, so that every sum has one order.
 */
import type { DType, View } from '@ashlar/tensor';
import { add, call, fillBytes, forRange, get, int, load, minimum, mul, multiplyAdd, named, op, repeat, scaled, set, splat, store, sub, when, whileBelow } from './code.js';
import type { Code, Local, Segment } from './encoder.js';
import { attentionMods, attentionNote, attentionShape, block, clamp, eachBlock, greater, keyPlaces, keysUpTo, localOf, maskOf, meets, modSlots, queryPlaces, rowLimits, scoreRow, scores, servesAttention, strip, stripHeight, trimColumns, viewAddress, viewBytes } from './attention-rows.js';
import type { AttentionMods } from './attention-rows.js';
import { writeRow } from './attention.js';
import { Emitter } from './emitter.js';
import type { EmitContext, WasmKernel } from './fused.js';
import { firstKey } from './keys-apart.js';
import { expNonPositive } from './math.js';
import { share, vectorLoop } from './nest.js';
import { packFunction, rowsFunction } from './pack.js';
import { addAcross } from './skinny.js';
import { finishTables, tableScratch, TableSums } from './table-gradient.js';
import { tilesFunction } from './tile.js';

/**
 * Inputs q [B,H,T,D], k and v [B,G,S,D], o [B,T,H,D], lse [B,H,T], dO [B,T,H,D]; outputs dq [B,T,H,D], dk and dv
 * [B,S,G,D], then the gradients of tables that the score mod reads. Scratch: Σ o dO of each row [B,H,T], then f32 sums of
 * gradients that are halves.
 */
export const attentionGradientKernel: WasmKernel = {
  when: servesAttention,
  scratch: (request) => {
    const shape = attentionShape(request.inputs), { B, H, T, D, G, S } = shape;
    const sums = [4 * B * H * T * D, 4 * B * G * S * D, 4 * B * G * S * D].slice(0, sumsInScratch(request.outputs[0]!.dtype, attentionMods(request.attributes, shape).length));
    return [4 * B * H * roomOfRows(T), ...sums, ...tableScratch(request)];
  },
  note: attentionNote,
  slots: (kernel) => modSlots(kernel.attributes),
  emit: emitGradient,
  finish: (kernel) => finishTables(kernel, 1 + sumsInScratch(kernel.outputs[0]!.slot.dtype, attentionMods(kernel.attributes, attentionShape(kernel.inputs)).length)),
};

/** Numbers of a row each, in whole vectors. */
const roomOfRows = (T: number): number => Math.ceil(T / 4) * 4;

/** How many of dq, dk and dv are summed in f32 scratch: of halves those to which more than one block of scores adds. */
const sumsInScratch = (dtype: DType, parts: number): number => (dtype !== 'f16' ? 0 : parts > 1 ? 3 : 1);

function emitGradient(context: EmitContext): void {
  const { module, f, kernel, threads, thread, scratch } = context;
  const [q, k, v, o, lse, dO] = kernel.inputs as [View, View, View, View, View, View];
  const [dq, dk, dv] = kernel.outputs as [View, View, View];
  const { B, H, T, D, G, S } = attentionShape(kernel.inputs), perKey = H / G;
  if (B * H === 0) return;
  const parts = attentionMods(kernel.attributes, attentionShape(kernel.inputs)), { causal } = parts[0]!;
  const wide = Math.ceil(D / 8) * 8;
  /** Packs rows of a view as a left operand, or as a right one with D for columns, k = rows. */
  const packRows = (view: View) => rowsFunction(module, D, view.strides[3] === 1, view.slot.dtype);
  /** Packs rows as a right operand with the rows for columns, k = D. */
  const packDeep = packFunction(module, 8, 'along', 'f32');
  const stride = (view: View, axis: number, step = 1): Code => int(view.strides[axis]! * viewBytes(view) * step);
  const scoreTiles = tilesFunction(module, { row: 4 * wide, step: 4 }), rowTiles = tilesFunction(module, { row: scoreRow, step: 4 }, 4 * wide), columnTiles = tilesFunction(module, { row: 4, step: scoreRow }, 4 * wide);

  let next = 0;
  const area = (bytes: number): Code => { const at = next; next += bytes; return named(f, 'i32', f.body, add(scratch, int(at))); };
  const [keysDeep, valuesDeep] = [0, 1].map(() => area(4 * block * D)) as [Code, Code];
  const [keyRows, queryRows, upstreamRows, outputRows, dkBlock, dvBlock] = [0, 1, 2, 3, 4, 5].map(() => area(4 * block * wide)) as [Code, Code, Code, Code, Code, Code];
  const dqBlock = outputRows; // its rows are read before the first gradient is written
  const weights = area(block * scoreRow), slopes = area(block * scoreRow);
  /** Where the Σ o dO of a head's rows begin. */
  const deltasOf = (batch: Code, head: Code): Code => add(context.address(kernel.scratch[0]!), mul(add(mul(batch, int(H)), head), int(4 * roomOfRows(T))));
  const sums = [dq, dk, dv].map((view, i) => (i < sumsInScratch(dq.slot.dtype, parts.length) ? kernel.scratch[1 + i] : undefined));
  /** f32 row of the sums of dq (0), dk (1) or dv (2), as far as they are f32. */
  const sumRow = (which: 0 | 1 | 2, batch: Code, place: Code, head: Code): Code => {
    const [length, heads] = which === 0 ? [T, H] : [S, G], slot = sums[which];
    return add(context.address(slot ?? [dq, dk, dv][which]!.slot), mul(add(mul(add(mul(batch, int(length)), place), int(heads)), head), int(4 * D)));
  };
  const tables = kernel.scratch.slice(1 + sums.filter((slot) => slot !== undefined).length).map((slot) => context.address(slot));

  const unit = f.local('i32'), batch = f.local('i32'), keyHead = f.local('i32'), firstHead = f.local('i32');
  const unitBody: Segment = [
    set(batch, op('i32.div_u', get(unit), int(G))), set(keyHead, op('i32.rem_u', get(unit), int(G))), set(firstHead, mul(get(keyHead), int(perKey))),
    fillBytes(deltasOf(get(batch), get(firstHead)), int(-1), int(4 * perKey * roomOfRows(T))),
    ...parts.map((mods, part) => emitPart(mods, part)),
  ];
  const whole = new Emitter(module, f, []);
  sums.forEach((slot, which) => {
    if (!slot) return;
    const view = [dq, dk, dv][which]!, [length, first, heads] = which === 0 ? [T, firstHead, perKey] : [S, keyHead, 1] as const, place = f.local('i32');
    const body = whole.scope(() => { writeRow(whole, viewAddress(context.address(view.slot), view, [get(batch), get(place), get(first)]), 2, D * heads, named(f, 'i32', whole.segment, sumRow(which as 0 | 1 | 2, get(batch), get(place), get(first))), splat(f, 1)); });
    unitBody.push(forRange(place, int(0), int(length), int(1), body));
  });
  const { start, end } = share(f, f.body, thread, threads, B * G);
  f.body.push(set(unit, get(start)), whileBelow(unit, get(end), int(1), unitBody));

  /** What a unit does with the scores of a part. */
  function emitPart(mods: AttentionMods, part: number): Segment {
    const { queryStep, keyStep } = mods, isLast = part === parts.length - 1;
    const e = new Emitter(module, f, mods.interner.slots.map((slot) => localOf(context, slot))), tableSums = new TableSums(e, kernel, tables, mods.tables);
    const number = (value: Code): Code => named(f, 'i32', e.segment, value);
    const queryPlace = (top: Code, row: Code): Code => add(top, queryStep === 1 ? row : mul(row, int(queryStep)));
    const keyPlace = (start: Code, key: Code): Code => add(start, keyStep === 1 ? key : mul(key, int(keyStep)));
    const member = f.local('i32');
    /** Where the gradient of a key (0) or value (1) is summed. */
    const keySum = (which: 0 | 1, row: Code): { address: Code; bytes: number } => {
      const view = which === 0 ? dk : dv;
      return sums[which + 1] ? { address: sumRow(which === 0 ? 1 : 2, get(batch), row, get(keyHead)), bytes: 4 } : { address: viewAddress(context.address(view.slot), view, [get(batch), row, get(keyHead)]), bytes: viewBytes(view) };
    };
    return e.scope(() => {
      e.bind(0, batch);
      tableSums.begin(get(unit), get(batch), get(keyHead), part > 0);
      // keys that no score of the first part can have
      const place = f.local('i32'), [first, beyond] = mods.keyRemainders;
      if (part === 0 && beyond - first < keyStep) e.push(forRange(place, int(0), int(S), int(1), [dk, dv].map((view, i) => { const { address, bytes } = keySum(i as 0 | 1, get(place)); return fillBytes(address, int(0), int(D * bytes)); })));
      eachBlock(e, keyPlaces(mods), int(S), (start, count) => {
        if (keyStep > 1) { e.push(set(place, start)); e.bind(firstKey, place); }
        keyBlock(start, count);
      });
      const unseen = e.scope(() => {
        const head = number(add(get(firstHead), get(member)));
        eachBlock(e, queryPlaces(mods), int(T), (top, rows) => {
          const deltas = deltasOf(get(batch), head);
          const begin = e.scope(() => {
            if (isLast) { e.push(zeroRows(head, top, rows)); return; }
            e.push(call(packRows(dO), upstreamRows, viewAddress(context.address(dO.slot), dO, [get(batch), top, head]), stride(dO, 1, queryStep), stride(dO, 3), rows));
            rowDots(head, deltas, top, rows);
          });
          e.push(when(isFirst(deltas, top), begin));
        });
      });
      // a later part begins no rows
      if (part === 0) e.push(forRange(member, int(0), int(perKey), int(1), unseen));
    });

    function keyBlock(start: Code, count: Code): void {
      const panels = number(op('i32.shr_u', add(count, int(3)), int(2)));
      const place = (view: View): Code => viewAddress(context.address(view.slot), view, [get(batch), get(keyHead), start]);
      for (const [view, rows, deep] of [[v, outputRows, valuesDeep], [k, keyRows, keysDeep]] as const) {
        e.push(call(packRows(view), rows, place(view), stride(view, 2, keyStep), stride(view, 3), count));
        e.push(call(packDeep, deep, rows, int(4 * wide), int(4), count, int(D)));
      }
      e.push([dkBlock, dvBlock].map((sum) => fillBytes(sum, int(0), scaled(panels, 16 * wide))));
      const head = f.local('i32');
      const memberBody = e.scope(() => {
        e.push(set(head, add(get(firstHead), get(member))));
        e.bind(1, head);
        // queries that see a key of this block at most; the first one that sees key `start` is start + T − S
        const near = meets(mods, 'key', start, number(keyPlace(start, sub(count, int(1))))), end = near.high ? number(clamp(number(add(near.high, int(1))), int(0), int(T))) : int(T);
        const from = [...(causal ? [number(add(start, int(T - S)))] : []), ...(near.low ? [number(near.low)] : [])];
        eachBlock(e, queryPlaces(mods, start), end, (top, rows) => {
          const state = maskOf(e, mods, { batch: get(batch), head: get(head), top, rows, start, columns: count });
          const use = e.scope(() => { queryBlock(start, count, panels, head, top, rows, state.fails); });
          e.push(mods.placedMask ? when(state.holds, use) : use);
        }, {
          size: int(T), ...(from.length > 0 && { from: number(clamp(from.reduce(greater), int(0), int(T))) }),
          wanted: mods.bounded ? undefined : (top, rows) => maskOf(e, mods, { batch: get(batch), head: get(head), top, rows, start, columns: count }).holds,
        });
      });
      e.push(forRange(member, int(0), int(perKey), int(1), memberBody));
      const key = f.local('i32');
      const writeBody = e.scope(() => {
        const row = number(keyPlace(start, get(key)));
        [dkBlock, dvBlock].forEach((source, i) => {
          const { address, bytes } = keySum(i as 0 | 1, row);
          writeRow(e, address, bytes, D, add(source, mul(get(key), int(4 * wide))), splat(f, 1), part > 0);
        });
      });
      e.push(forRange(key, int(0), count, int(1), writeBody));
    }

    function queryBlock(start: Code, count: Code, keyPanels: Code, head: Local, top: Code, rows: Code, mixed: Code): void {
      const [qPlace, gPlace] = [viewAddress(context.address(q.slot), q, [get(batch), get(head), top]), viewAddress(context.address(dO.slot), dO, [get(batch), top, get(head)])].map(number) as [Code, Code];
      const deltas = number(deltasOf(get(batch), get(head)));
      e.push(call(packRows(q), queryRows, qPlace, stride(q, 2, queryStep), stride(q, 3), rows));
      e.push(call(packRows(dO), upstreamRows, gPlace, stride(dO, 1, queryStep), stride(dO, 3), rows));
      const first = e.scope(() => { rowDots(get(head), deltas, top, rows); });
      if (part === 0) e.push(when(isFirst(deltas, top), first));
      const from = f.local('i32'), low = f.local('i32'), high = f.local('i32');
      const seenBy = (row: Code): Code => (causal ? clamp(keysUpTo(mods, add(queryPlace(top, row), int(S - T)), start), int(0), count) : count);
      const height = number(stripHeight(mixed, seenBy(int(0)), count));
      // bit 8 c + r: the eight rows from 8 r on have scores that may count in the eight columns from 8 c on
      const touched = f.local('i64'), long = (x: Code): Code => op('i64.extend_i32_u', x);
      e.push(set(touched, long(int(0))));
      const stripBody = e.scope(() => {
        const to = number(minimum(add(get(from), height), rows));
        const visible = number(seenBy(sub(to, int(1))));
        trimColumns(e, mods, { batch: get(batch), head: get(head), top: number(queryPlace(top, get(from))), rows: number(sub(to, get(from))), start }, visible, mixed, low, high);
        const offset = number(mul(get(from), int(scoreRow)));
        const inside = e.scope(() => {
          const stripPanels = number(op('i32.shr_u', add(sub(to, get(from)), int(3)), int(2)));
          const columnPanels = number(op('i32.shr_u', add(sub(get(high), get(low)), int(7)), int(3)));
          // a byte for each eight columns from `low` to `high`, with the strip's rows in it
          const bytes = (columns: Code): Code => op('i64.sub', op('i64.shl', op('i64.shl', long(int(1)), long(scaled(columns, 4))), long(scaled(columns, 4))), long(int(1)));
          const first = number(op('i32.shr_u', get(low), int(3))), columns = op('i64.sub', bytes(add(first, columnPanels)), bytes(first));
          const strips = named(f, 'i64', e.segment, long(op('i32.shl', op('select', int(0x03030303), int(0x01010101), op('i32.eq', height, int(strip))), op('i32.shr_u', get(from), int(3)))));
          e.push(set(touched, op('i64.or', get(touched), op('i64.and', columns, op('i64.or', strips, op('i64.shl', strips, long(int(32))))))));
          const place = number(add(offset, scaled(get(low), 4)));
          for (const [left, right, target] of [[queryRows, keysDeep, weights], [upstreamRows, valuesDeep, slopes]] as const) {
            e.push(call(scoreTiles, add(left, mul(get(from), int(4 * wide))), add(right, mul(get(low), int(4 * D))), add(target, place), int(scoreRow), stripPanels, columnPanels, int(D), int(16 * wide), int(32 * D), int(0)));
          }
          const row = f.local('i32');
          const eachRow = (checked: boolean): Segment => {
            const body = e.scope(() => { gradientRow(row, start, get(low), get(high), columnPanels, head, top, deltas, checked); });
            return [forRange(row, get(from), to, int(1), body)];
          };
          // whether every score of a whole block counts
          const open = op('i32.and', op('i32.eqz', mixed), op('i32.eq', seenBy(get(from)), int(block)));
          e.push(when(open, eachRow(false), eachRow(true)));
          e.push(call(rowTiles, add(slopes, place), add(keyRows, mul(get(low), int(4 * wide))), add(dqBlock, mul(get(from), int(4 * wide))), int(4 * wide), stripPanels, int(wide / 8), sub(get(high), get(low)), int(4 * scoreRow), int(32), int(0)));
          addRows(get(from), to, head, top);
        });
        e.push(when(op('i32.lt_s', get(low), get(high)), inside));
      });
      e.push(forRange(from, int(0), rows, height, stripBody));
      const column = f.local('i32'), strips = f.local('i32');
      const columnBody = e.scope(() => {
        e.push(set(strips, op('i32.and', op('i32.wrap_i64', op('i64.shr_u', get(touched), long(get(column)))), int(255))));
        const run = e.scope(() => {
          const above = number(add(get(strips), op('i32.and', get(strips), sub(int(0), get(strips))))); // its lowest bit is where the lowest run of ones ends
          const row = number(scaled(op('i32.ctz', get(strips)), 8)), length = number(sub(minimum(rows, scaled(op('i32.ctz', above), 8)), row));
          const panels = number(minimum(op('i32.shr_u', height, int(2)), sub(keyPanels, op('i32.shr_u', get(column), int(2)))));
          const offset = number(add(mul(row, int(scoreRow)), scaled(get(column), 4)));
          for (const [left, right, target] of [[weights, upstreamRows, dvBlock], [slopes, queryRows, dkBlock]] as const) {
            e.push(call(columnTiles, add(left, offset), add(right, mul(row, int(4 * wide))), add(target, mul(get(column), int(4 * wide))), int(4 * wide), panels, int(wide / 8), length, int(16), int(32), int(1)));
          }
          e.push(set(strips, op('i32.and', get(strips), above)));
        });
        e.push(when(get(strips), repeat(run, get(strips))));
      });
      e.push(forRange(column, int(0), count, height, columnBody));
    }

    /** Whether no key has seen the block of queries that begins at `top` yet: its Σ o dO is the bits that the unit begins with. */
    function isFirst(deltas: Code, top: Code): Code {
      return op('i32.eq', load('i32.load', add(deltas, scaled(top, 4))), int(-1));
    }

    /** Begins the gradients of a block of queries. */
    function zeroRows(head: Code, top: Code, rows: Code): Code {
      const row = f.local('i32'), at = f.local('i32'), end = f.local('i32');
      return forRange(row, int(0), rows, int(1), [
        set(at, sumRow(0, get(batch), queryPlace(top, get(row)), head)), set(end, add(get(at), int(16 * Math.floor(D / 4)))),
        whileBelow(at, get(end), int(16), store('v128.store', get(at), splat(f, 0))),
        Array.from({ length: D % 4 }, (_, i) => store('i32.store', get(end), int(0), 4 * i)),
      ]);
    }

    /** Begins a block of queries, whose dO is there: Σ_d o · dO of its rows, four rows at a time, and gradients of 0. */
    function rowDots(head: Code, deltas: Code, top: Code, rows: Code): void {
      e.push(call(packRows(o), outputRows, viewAddress(context.address(o.slot), o, [get(batch), top, head]), stride(o, 1, queryStep), stride(o, 3), rows));
      const row = f.local('i32'), at = f.local('i32'), end = f.local('i32'), sum = [0, 1, 2, 3].map(() => f.local('v128')), four: Segment = [];
      const inner = sum.map((one, i) => set(one, multiplyAdd(f, load('v128.load', add(outputRows, get(at)), 4 * wide * i), load('v128.load', add(upstreamRows, get(at)), 4 * wide * i), get(one))));
      four.push(sum.map((one) => set(one, splat(f, 0))), set(at, mul(get(row), int(4 * wide))), set(end, add(get(at), int(4 * wide))), whileBelow(at, get(end), int(16), inner));
      four.push(store('v128.store', add(weights, scaled(get(row), 4)), addAcross(f, four, sum.map(get))));
      e.push(forRange(row, int(0), rows, int(4), four));
      e.push(forRange(row, int(0), rows, int(1), store('i32.store', add(deltas, scaled(queryPlace(top, get(row)), 4)), load('i32.load', add(weights, scaled(get(row), 4))))));
      e.push(zeroRows(head, top, rows));
    }

    /**
     * Turns a row of products into weights p = exp(score − lse) and slopes p · (dO·v − delta) · scale · ∂score; 0 where
     * not visible, if that is to be checked.
     */
    function gradientRow(row: Local, start: Code, low: Code, visible: Code, columnPanels: Code, head: Local, top: Code, deltas: Code, checked: boolean): void {
      const position = f.local('i32');
      e.push(set(position, queryPlace(top, get(row))));
      e.bind(2, position);
      const limits = checked ? rowLimits(e, mods, attentionShape(kernel.inputs), get(position), start, visible) : undefined;
      const origin = keyStep === 1 ? start : int(0), end = number(add(low, scaled(columnPanels, 8)));
      const stop = number(keyStep === 1 ? minimum(int(S), add(origin, end)) : end);
      const rows = [weights, slopes].map((at) => number(add(at, mul(get(row), int(scoreRow))))), lines = rows.map((at) => number(sub(at, mul(origin, int(4))))) as [Code, Code];
      const logSum = named(f, 'v128', e.segment, load('v128.load32_splat', viewAddress(context.address(lse.slot), lse, [get(batch), get(head), get(position)])));
      const delta = named(f, 'v128', e.segment, load('v128.load32_splat', add(deltas, scaled(get(position), 4))));
      tableSums.addRow((addTerms) => {
        vectorLoop(e, 3, keyStep === 1 ? S : block, 1, () => {
          const at = lines.map((line) => number(add(line, e.vectorOffset()))) as [Code, Code];
          const key = sub(op('i32.shr_u', e.vectorOffset(), int(2)), origin);
          const { score, valid } = scores(e, mods, load('v128.load', at[0]), key, limits);
          const difference = op('f32x4.sub', score, logSum);
          const p = expNonPositive(f, e.segment, valid ? op('v128.bitselect', difference, splat(f, -Infinity), valid) : difference);
          const d = named(f, 'v128', e.segment, op('f32x4.mul', p, op('f32x4.sub', load('v128.load', at[1]), delta)));
          const inner = op('f32x4.mul', d, splat(f, mods.scale)), slope = mods.slope ? op('f32x4.mul', inner, e.value(mods.slope)) : inner;
          addTerms(d, valid);
          e.push([store('v128.store', at[0], p), store('v128.store', at[1], valid ? op('v128.and', slope, valid) : slope)]);
        }, { start: number(add(origin, low)), end: stop });
      });
    }

    /** Adds the strip's query gradient to the rows of the result. */
    function addRows(from: Code, to: Code, head: Local, top: Code): void {
      const row = f.local('i32');
      const body = e.scope(() => { writeRow(e, sumRow(0, get(batch), queryPlace(top, get(row)), get(head)), 4, D, add(dqBlock, mul(get(row), int(4 * wide))), splat(f, 1), true); });
      e.push(forRange(row, from, to, int(1), body));
    }
  }
}

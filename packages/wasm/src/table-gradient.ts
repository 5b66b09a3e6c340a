/**
 * Gradients of the tables that a score mod reads. A unit of work (a key head of a batch entry) sums into a window of its
 * own, the positions that its scores may read; then, when all are done, the windows are added up in the order of units.
 */
import type { AttentionTable, FusedKernel, FusedRequest } from '@ashlar/tensor';
import { rangeOfExpression } from '@ashlar/tensor';
import { accessLane, add, fillBytes, get, int, load, mul, named, op, scaled, set, splat, splatInt, store, sub, vectorConstant, when, whileBelow, forRange } from './code.js';
import type { Code, Local, Segment } from './encoder.js';
import { attentionShape } from './attention-rows.js';
import type { AttentionShape, TableReads } from './attention-rows.js';
import { strideAlong } from './emitter.js';
import type { Emitter } from './emitter.js';
import type { EmitContext } from './fused.js';
import { floatToHalf } from './half.js';
import { acrossLanes } from './math.js';
import { share } from './nest.js';

/** Positions base + batch · b + head · g … + width − 1 of a table: what the scores of batch entry b and key head g may read. */
interface Window { readonly base: number; readonly batch: number; readonly head: number; readonly width: number }

/** f32 places of a unit's window in the scratch: with room for a vector at its last place. */
const room = ({ width }: Window): number => Math.ceil(width / 4) * 4 + 4;

const tablesOf = (attributes: FusedRequest['attributes'], input: number): AttentionTable[] =>
  ((attributes['tables'] ?? []) as readonly AttentionTable[]).filter((table) => table.input === input);

function windowOf(tables: readonly AttentionTable[], size: number, { B, H, T, G, S }: AttentionShape): Window {
  const perKey = H / G, whole: Window = { base: 0, batch: 0, head: 0, width: size };
  const ranges = Array.from({ length: B * G }, (_, unit) => {
    const b = Math.floor(unit / G), h = (unit % G) * perKey;
    const axes = [{ low: b, high: b }, { low: h, high: h + perKey - 1 }, { low: 0, high: T - 1 }, { low: 0, high: S - 1 }];
    const found = tables.map(({ position }) => rangeOfExpression({ kind: 'index', dtype: 'i32', index: position }, axes));
    return { low: Math.max(0, Math.min(...found.map(({ low }) => low))), high: Math.min(size - 1, Math.max(...found.map(({ high }) => high))) };
  });
  const base = ranges[0]!.low, head = G > 1 ? ranges[1]!.low - base : 0, batch = B > 1 ? ranges[G]!.low - base : 0;
  const even = ranges.every(({ low }, unit) => low === base + batch * Math.floor(unit / G) + head * (unit % G));
  return even ? { base, batch, head, width: Math.max(1, ...ranges.map(({ low, high }) => high - low + 1)) } : whole;
}

/** The windows of the tables in `differentiate`, in its order. */
function windowsOf(attributes: FusedRequest['attributes'], inputs: readonly { readonly shape: readonly number[] }[]): Window[] {
  const shape = attentionShape(inputs);
  return ((attributes['differentiate'] ?? []) as readonly number[]).map((input) => {
    const tables = tablesOf(attributes, input), size = inputs[input]!.shape.reduce((product, n) => product * n, 1);
    return tables.length > 0 && shape.B * shape.H * shape.T * shape.S > 0 ? windowOf(tables, size, shape) : { base: 0, batch: 0, head: 0, width: 0 };
  });
}

/** Bytes of a scratch slot for each table that wants a gradient. */
export function tableScratch({ attributes, inputs }: Pick<FusedRequest, 'attributes' | 'inputs'>): number[] {
  const { B, G } = attentionShape(inputs);
  return windowsOf(attributes, inputs).map((window) => 4 * B * G * room(window));
}

/** The sums of one unit: call `begin` before its first score, `addRow` around each row. */
export class TableSums {
  private readonly windows: readonly Window[];
  private readonly bases: readonly Local[];
  private readonly lows: readonly Local[];

  /** `scratch[i]` is the address of the windows of table number i, `reads` where the scores read those tables. */
  constructor(private readonly e: Emitter, kernel: FusedKernel, private readonly scratch: readonly Code[], private readonly reads: readonly TableReads[]) {
    this.windows = windowsOf(kernel.attributes, kernel.inputs);
    [this.bases, this.lows] = [this.windows.map(() => e.f.local('i32')), this.windows.map(() => e.f.local('i32'))];
  }

  /** Begins a unit: its sums are 0, or with `goOn` what they are. */
  begin(unit: Code, batch: Code, keyHead: Code, goOn: boolean): void {
    this.windows.forEach((window, i) => {
      const at = named(this.e.f, 'i32', this.e.segment, add(this.scratch[i]!, mul(unit, int(4 * room(window)))));
      this.e.push([
        goOn ? [] : fillBytes(at, int(0), int(4 * room(window))),
        set(this.lows[i]!, add(int(window.base), add(mul(batch, int(window.batch)), mul(keyHead, int(window.head))))),
        set(this.bases[i]!, sub(at, scaled(get(this.lows[i]!), 4))),
      ]);
    });
  }

  /**
   * Sums for a row of scores. Within `build`, give each vector of four keys: `d` is the gradient of the score after its
   * mod and `valid` says which count; undefined: all.
   */
  addRow(build: (each: (d: Code, valid: Code | undefined) => void) => void): void {
    const { e } = this, { f } = e;
    const rows = this.reads.map((read) => (this.alongKeys(read) === 0 ? f.local('v128') : undefined));
    for (const row of rows) if (row) e.push(set(row, splat(f, 0)));
    build((d, valid) => {
      this.reads.forEach((read, i) => {
        const counts = [valid, read.guard && e.value(read.guard)].filter((one) => one !== undefined), row = rows[i];
        const term = named(f, 'v128', e.segment, counts.reduce<Code>((x, y) => op('v128.and', x, y), op('f32x4.mul', d, e.value(read.coefficient))));
        if (row) e.push(set(row, op('f32x4.add', get(row), term)));
        else this.scatter(read, term);
      });
    });
    this.reads.forEach((read, i) => {
      const row = rows[i];
      if (row) this.addOne(this.address(read, 0), acrossLanes(f, e.segment, get(row), (x, y) => op('f32x4.add', x, y)), 0, e.segment);
    });
  }

  /** How far positions move from key to key. Under a guard, which lets some lanes touch nothing, they are taken one by one. */
  private alongKeys(read: TableReads): number | 'irregular' {
    const stride = strideAlong(read.position, 3);
    return read.guard && stride !== 0 ? 'irregular' : stride;
  }

  private address({ table, position, guard }: TableReads, lane: number): Code {
    const { f, segment } = this.e, low = get(this.lows[table]!);
    const at = named(f, 'i32', segment, this.e.integer(position, 0, lane));
    const inside = guard ? op('select', at, low, op('i32.lt_u', sub(at, low), int(this.windows[table]!.width))) : at;
    return named(f, 'i32', segment, add(get(this.bases[table]!), scaled(inside, 4)));
  }

  /** Adds a lane of `x` at an address. */
  private addOne(address: Code, x: Code, lane: number, out: Segment): void {
    out.push(accessLane('v128.store32_lane', address, op('f32x4.add', x, load('v128.load32_splat', address)), lane));
  }

  private scatter(read: TableReads, term: Code): void {
    const { e } = this, { f } = e;
    if (this.alongKeys(read) === 1) {
      const at = this.address(read, 0);
      e.push(store('v128.store', at, op('f32x4.add', load('v128.load', at), term)));
      return;
    }
    const places = Array.from({ length: e.lanes }, (_, lane) => this.address(read, lane)), [first, ...others] = places as [Code, ...Code[]];
    const apart: Segment = [], together: Segment = [];
    places.forEach((at, lane) => { this.addOne(at, term, lane, apart); });
    if (e.lanes < 4) { e.push(apart); return; }
    // keys far away often share a place: one addition, which the next one need not wait for four times
    this.addOne(first, acrossLanes(f, together, term, (x, y) => op('f32x4.add', x, y)), 0, together);
    e.push(when(others.map((at) => op('i32.xor', first, at)).reduce((x, y) => op('i32.or', x, y)), apart, together));
  }
}

/** The code that adds up the windows of all units, when every thread has done its own; undefined where no table wants a gradient. */
export function finishTables(kernel: FusedKernel, scratchFrom: number): ((context: EmitContext) => void) | undefined {
  const windows = windowsOf(kernel.attributes, kernel.inputs), { B, G } = attentionShape(kernel.inputs);
  if (windows.length === 0) return undefined;
  return (context) => {
    windows.forEach((window, i) => { addWindows(context, window, { B, G }, context.address(kernel.scratch[scratchFrom + i]!), kernel.outputs[3 + i]!.slot); });
  };
}

function addWindows({ f, threads, thread, address }: EmitContext, window: Window, { B, G }: { readonly B: number; readonly G: number }, parts: Code, out: FusedKernel['outputs'][number]['slot']): void {
  const half = out.dtype === 'f16', bytes = half ? 2 : 4;
  const chunk = f.local('i32'), place = f.local('i32'), part = f.local('i32'), b = f.local('i32'), g = f.local('i32'), offset = f.local('i32'), sum = f.local('v128');
  const lanes = get(f.shared('lanes0123', 'v128', () => vectorConstant([0, 1, 2, 3])));
  const inside = op('i32x4.lt_u', op('i32x4.add', op('i32x4.splat', get(offset)), lanes), splatInt(f, window.width));
  const unit: Code = [
    set(offset, sub(get(place), add(int(window.base), add(mul(get(b), int(window.batch)), mul(get(g), int(window.head)))))),
    when(op('i32.lt_u', add(get(offset), int(3)), int(window.width + 3)),
      set(sum, op('f32x4.add', get(sum), op('v128.and', load('v128.load', add(get(part), scaled(get(offset), 4))), inside)))),
    set(part, add(get(part), int(4 * room(window)))),
  ];
  const body: Segment = [set(place, mul(get(chunk), int(4))), set(sum, splat(f, 0)), set(part, parts)];
  if (window.width > 0) body.push(forRange(b, int(0), int(B), int(1), forRange(g, int(0), int(G), int(1), unit)));
  const value = named(f, 'v128', body, half ? floatToHalf(f, body, get(sum)) : get(sum)), at = named(f, 'i32', body, add(address(out), scaled(get(place), bytes)));
  const lanesTo = (count: number): Code => Array.from({ length: count }, (_, lane) => accessLane(half ? 'v128.store16_lane' : 'v128.store32_lane', at, value, lane, lane * bytes));
  const whole = half ? accessLane('v128.store64_lane', at, value, 0) : store('v128.store', at, value);
  body.push(out.size % 4 ? when(op('i32.eq', get(place), int(out.size - (out.size % 4))), lanesTo(out.size % 4), whole) : whole);
  const { start, end } = share(f, f.body, thread, threads, Math.ceil(out.size / 4));
  f.body.push(set(chunk, get(start)), whileBelow(chunk, get(end), int(1), body));
}

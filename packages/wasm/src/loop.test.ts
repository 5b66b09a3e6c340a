import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Expression, Index, Slot } from '@ashlar/tensor';
import { decode, fromHalf, toHalf } from '@ashlar/tensor';
import { openDevice } from './device.js';
import type { WasmDevice } from './device.js';
import { affine, binary, cast, constant, data, distance, input, load, loop, numbers, output, plan, reduced, runOnce, slot, unary, variants } from './test/hand-made.js';

describe.each(variants)('threads $threads, relaxed SIMD $relaxedSimd', (options) => {
  let device: WasmDevice;
  beforeAll(async () => { device = await openDevice({ ...options, poison: true, divide: true }); });
  afterAll(() => device.close());

  test('element-wise at sizes around the vector width, and none', async () => {
    for (const n of [0, 1, 2, 3, 4, 5, 7, 8, 63, 65, 4099, 50_001]) {
      const x = data('f32', n, n), from = input(0, 'f32', n), to = output(0, 'f32', n);
      const at = load(from, affine(0, 1));
      const kernel = loop([n], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: binary('mul', at, binary('add', at, constant(2))) }] });
      const [got] = await runOnce(device, plan([kernel], { inputs: [from], outputs: [to] }), [x.host]);
      expect(distance(got!, x.numbers.map((v) => v * (v + 2)))).toBeLessThan(1e-6);
    }
  });

  test('strided, reversed, broadcast and permuted operands', async () => {
    const [R, C] = [37, 29];
    const a = data('f32', R * C, 1), b = data('f32', C * 3, 2);
    const [x, y] = [input(0, 'f32', R * C), input(1, 'f32', C * 3)], to = output(0, 'f32', R * C);
    // out[c, r] = a[r, c] − b[C − 1 − c] strided by 3, written transposed
    const kernel = loop([R, C], 2, { outerStores: [{ slot: to, index: affine(0, 1, R), value: binary('sub', load(x, affine(0, C, 1)), load(y, affine(3 * (C - 1), 0, -3))) }] });
    const [got] = await runOnce(device, plan([kernel], { inputs: [x, y], outputs: [to] }), [a.host, b.host]);
    const expected = new Float64Array(R * C);
    for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) expected[c * R + r] = a.numbers[r * C + c]! - b.numbers[3 * (C - 1 - c)]!;
    expect(distance(got!, expected)).toBeLessThan(1e-6);
  });

  test('quotients and remainders in indices, and the index as a value', async () => {
    const n = 1000, x = data('f32', n, 3), from = input(0, 'f32', n), [to, positions] = [output(0, 'f32', n), output(1, 'i32', n)];
    const i: Index = { base: 0, terms: [{ atom: { kind: 'loop', axis: 0 }, factor: 1 }] };
    const swapped: Index = { base: 0, terms: [{ atom: { kind: 'div', of: i, by: 25 }, factor: 1 }, { atom: { kind: 'mod', of: i, by: 25 }, factor: 40 }] };
    const kernel = loop([n], 1, { outerStores: [
      { slot: to, index: affine(0, 1), value: load(from, swapped) },
      { slot: positions, index: affine(0, 1), value: { kind: 'index', dtype: 'i32', index: { base: 5, terms: [{ atom: { kind: 'loop', axis: 0 }, factor: 3 }, { atom: { kind: 'mod', of: i, by: 7 }, factor: -1 }] } } },
    ] });
    const [got, where] = await runOnce(device, plan([kernel], { inputs: [from], outputs: [to, positions] }), [x.host]);
    expect(distance(got!, x.numbers.map((_, p) => x.numbers[Math.floor(p / 25) + 40 * (p % 25)]!))).toBe(0);
    expect([...where!]).toEqual(Array.from({ length: n }, (_, p) => 5 + 3 * p - (p % 7)));
  });

  test('guarded loads touch nothing outside: padding on both sides, along and across vectors', async () => {
    const n = 21, low = 200, x = data('f32', n, 4), from = input(0, 'f32', n);
    const size = low + n + 300, to = output(0, 'f32', size);
    const position: Expression = { kind: 'index', dtype: 'i32', index: affine(-low, 1) };
    const guard = binary('and', binary('le', constant(0, 'i32'), position), binary('lt', position, constant(n, 'i32')));
    const kernel = loop([size], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: load(from, affine(-low, 1), guard) }] });
    const [got] = await runOnce(device, plan([kernel], { inputs: [from], outputs: [to] }), [x.host]);
    expect(distance(got!, Float64Array.from({ length: size }, (_, i) => (i >= low && i < low + n ? x.numbers[i - low]! : 0)))).toBe(0);
    // rows: the guard is the same for a whole row
    const rows = input(0, 'f32', 3 * 8), out = output(0, 'f32', 5 * 8), y = data('f32', 24, 5);
    const row: Expression = { kind: 'index', dtype: 'i32', index: affine(-1, 1) };
    const inside = binary('and', binary('le', constant(0, 'i32'), row), binary('lt', row, constant(3, 'i32')));
    const padded = loop([5, 8], 2, { outerStores: [{ slot: out, index: affine(0, 8, 1), value: load(rows, affine(-8, 8, 1), inside) }] });
    const [tall] = await runOnce(device, plan([padded], { inputs: [rows], outputs: [out] }), [y.host]);
    expect(distance(tall!, Float64Array.from({ length: 40 }, (_, i) => (i >= 8 && i < 32 ? y.numbers[i - 8]! : 0)))).toBe(0);
  });

  test('gathers: a row for each outer point, an element for each point, and one under a guard with a bad index', async () => {
    const [N, V, C] = [33, 11, 19], table = data('f32', V * C, 6), ids = Int32Array.from({ length: N }, (_, i) => (i * 7) % V);
    const [t, i] = [input(0, 'f32', V * C), input(1, 'i32', N)], to = output(0, 'f32', N * C);
    const id = load(i, affine(0, 1, 0));
    const row = loop([N, C], 2, { outerStores: [{ slot: to, index: affine(0, C, 1), value: load(t, { base: 0, terms: [{ atom: { kind: 'value', of: id }, factor: C }, { atom: { kind: 'loop', axis: 1 }, factor: 1 }] }) }] });
    const [got] = await runOnce(device, plan([row], { inputs: [t, i], outputs: [to] }), [table.host, ids]);
    expect(distance(got!, Float64Array.from({ length: N * C }, (_, p) => table.numbers[ids[Math.floor(p / C)]! * C + (p % C)]!))).toBe(0);

    const picked = output(0, 'f32', N);
    const single = loop([N], 1, { outerStores: [{ slot: picked, index: affine(0, 1), value: load(t, { base: 0, terms: [{ atom: { kind: 'value', of: load(i, affine(0, 1)) }, factor: C }] }) }] });
    const [column] = await runOnce(device, plan([single], { inputs: [t, i], outputs: [picked] }), [table.host, ids]);
    expect(distance(column!, Float64Array.from(ids, (v) => table.numbers[v * C]!))).toBe(0);

    const wild = Int32Array.from(ids, (v, p) => (p % 3 === 0 ? 0x3fffffff : v));
    const value = load(i, affine(0, 1)), good = binary('lt', value, constant(V, 'i32'));
    const guarded = loop([N], 1, { outerStores: [{ slot: picked, index: affine(0, 1), value: load(t, { base: 0, terms: [{ atom: { kind: 'value', of: value }, factor: C }] }, good) }] });
    const [safe] = await runOnce(device, plan([guarded], { inputs: [t, i], outputs: [picked] }), [table.host, wild]);
    expect(distance(safe!, Float64Array.from(wild, (v) => (v < V ? table.numbers[v * C]! : 0)))).toBe(0);
  });

  test('row reductions in levels: softmax with its log-sum-exp, at odd widths', async () => {
    for (const [R, C] of [[1, 1], [5, 3], [7, 64], [9, 65], [130, 127], [3, 5000]] as const) {
      const x = data('f32', R * C, R, 20), from = input(0, 'f32', R * C), [to, lse] = [output(0, 'f32', R * C), output(1, 'f32', R)];
      const at = load(from, affine(0, C, 1)), weight = unary('exp', binary('sub', at, reduced(0)));
      const kernel = loop([R, C], 1, {
        reductions: [{ op: 'max', level: 0, dtype: 'f32', value: at }, { op: 'sum', level: 1, dtype: 'f32', value: weight }],
        outerStores: [{ slot: lse, index: affine(0, 1), value: binary('add', reduced(0), unary('log', reduced(1))) }],
        innerStores: [{ slot: to, index: affine(0, C, 1), value: binary('div', weight, reduced(1)) }],
      });
      const [got, logs] = await runOnce(device, plan([kernel], { inputs: [from], outputs: [to, lse] }), [x.host]);
      const expected = new Float64Array(R * C), sums = new Float64Array(R);
      for (let r = 0; r < R; r++) {
        const row = x.numbers.subarray(r * C, r * C + C), most = Math.max(...row);
        const sum = row.reduce((s, v) => s + Math.exp(v - most), 0);
        sums[r] = most + Math.log(sum);
        row.forEach((v, c) => { expected[r * C + c] = Math.exp(v - most) / sum; });
      }
      expect(distance(got!, expected)).toBeLessThan(2e-6);
      expect(distance(logs!, sums)).toBeLessThan(2e-6);
    }
  });

  test('column reductions, with an update of the columns in place', async () => {
    for (const [R, C] of [[1, 5], [3, 4], [64, 17], [700, 130], [513, 1]] as const) {
      const x = data('f32', R * C, C), from = input(0, 'f32', R * C), [sum, most] = [output(0, 'f32', C), output(1, 'f32', C)];
      const at = load(from, affine(0, 1, C));
      const kernel = loop([C, R], 1, {
        reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: at }, { op: 'max', level: 0, dtype: 'f32', value: binary('mul', at, at) }],
        outerStores: [{ slot: sum, index: affine(0, 1), value: reduced(0) }, { slot: most, index: affine(0, 1), value: reduced(1) }],
      });
      const [sums, extremes] = await runOnce(device, plan([kernel], { inputs: [from], outputs: [sum, most] }), [x.host]);
      const expected = new Float64Array(C), squares = new Float64Array(C);
      for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) { const v = x.numbers[r * C + c]!; expected[c]! += v; squares[c] = Math.max(squares[c]!, v * v); }
      expect(distance(sums!, expected)).toBeLessThan(1e-5);
      expect(distance(extremes!, squares)).toBeLessThan(1e-6);
    }
  });

  test('reductions of integers and bools, over several axes, and over nothing', async () => {
    const x = Int32Array.from(numbers(6 * 5 * 7, 8, 1e9)), from = input(0, 'i32', 210), outs = [output(0, 'i32', 6), output(1, 'i32', 6), output(2, 'i32', 6)];
    const at = load(from, affine(0, 35, 7, 1));
    const kernel = loop([6, 5, 7], 1, {
      reductions: (['sum', 'max', 'min'] as const).map((op) => ({ op, level: 0, dtype: 'i32' as const, value: at })),
      outerStores: outs.map((to, i) => ({ slot: to, index: affine(0, 1), value: reduced(i, 'i32') })),
    });
    const got = await runOnce(device, plan([kernel], { inputs: [from], outputs: outs }), [x]);
    for (let r = 0; r < 6; r++) {
      const row = [...x.subarray(35 * r, 35 * r + 35)];
      expect([got[0]![r], got[1]![r], got[2]![r]]).toEqual([row.reduce((s, v) => (s + v) | 0, 0), Math.max(...row), Math.min(...row)]);
    }
    const nothing = input(0, 'f32', 0), empties = [output(0, 'f32', 3), output(1, 'f32', 3), output(2, 'f32', 3), output(3, 'i32', 3)];
    const none = load(nothing, affine(0, 0, 1));
    const empty = loop([3, 0], 1, {
      reductions: [...(['sum', 'max', 'min'] as const).map((op) => ({ op, level: 0, dtype: 'f32' as const, value: none })), { op: 'max', level: 0, dtype: 'i32', value: cast(none, 'i32') }],
      outerStores: empties.map((to, i) => ({ slot: to, index: affine(0, 1), value: reduced(i, to.dtype) })),
    });
    const ends = await runOnce(device, plan([empty], { inputs: [nothing], outputs: empties }), [new Float32Array(0)]);
    expect(ends.map((e) => e[2])).toEqual([0, -Infinity, Infinity, -0x80000000]);
  });

  test('long sums of f32 stay accurate', async () => {
    const n = 1_000_003, x = Float32Array.from({ length: n }, (_, i) => 1 + (i % 10) / 10), from = input(0, 'f32', n), to = output(0, 'f32', 1);
    const whole = loop([n], 0, { reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: load(from, affine(0, 1)) }], outerStores: [{ slot: to, index: affine(0), value: reduced(0) }] });
    const [got] = await runOnce(device, plan([whole], { inputs: [from], outputs: [to] }), [x]);
    expect(Math.abs(got![0]! / x.reduce((s, v) => s + v, 0) - 1)).toBeLessThan(1e-5);
    const [R, C] = [200_000, 5], tall = input(0, 'f32', R * C), sums = output(0, 'f32', C);
    const columns = loop([C, R], 1, { reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: load(tall, affine(0, 1, C)) }], outerStores: [{ slot: sums, index: affine(0, 1), value: reduced(0) }] });
    const [each] = await runOnce(device, plan([columns], { inputs: [tall], outputs: [sums] }), [x.slice(0, R * C)]);
    for (let c = 0; c < C; c++) {
      let sum = 0;
      for (let r = 0; r < R; r++) sum += x[r * C + c]!;
      expect(Math.abs(each![c]! / sum - 1)).toBeLessThan(2e-6);
    }
  });

  test('infinities and not-a-numbers pass through long column sums', async () => {
    const [R, C] = [600, 4], x = new Float32Array(R * C).fill(1), from = input(0, 'f32', R * C), to = output(0, 'f32', C);
    x[5 * C + 1] = Infinity;
    x[300 * C + 2] = NaN;
    x[10 * C + 3] = Infinity;
    x[599 * C + 3] = -Infinity;
    const kernel = loop([C, R], 1, { reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: load(from, affine(0, 1, C)) }], outerStores: [{ slot: to, index: affine(0, 1), value: reduced(0) }] });
    const [got] = await runOnce(device, plan([kernel], { inputs: [from], outputs: [to] }), [x]);
    expect([...got!]).toEqual([R, Infinity, NaN, NaN]);
  });

  test('updates in place, with the old value still seen by every store', async () => {
    const n = 10_007, work = slot('f32', n, { kind: 'work', offset: 0 }), x = data('f32', n, 9), from = input(0, 'f32', n), [to, old] = [output(0, 'f32', n), output(1, 'f32', n)];
    const i = affine(0, 1);
    const fill = loop([n], 1, { outerStores: [{ slot: work, index: i, value: load(from, i) }] });
    const update = loop([n], 1, { outerStores: [{ slot: work, index: i, value: binary('mul', load(work, i), constant(3)) }, { slot: old, index: i, value: load(work, i) }] });
    const read = loop([n], 1, { outerStores: [{ slot: to, index: i, value: load(work, i) }] });
    const [got, before] = await runOnce(device, plan([fill, update, read], { inputs: [from], outputs: [to, old], workBytes: 4 * n }), [x.host]);
    expect(distance(got!, x.numbers.map((v) => Math.fround(v * 3)))).toBe(0);
    expect(distance(before!, x.numbers)).toBe(0);
    // a row's running value is replaced after the row has used it
    const [R, C] = [9, 12], rows = input(0, 'f32', R * C), scale = slot('f32', R, { kind: 'work', offset: 0 }), out = output(0, 'f32', R * C), last = output(1, 'f32', R), y = data('f32', R * C, 10);
    const init = loop([R], 1, { outerStores: [{ slot: scale, index: i, value: constant(2) }] });
    const apply = loop([R, C], 1, {
      reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: load(rows, affine(0, C, 1)) }],
      outerStores: [{ slot: scale, index: i, value: reduced(0) }],
      innerStores: [{ slot: out, index: affine(0, C, 1), value: binary('mul', load(rows, affine(0, C, 1)), load(scale, affine(0, 1, 0))) }],
    });
    const copy = loop([R], 1, { outerStores: [{ slot: last, index: i, value: load(scale, i) }] });
    const [scaledRows, sums] = await runOnce(device, plan([init, apply, copy], { inputs: [rows], outputs: [out, last], workBytes: 4 * R }), [y.host]);
    expect(distance(scaledRows!, y.numbers.map((v) => 2 * v))).toBe(0);
    for (let r = 0; r < R; r++) expect(Math.abs(sums![r]! - y.numbers.subarray(r * C, r * C + C).reduce((s, v) => s + v, 0))).toBeLessThan(1e-5);
  });

  test('every half becomes its float, and floats become halves, ties to even', async () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, i) => i), n = halves.length, from = input(0, 'f16', n), to = output(0, 'f32', n);
    const widen = loop([n], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: cast(load(from, affine(0, 1)), 'f32') }] });
    const [wide] = await runOnce(device, plan([widen], { inputs: [from], outputs: [to] }), [halves]);
    for (let i = 0; i < n; i++) if (!Object.is(wide![i], Math.fround(fromHalf(i)))) expect([i, wide![i]]).toEqual([i, fromHalf(i)]);
    const floats = Float32Array.from([0, -0, 1, 65504, 65519.9, 65520, -1e9, Infinity, -Infinity, NaN, 5.96e-8, 2.98e-8, 2.981e-8, 1.5 * 2 ** -24, 6.1e-5, 6.0975e-5, 1 + 2 ** -11, 1 + 3 * 2 ** -11, ...numbers(1001, 11, 3)]);
    const source = input(0, 'f32', floats.length), target = output(0, 'f16', floats.length);
    const narrow = loop([floats.length], 1, { outerStores: [{ slot: target, index: affine(0, 1), value: cast(load(source, affine(0, 1)), 'f16') }] });
    const executable = device.compilePlan(plan([narrow], { inputs: [source], outputs: [target] }));
    const [result] = executable.run([floats]);
    const bits = await result!.read();
    floats.forEach((v, i) => { expect(Number.isNaN(v) ? (bits[i]! & 0x7fff) > 0x7c00 : bits[i]).toBe(Number.isNaN(v) ? true : toHalf(v)); });
    result!.release();
    executable.release();
  });

  test('strided halves, reductions over halves, and halves written across rows', async () => {
    const [R, C] = [13, 27], x = data('f16', R * C, 12), from = input(0, 'f16', R * C), [sum, flipped] = [output(0, 'f16', C), output(1, 'f16', R * C)];
    const columns = loop([C, R], 1, { reductions: [{ op: 'sum', level: 0, dtype: 'f32', value: cast(load(from, affine(0, 1, C)), 'f32') }], outerStores: [{ slot: sum, index: affine(0, 1), value: cast(reduced(0), 'f16') }] });
    const turn = loop([R, C], 2, { outerStores: [{ slot: flipped, index: affine(0, 1, R), value: load(from, affine(R * C - 1, -C, -1)) }] });
    const [sums, turned] = await runOnce(device, plan([columns, turn], { inputs: [from], outputs: [sum, flipped] }), [x.host]);
    const expected = new Float64Array(C), other = new Float64Array(R * C);
    for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) { expected[c]! += x.numbers[r * C + c]!; other[c * R + r] = x.numbers[R * C - 1 - r * C - c]!; }
    expect(distance(sums!, expected)).toBeLessThan(1e-3);
    expect(distance(turned!, other)).toBe(0);
  });

  test('casts between all types', async () => {
    const floats = Float32Array.from([0, -0, 1.9, -1.9, 3e9, -3e9, 0.5, NaN]), from = input(0, 'f32', 8), outs = [output(0, 'i32', 8), output(1, 'u32', 8), output(2, 'bool', 8), output(3, 'f32', 8), output(4, 'i32', 8)];
    const at = load(from, affine(0, 1));
    const values: Expression[] = [cast(at, 'i32'), cast(at, 'u32'), cast(at, 'bool'), cast(cast(at, 'bool'), 'f32'), { kind: 'bitcast', dtype: 'i32', x: at }];
    const kernel = loop([8], 1, { outerStores: outs.map((to, i) => ({ slot: to, index: affine(0, 1), value: values[i]! })) });
    const [i, u, b, f, bits] = await runOnce(device, plan([kernel], { inputs: [from], outputs: outs }), [floats]);
    expect([...i!].slice(0, 4)).toEqual([0, 0, 1, -1]);
    expect([...u!].slice(0, 3)).toEqual([0, 0, 1]);
    expect(u![4]).toBe(3e9);
    expect([...b!]).toEqual([0, 0, 1, 1, 1, 1, 1, 1]);
    expect([...f!]).toEqual([0, 0, 1, 1, 1, 1, 1, 1]);
    expect([...bits!]).toEqual([...new Int32Array(floats.buffer)]);
  });

  test('bools: selection, negation and storage', async () => {
    const n = 37, x = data('f32', n, 13), mask = Uint32Array.from({ length: n }, (_, i) => i % 3 === 0 ? 1 : 0), [from, keep] = [input(0, 'f32', n), input(1, 'bool', n)], [to, other] = [output(0, 'f32', n), output(1, 'bool', n)];
    const i = affine(0, 1), m = load(keep, i);
    const kernel = loop([n], 1, { outerStores: [{ slot: to, index: i, value: { kind: 'select', dtype: 'f32', test: m, x: load(from, i), y: constant(-5) } }, { slot: other, index: i, value: binary('xor', unary('not', m), binary('lt', load(from, i), constant(0))) }] });
    const [got, bits] = await runOnce(device, plan([kernel], { inputs: [from, keep], outputs: [to, other] }), [x.host, mask]);
    expect(distance(got!, x.numbers.map((v, p) => (mask[p] ? v : -5)))).toBe(0);
    expect([...bits!]).toEqual(Array.from(mask, (v, p) => Number((v === 0) !== (x.numbers[p]! < 0))));
  });

  test('elements that keep their value are not touched, where whole runs do', async () => {
    const [G, N, D] = [3, 40, 9], size = G * N * D, old = data('f32', size, 21), other = data('f16', size, 22), x = data('f32', G * D, 23), at = affine(0, N * D, D, 1);
    const cases: [Index, number, (n: number, d: number) => boolean][] = [[affine(0, 0, 1), 17, (n) => n < 17], [affine(0, 0, 1, 5), 30, (n, d) => n + 5 * d < 30], [affine(0, 0, 1), 99, () => true]];
    for (const [where, limit, changes] of cases) {
      const storages = [device.allocate('f32', size), device.allocate('f16', size)] as const, states = storages.map((storage) => slot(storage.dtype, size, { kind: 'state', storage }));
      storages[0].write(old.host);
      storages[1].write(other.host);
      const [from, bound] = [input(0, 'f32', G * D), input(1, 'i32', 1)], test: Expression = binary('lt', { kind: 'index', dtype: 'i32', index: where }, load(bound, affine(0)));
      const value = (state: Slot, x: Expression): Expression => ({ kind: 'select', dtype: state.dtype, test, x, y: load(state, at) });
      const [first, second] = states as [Slot, Slot];
      const kernel = loop([G, N, D], 3, { outerStores: [{ slot: first, index: at, value: value(first, load(from, affine(0, D, 0, 1))) }, { slot: second, index: at, value: value(second, cast(load(from, affine(0, D, 0, 1)), 'f16')) }] });
      await runOnce(device, plan([kernel], { inputs: [from, bound], state: states }), [x.host, Int32Array.of(limit)]);
      const [got, half] = [await storages[0].read() as Float32Array, decode('f16', await storages[1].read())];
      for (let i = 0; i < size; i++) {
        const n = Math.floor(i / D) % N, d = i % D, changed = changes(n, d), given = x.numbers[Math.floor(i / (N * D)) * D + d]!;
        expect(got[i]).toBe(changed ? given : old.numbers[i]);
        expect(half[i]).toBe(changed ? fromHalf(toHalf(given)) : other.numbers[i]);
      }
      for (const storage of storages) storage.release();
    }
  });

  test('many small kernels between few barriers', async () => {
    const n = 5, from = input(0, 'f32', n), outs = Array.from({ length: 12 }, (_, i) => output(i, 'f32', n));
    const kernels = outs.map((to, i) => loop([n], 1, { outerStores: [{ slot: to, index: affine(0, 1), value: binary('add', load(from, affine(0, 1)), constant(i)) }] }));
    const made = plan(kernels, { inputs: [from], outputs: outs });
    const got = await runOnce(device, { ...made, steps: made.steps.map((step) => ({ ...step, barrier: false })) }, [Float32Array.of(0, 1, 2, 3, 4)]);
    got.forEach((each, i) => { expect([...each]).toEqual([i, i + 1, i + 2, i + 3, i + 4]); });
  });
});

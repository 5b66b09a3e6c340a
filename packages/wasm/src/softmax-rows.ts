/** The exponentials of a streaming softmax, several rows side by side: a row alone would wait for its own sums. */
import { add, forRange, get, int, load, mul, multiplyAdd, named, op, set, shuffle, splat, store, vectorConstant, when, whileBelow } from './code.js';
import type { Code, FunctionBuilder, Local, ModuleBuilder, Segment } from './encoder.js';
import { expNonPositive, log } from './math.js';
import { addAcross } from './skinny.js';

const everyLane = (x: Code, lane: number): Code => shuffle(x, x, [lane, lane, lane, lane]);

/**
 * softmaxRows(lines, stride, bytes, maxima, fresh, sums, result, resultBytes, rescale): for `rows` ≤ 4 rows of scores, `stride`
 * bytes apart and `bytes` long (a multiple of 16): scores become exp(score − m) with m the row's maximum so far, the larger
 * of `maxima` and `fresh`; `maxima` becomes m, `sums` becomes exp(old − m) · sums + Σ. With `rescale`, so do the
 * rows of `result`, each `resultBytes` long, without the Σ. The three arrays hold four rows. A row whose maximum is −infinity is centred at 0.
 */
export const softmaxRowsFunction = (module: ModuleBuilder, rows: number): FunctionBuilder => module.once(`softmaxRows ${rows}`, () =>
  module.define(`softmaxRows_${rows}`, new Array<'i32'>(9).fill('i32'), [], (f) => {
    const [lines, stride, bytes, maxima, fresh, sums, result, resultBytes, rescale] = f.params as [Local, Local, Local, Local, Local, Local, Local, Local, Local];
    const out: Segment = f.body;
    const old = named(f, 'v128', out, load('v128.load', get(maxima)));
    const now = named(f, 'v128', out, op('f32x4.pmax', old, load('v128.load', get(fresh))));
    const centre = named(f, 'v128', out, op('v128.bitselect', splat(f, 0), now, op('f32x4.eq', now, splat(f, -Infinity))));
    const keep = expNonPositive(f, out, op('f32x4.sub', old, centre));
    const at = f.local('i32'), pointers = [0, 1, 2, 3].map(() => f.local('i32')), totals = [0, 1, 2, 3].map(() => f.local('v128'));
    const centres = [0, 1, 2, 3].map((lane) => named(f, 'v128', out, everyLane(centre, lane)));
    out.push(pointers.map((pointer, i) => set(pointer, i === 0 ? get(lines) : add(get(pointers[i - 1]!), get(stride)))), totals.map((total) => set(total, vectorConstant([0, 0, 0, 0]))));
    const body: Segment = [];
    pointers.slice(0, rows).forEach((pointer, i) => {
      const place = named(f, 'i32', body, add(get(pointer), get(at)));
      const weight = expNonPositive(f, body, op('f32x4.sub', load('v128.load', place), centres[i]!));
      body.push(store('v128.store', place, weight), set(totals[i]!, op('f32x4.add', get(totals[i]!), weight)));
    });
    out.push(forRange(at, int(0), get(bytes), int(16), body));
    const total = addAcross(f, out, totals.map(get));
    out.push(store('v128.store', get(sums), multiplyAdd(f, load('v128.load', get(sums)), keep, total)), store('v128.store', get(maxima), now));
    const scale: Segment = [];
    for (let lane = 0; lane < rows; lane++) {
      const factor = named(f, 'v128', scale, everyLane(keep, lane)), end = named(f, 'i32', scale, add(get(result), get(resultBytes)));
      scale.push(whileBelow(result, end, int(16), store('v128.store', get(result), op('f32x4.mul', load('v128.load', get(result)), factor))));
    }
    out.push(when(get(rescale), scale));
  }));

/**
 * softmaxEnds(maxima, sums, rows): for each of `rows` rows, four at a time, maxima becomes the log-sum-exp and sums the
 * factor that the row's result still needs: 1 / sum, or 0 where nothing was visible.
 */
export const softmaxEndsFunction = (module: ModuleBuilder): FunctionBuilder => module.once('softmaxEnds', () =>
  module.define('softmaxEnds', ['i32', 'i32', 'i32'], [], (f) => {
    const [maxima, sums, rows] = f.params as [Local, Local, Local], end = f.local('i32');
    const body: Segment = [];
    const sum = named(f, 'v128', body, load('v128.load', get(sums)));
    const inverse = op('v128.andnot', op('f32x4.div', splat(f, 1), sum), op('f32x4.eq', sum, splat(f, 0)));
    body.push(
      store('v128.store', get(maxima), op('f32x4.add', load('v128.load', get(maxima)), log(f, body, sum))),
      store('v128.store', get(sums), inverse), set(maxima, add(get(maxima), int(16))),
    );
    f.body.push(set(end, add(get(sums), mul(get(rows), int(4)))), whileBelow(sums, get(end), int(16), body));
  }));

/** Elementary functions on four floats, inlined where they are used. Each takes a vector and returns one. */
import { int, multiplyAdd, named, op, shuffle, splat, splatDouble, splatInt } from './code.js';
import type { Code, FunctionBuilder, Segment } from './encoder.js';

/** c₀ + x·(c₁ + x·(c₂ + …)). */
function polynomial(f: FunctionBuilder, out: Segment, x: Code, coefficients: readonly number[]): Code {
  let sum = splat(f, coefficients[coefficients.length - 1]!);
  for (let i = coefficients.length - 2; i >= 0; i--) sum = multiplyAdd(f, sum, x, splat(f, coefficients[i]!));
  return named(f, 'v128', out, sum);
}

const log2e = Math.LOG2E;
const ln2High = 0.693145751953125; // 16 bits: a product with an exponent is exact
const ln2Low = Math.LN2 - ln2High;

/** 1.5 · 2²³: added to a float below 2²², it leaves the nearest integer in the low bits of the sum. */
const roundingShift = 12582912;
const roundingShiftBits = 0x4b400000;

/**
 * x = n·ln 2 + r with |r| ≤ ln 2 / 2; `expm1` is r + r²·q(r) ≈ eʳ − 1. The low bits of `shifted` hold n. Needs |x| < 2²¹.
 */
function reduceExponential(f: FunctionBuilder, out: Segment, x: Code): { shifted: Code; expm1: Code } {
  const shifted = named(f, 'v128', out, multiplyAdd(f, x, splat(f, log2e), splat(f, roundingShift)));
  const n = named(f, 'v128', out, op('f32x4.sub', shifted, splat(f, roundingShift)));
  const high = multiplyAdd(f, n, splat(f, -ln2High), x);
  const r = named(f, 'v128', out, multiplyAdd(f, n, splat(f, -ln2Low), high));
  const q = polynomial(f, out, r, [0.5, 0.16666576266288757, 0.04166685417294502, 0.008363300003111362, 0.0013901346828788519]);
  return { shifted, expm1: named(f, 'v128', out, multiplyAdd(f, op('f32x4.mul', r, r), q, r)) };
}

const one = 0x3f800000;

/** 2ⁿ as a float for integers −126 ≤ n ≤ 127 in the low bits of `shifted`; higher bits fall out. */
const powerOfTwo = (f: FunctionBuilder, shifted: Code): Code => op('i32x4.add', op('i32x4.shl', shifted, int(23)), splatInt(f, one));

/** eˣ over the full range: subnormal results are exact to rounding, NaN stays NaN. */
export function exp(f: FunctionBuilder, out: Segment, argument: Code): Code {
  const x = named(f, 'v128', out, op('f32x4.pmin', op('f32x4.pmax', argument, splat(f, -105)), splat(f, 89)));
  const { shifted, expm1 } = reduceExponential(f, out, x);
  const whole = named(f, 'v128', out, op('i32x4.sub', shifted, splatInt(f, roundingShiftBits)));
  const half = named(f, 'v128', out, op('i32x4.shr_s', whole, int(1)));
  const scaled = op('f32x4.mul', op('f32x4.add', expm1, splat(f, 1)), powerOfTwo(f, half));
  return named(f, 'v128', out, op('f32x4.mul', scaled, powerOfTwo(f, op('i32x4.sub', whole, half))));
}

/** eˣ for x ≤ 88 where results below 2⁻¹²⁶ may be 0 (a softmax's terms): fewer steps. NaN stays NaN, −infinity gives 0. */
export function expNonPositive(f: FunctionBuilder, out: Segment, argument: Code): Code {
  const x = named(f, 'v128', out, argument);
  const { shifted, expm1 } = reduceExponential(f, out, named(f, 'v128', out, op('f32x4.pmax', x, splat(f, -87.3))));
  const value = op('f32x4.mul', op('f32x4.add', expm1, splat(f, 1)), powerOfTwo(f, shifted));
  return named(f, 'v128', out, op('v128.andnot', value, op('f32x4.lt', x, splat(f, -87.3))));
}

/** Natural logarithm: −infinity at 0, NaN below. */
export function log(f: FunctionBuilder, out: Segment, argument: Code): Code {
  const x = named(f, 'v128', out, argument);
  const tiny = named(f, 'v128', out, op('f32x4.lt', x, splatInt(f, 0x00800000)));
  const normal = named(f, 'v128', out, op('v128.bitselect', op('f32x4.mul', x, splat(f, 2 ** 23)), x, tiny));
  const shifted = named(f, 'v128', out, op('i32x4.sub', normal, splatInt(f, 0x3f3504f3))); // bits of √½
  const exponent = op('f32x4.convert_i32x4_s', op('i32x4.shr_s', shifted, int(23)));
  const e = named(f, 'v128', out, op('f32x4.sub', exponent, op('v128.and', tiny, splat(f, 23))));
  const m = op('i32x4.add', op('v128.and', shifted, splatInt(f, 0x007fffff)), splatInt(f, 0x3f3504f3));
  const z = named(f, 'v128', out, op('f32x4.sub', m, splat(f, 1)));
  const s = named(f, 'v128', out, op('f32x4.div', z, op('f32x4.add', z, splat(f, 2))));
  const s2 = named(f, 'v128', out, op('f32x4.mul', s, s));
  const series = polynomial(f, out, s2, [2 / 3, 2 / 5, 2 / 7, 2 / 9]);
  // log(1 + z) = z − s·(z − s²·series), with 2s = z − s·z
  const inner = op('f32x4.sub', z, op('f32x4.mul', s2, series));
  const correction = op('f32x4.sub', op('f32x4.mul', e, splat(f, ln2Low)), op('f32x4.mul', s, inner));
  const sum = op('f32x4.add', op('f32x4.mul', e, splat(f, ln2High)), op('f32x4.add', z, correction));
  const infinite = op('v128.bitselect', x, sum, op('f32x4.eq', x, splat(f, Infinity)));
  const zero = op('v128.bitselect', splat(f, -Infinity), infinite, op('f32x4.eq', x, splat(f, 0)));
  const valid = op('f32x4.ge', x, splat(f, 0));
  return named(f, 'v128', out, op('v128.bitselect', zero, splat(f, NaN), valid));
}

const halfPiHigh = 1.5707963267341256; // 33 bits: a product with a 20-bit integer is exact
const halfPiLow = 6.077100506506192e-11;

/** Two lanes of x = n·π/2 + r, in doubles: r rounded to float in the low half, n mod 4 in the low half. */
function reduceHalfPi(f: FunctionBuilder, out: Segment, pair: Code): { r: Code; quadrant: Code } {
  const x = named(f, 'v128', out, op('f64x2.promote_low_f32x4', pair));
  const n = named(f, 'v128', out, op('f64x2.nearest', op('f64x2.mul', x, splatDouble(f, 2 / Math.PI))));
  const high = op('f64x2.sub', x, op('f64x2.mul', n, splatDouble(f, halfPiHigh)));
  const r = op('f64x2.sub', high, op('f64x2.mul', n, splatDouble(f, halfPiLow)));
  const turns = op('f64x2.mul', op('f64x2.floor', op('f64x2.mul', n, splatDouble(f, 0.25))), splatDouble(f, 4));
  return {
    r: named(f, 'v128', out, op('f32x4.demote_f64x2_zero', r)),
    quadrant: named(f, 'v128', out, op('i32x4.trunc_sat_f64x2_s_zero', op('f64x2.sub', n, turns))),
  };
}

function sine(f: FunctionBuilder, out: Segment, argument: Code, quarterTurns: number): Code {
  const x = named(f, 'v128', out, argument);
  const low = reduceHalfPi(f, out, x);
  const high = reduceHalfPi(f, out, shuffle(x, x, [2, 3, 2, 3]));
  const reduced = shuffle(low.r, high.r, [0, 1, 4, 5]);
  const r = named(f, 'v128', out, op('f32x4.pmax', op('f32x4.pmin', reduced, splat(f, 0.7854)), splat(f, -0.7854)));
  const joined = shuffle(low.quadrant, high.quadrant, [0, 1, 4, 5]);
  const quadrant = named(f, 'v128', out, quarterTurns ? op('i32x4.add', joined, splatInt(f, quarterTurns)) : joined);
  const r2 = named(f, 'v128', out, op('f32x4.mul', r, r));
  const s = polynomial(f, out, r2, [-0.166666641831398, 0.008332745172083378, -0.00019587340648286045]);
  const sin = multiplyAdd(f, op('f32x4.mul', r, r2), s, r);
  const c = polynomial(f, out, r2, [0.0416666641831398, -0.0013888301327824593, 0.000024547587599954568]);
  const cos = multiplyAdd(f, op('f32x4.mul', r2, r2), c, multiplyAdd(f, r2, splat(f, -0.5), splat(f, 1)));
  const odd = op('i32x4.ne', op('v128.and', quadrant, splatInt(f, 1)), splatInt(f, 0));
  const sign = op('i32x4.shl', op('v128.and', quadrant, splatInt(f, 2)), int(30));
  const value = op('v128.xor', op('v128.bitselect', cos, sin, odd), sign);
  const broken = op('f32x4.ne', op('f32x4.sub', x, x), splat(f, 0)); // NaN and infinities
  return named(f, 'v128', out, op('v128.bitselect', splat(f, NaN), value, broken));
}

/** Sine and cosine of radians: exact to rounding up to 2²⁰·π/2, within 1e-6 up to 1e9. */
export const sin = (f: FunctionBuilder, out: Segment, x: Code): Code => sine(f, out, x, 0);
export const cos = (f: FunctionBuilder, out: Segment, x: Code): Code => sine(f, out, x, 1);

/** Hyperbolic tangent: x · p(x²) / q(x²), a minimax fit of the relative error (2.1e-8) on |x| ≤ 9.02, beyond which f32 holds ±1. */
export function tanh(f: FunctionBuilder, out: Segment, argument: Code): Code {
  const x = named(f, 'v128', out, op('f32x4.pmax', op('f32x4.pmin', argument, splat(f, 9.02)), splat(f, -9.02)));
  const x2 = named(f, 'v128', out, op('f32x4.mul', x, x));
  const p = polynomial(f, out, x2, [1, 0.13379719853401184, 0.003494036151096225, 2.0583505829563364e-5, 1.3319103153719425e-8]);
  const q = polynomial(f, out, x2, [1, 0.4671303331851959, 0.02587107941508293, 0.0003283095429651439, 7.762033078506647e-7]);
  const value = op('f32x4.div', op('f32x4.mul', x, p), q);
  return named(f, 'v128', out, op('f32x4.pmax', op('f32x4.pmin', value, splat(f, 1)), splat(f, -1)));
}

/** Error function: x · p(x²) / q(x²), a minimax fit of the relative error on |x| ≤ 3.92, beyond which f32 holds ±1. */
export function erf(f: FunctionBuilder, out: Segment, argument: Code): Code {
  const x = named(f, 'v128', out, op('f32x4.pmax', op('f32x4.pmin', argument, splat(f, 3.92)), splat(f, -3.92)));
  const x2 = named(f, 'v128', out, op('f32x4.mul', x, x));
  const p = polynomial(f, out, x2,
    [1.1283791065216064, 0.19992095232009888, 0.05057285353541374, 0.003701467765495181, 0.0001418478204868734, -1.957841732291854e-6, 1.992459530697488e-8]);
  const q = polynomial(f, out, x2, [1, 0.5105069875717163, 0.11499693989753723, 0.014352905564010143, 0.0009560073376633227]);
  const value = op('f32x4.div', op('f32x4.mul', x, p), q);
  return named(f, 'v128', out, op('f32x4.pmax', op('f32x4.pmin', value, splat(f, 1)), splat(f, -1)));
}

/** −1, 0 or 1 by the sign; ±0 and NaN stay. */
export function sign(f: FunctionBuilder, out: Segment, argument: Code): Code {
  const x = named(f, 'v128', out, argument);
  const unit = op('v128.or', splat(f, 1), op('v128.and', x, splatInt(f, 0x80000000)));
  const ordered = op('v128.or', op('f32x4.lt', x, splat(f, 0)), op('f32x4.gt', x, splat(f, 0)));
  return named(f, 'v128', out, op('v128.bitselect', unit, x, ordered));
}

/** Adds (or takes the extreme of) the four lanes; every lane of the result holds it. */
export function acrossLanes(f: FunctionBuilder, out: Segment, x: Code, combine: (x: Code, y: Code) => Code): Code {
  const a = named(f, 'v128', out, x);
  const b = named(f, 'v128', out, combine(a, shuffle(a, a, [2, 3, 0, 1])));
  return named(f, 'v128', out, combine(b, shuffle(b, b, [1, 0, 3, 2])));
}

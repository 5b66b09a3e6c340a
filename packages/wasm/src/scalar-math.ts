/** Functions too long to inline, on doubles that hold floats: `pow` and the float remainder. One lane at a time. */
import { double, get, int, long, named, op, repeat, set, choose, when } from './code.js';
import type { Code, FunctionBuilder, ModuleBuilder, Segment } from './encoder.js';

const polynomial = (x: Code, coefficients: readonly number[]): Code =>
  coefficients.slice(0, -1).reduceRight<Code>((sum, c) => op('f64.add', double(c), op('f64.mul', x, sum)), double(coefficients[coefficients.length - 1]!));

const exp2Coefficients = [1, 0.693147180559868, 0.24022650695650238, 0.05550410866877199, 0.00961812919192387, 0.0013333557604998656,
  0.00015403435054085716, 1.525299174366451e-5, 1.325938195663163e-6, 1.0149069540960959e-7];

/**
 * xʸ as `Math.pow` has it: x⁰ = 1 also for NaN, a negative base needs an integer exponent, 1 to an infinite power is NaN.
 * Relative error below 1e-9 before rounding to f32.
 */
export const powFunction = (module: ModuleBuilder): FunctionBuilder => module.once('pow', () =>
  module.define('pow', ['f64', 'f64'], ['f64'], (f) => {
    const x = get(f.param(0)), y = get(f.param(1)), body: Segment = f.body;
    const leave = (test: Code, value: Code): void => { body.push(when(test, [value, op('return')])); };
    leave(op('f64.eq', y, double(0)), double(1));
    leave(op('i32.or', op('f64.ne', x, x), op('f64.ne', y, y)), double(NaN));
    const a = named(f, 'f64', body, op('f64.abs', x));
    const infiniteY = op('f64.eq', op('f64.abs', y), double(Infinity));
    const grows = op('i32.eq', op('f64.gt', a, double(1)), op('f64.gt', y, double(0)));
    leave(infiniteY, choose('f64', op('f64.eq', a, double(1)), double(NaN), choose('f64', grows, double(Infinity), double(0))));
    const whole = named(f, 'i32', body, op('f64.eq', op('f64.trunc', y), y));
    const halfY = op('f64.mul', y, double(0.5));
    const odd = named(f, 'i32', body, op('i32.and', whole, op('f64.ne', op('f64.trunc', halfY), halfY)));
    const negative = named(f, 'i32', body, op('f64.lt', op('f64.copysign', double(1), x), double(0)));
    const flip = named(f, 'f64', body, choose('f64', op('i32.and', odd, negative), double(-1), double(1)));
    const edge = op('i32.or', op('f64.eq', a, double(0)), op('f64.eq', a, double(Infinity)));
    const vanishes = op('i32.eq', op('f64.eq', a, double(0)), op('f64.gt', y, double(0)));
    leave(edge, op('f64.mul', flip, choose('f64', vanishes, double(0), double(Infinity))));
    leave(op('i32.and', negative, op('i32.eqz', whole)), double(NaN));
    // log₂ a = e + 2/ln 2 · atanh((m − 1)/(m + 1)), m within √½…√2
    const shifted = f.local('i64');
    body.push(set(shifted, op('i64.sub', op('i64.reinterpret_f64', a), longPair(0x3fe6a09e, 0x667f3bcd))));
    const e = op('f64.convert_i64_s', op('i64.shr_s', get(shifted), long(52)));
    const fraction = op('i64.shr_u', op('i64.shl', get(shifted), long(12)), long(12));
    const m = named(f, 'f64', body, op('f64.reinterpret_i64', op('i64.add', fraction, longPair(0x3fe6a09e, 0x667f3bcd))));
    const s = named(f, 'f64', body, op('f64.div', op('f64.sub', m, double(1)), op('f64.add', m, double(1))));
    const s2 = named(f, 'f64', body, op('f64.mul', s, s));
    const series = polynomial(s2, [1, 1 / 3, 1 / 5, 1 / 7, 1 / 9, 1 / 11, 1 / 13]);
    const log2 = op('f64.add', e, op('f64.mul', op('f64.mul', s, double(2 * Math.LOG2E)), series));
    const t = named(f, 'f64', body, op('f64.mul', y, log2));
    leave(op('f64.gt', t, double(200)), op('f64.mul', flip, double(Infinity)));
    leave(op('f64.lt', t, double(-200)), op('f64.mul', flip, double(0)));
    const n = named(f, 'f64', body, op('f64.nearest', t));
    const fractional = named(f, 'f64', body, op('f64.sub', t, n));
    const scale = op('f64.reinterpret_i64', op('i64.shl', op('i64.add', op('i64.trunc_sat_f64_s', n), long(1023)), long(52)));
    body.push(op('f64.mul', op('f64.mul', polynomial(fractional, exp2Coefficients), scale), flip));
  }));

/** An i64 constant from its two halves. */
const longPair = (high: number, low: number): Code =>
  op('i64.or', op('i64.shl', long(high), long(32)), op('i64.extend_i32_u', int(low)));

/** x − y·trunc(x / y), exact, with the sign of x; NaN when y is 0 or x is infinite. Operands must be floats. */
export const remainderFunction = (module: ModuleBuilder): FunctionBuilder => module.once('remainder', () =>
  module.define('remainder', ['f64', 'f64'], ['f64'], (f) => {
    const x = get(f.param(0)), body: Segment = f.body;
    const r = f.local('f64'), t = f.local('f64');
    const b = named(f, 'f64', body, op('f64.abs', get(f.param(1))));
    const undefinedHere = op('i32.or', op('f64.eq', b, double(0)), op('i32.eqz', op('f64.lt', op('f64.abs', x), double(Infinity))));
    body.push(when(op('i32.or', undefinedHere, op('f64.ne', b, b)), [double(NaN), op('return')]));
    body.push(when(op('f64.eq', b, double(Infinity)), [x, op('return')]));
    body.push(set(r, op('f64.abs', x)));
    // Long division in base 2²⁴: a quotient of up to 24 bits is subtracted exactly.
    const again = op('f64.ge', get(r), b);
    body.push(when(again, repeat([
      set(t, b),
      when(op('f64.gt', get(r), op('f64.mul', get(t), double(2 ** 24))),
        repeat(set(t, op('f64.mul', get(t), double(2 ** 24))), op('f64.gt', get(r), op('f64.mul', get(t), double(2 ** 24))))),
      set(r, op('f64.sub', get(r), op('f64.mul', get(t), op('f64.trunc', op('f64.div', get(r), get(t)))))),
      when(op('f64.lt', get(r), double(0)), set(r, op('f64.add', get(r), get(t)))),
    ], again)));
    body.push(op('f64.copysign', get(r), x));
  }));

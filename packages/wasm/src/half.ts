/** binary16 ↔ binary32 on four lanes. */
import { load, named, op, splatInt, int } from './code.js';
import type { Code, FunctionBuilder, Segment } from './encoder.js';

/** Four halves in the low 16 bits of four integers → four floats. Exact, subnormals and NaN included. */
export function halfToFloat(f: FunctionBuilder, out: Segment, halves: Code): Code {
  const h = named(f, 'v128', out, halves);
  const magnitude = named(f, 'v128', out, op('v128.and', h, splatInt(f, 0x7fff)));
  const rescaled = op('f32x4.mul', op('i32x4.shl', magnitude, int(13)), splatInt(f, 0x77800000)); // · 2^112
  const special = op('v128.and', op('i32x4.gt_s', magnitude, splatInt(f, 0x7bff)), splatInt(f, 0x7f800000));
  const sign = op('i32x4.shl', op('v128.and', h, splatInt(f, 0x8000)), int(16));
  return named(f, 'v128', out, op('v128.or', op('v128.or', rescaled, special), sign));
}

/** Four floats → four halves, ties to even, in the low 64 bits. */
export function floatToHalf(f: FunctionBuilder, out: Segment, value: Code): Code {
  const x = named(f, 'v128', out, value);
  const magnitude = named(f, 'v128', out, op('v128.and', x, splatInt(f, 0x7fffffff)));
  const tie = op('v128.and', op('i32x4.shr_u', magnitude, int(13)), splatInt(f, 1));
  const rounded = op('i32x4.add', op('i32x4.add', magnitude, splatInt(f, 0xfff)), tie);
  const ordinary = op('i32x4.shr_u', op('i32x4.sub', rounded, splatInt(f, 0x38000000)), int(13));
  const subnormal = op('i32x4.sub', op('f32x4.add', magnitude, splatInt(f, 0x3f000000)), splatInt(f, 0x3f000000)); // units of 2^-24
  const finite = op('v128.bitselect', subnormal, ordinary, op('i32x4.lt_s', magnitude, splatInt(f, 0x38800000)));
  const special = op('v128.bitselect', splatInt(f, 0x7e00), splatInt(f, 0x7c00), op('i32x4.gt_s', magnitude, splatInt(f, 0x7f800000)));
  const bits = op('v128.bitselect', special, finite, op('i32x4.ge_s', magnitude, splatInt(f, 0x477ff000)));
  const sign = op('v128.and', op('i32x4.shr_u', x, int(16)), splatInt(f, 0x8000));
  const whole = named(f, 'v128', out, op('v128.or', bits, sign));
  return named(f, 'v128', out, op('i16x8.narrow_i32x4_u', whole, whole));
}

/** Four consecutive halves from memory as floats. */
export const loadHalves = (f: FunctionBuilder, out: Segment, address: Code, offset = 0): Code =>
  halfToFloat(f, out, op('i32x4.extend_low_i16x8_u', load('v128.load64_zero', address, offset)));

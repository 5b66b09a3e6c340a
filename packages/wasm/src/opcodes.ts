/** The instructions that the code generators use, by their names in the WebAssembly specification. */

/** Unsigned LEB128 of a number in 0…2³²−1. */
export function unsigned(value: number): number[] {
  const out: number[] = [];
  let rest = value >>> 0;
  while (rest > 127) { out.push((rest & 127) | 128); rest >>>= 7; }
  out.push(rest);
  return out;
}

/** Signed LEB128 of a 32-bit integer. */
export function signed(value: number): number[] {
  const out: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 127;
    rest >>= 7;
    if ((rest === 0 && !(low & 64)) || (rest === -1 && low & 64)) { out.push(low); return out; }
    out.push(low | 128);
  }
}

const simd = (code: number): number[] => [0xfd, ...unsigned(code)];
const saturating = (code: number): number[] => [0xfc, ...unsigned(code)];
const atomic = (code: number): number[] => [0xfe, ...unsigned(code)];

/** Instructions whose operands are all on the stack. */
export const plain = {
  'unreachable': [0x00], 'return': [0x0f], 'drop': [0x1a], 'select': [0x1b],
  'i32.ctz': [0x68], 'i32.eqz': [0x45], 'i32.eq': [0x46], 'i32.ne': [0x47], 'i32.lt_s': [0x48], 'i32.lt_u': [0x49], 'i32.gt_s': [0x4a],
  'i32.gt_u': [0x4b], 'i32.le_s': [0x4c], 'i32.le_u': [0x4d], 'i32.ge_s': [0x4e], 'i32.ge_u': [0x4f],
  'f64.eq': [0x61], 'f64.ne': [0x62], 'f64.lt': [0x63], 'f64.gt': [0x64], 'f64.le': [0x65], 'f64.ge': [0x66],
  'i32.add': [0x6a], 'i32.sub': [0x6b], 'i32.mul': [0x6c], 'i32.div_s': [0x6d], 'i32.div_u': [0x6e], 'i32.rem_s': [0x6f],
  'i32.rem_u': [0x70], 'i32.and': [0x71], 'i32.or': [0x72], 'i32.xor': [0x73], 'i32.shl': [0x74], 'i32.shr_s': [0x75],
  'i32.shr_u': [0x76],
  'i64.add': [0x7c], 'i64.sub': [0x7d], 'i64.and': [0x83], 'i64.or': [0x84], 'i64.shl': [0x86], 'i64.shr_s': [0x87], 'i64.shr_u': [0x88],
  'f64.abs': [0x99], 'f64.neg': [0x9a], 'f64.floor': [0x9c], 'f64.trunc': [0x9d], 'f64.nearest': [0x9e],
  'f64.add': [0xa0], 'f64.sub': [0xa1], 'f64.mul': [0xa2], 'f64.div': [0xa3], 'f64.copysign': [0xa6],
  'i32.wrap_i64': [0xa7], 'i64.extend_i32_s': [0xac], 'i64.extend_i32_u': [0xad], 'f32.demote_f64': [0xb6],
  'f64.convert_i32_s': [0xb7], 'f64.convert_i64_s': [0xb9], 'f64.promote_f32': [0xbb],
  'i64.reinterpret_f64': [0xbd], 'f64.reinterpret_i64': [0xbf], 'i32.trunc_sat_f64_s': saturating(2), 'i64.trunc_sat_f64_s': saturating(6),
  'i16x8.splat': simd(16), 'i32x4.splat': simd(17), 'f32x4.splat': simd(19), 'f64x2.splat': simd(20),
  'i32x4.eq': simd(55), 'i32x4.ne': simd(56), 'i32x4.lt_s': simd(57), 'i32x4.lt_u': simd(58), 'i32x4.gt_s': simd(59),
  'i32x4.gt_u': simd(60), 'i32x4.le_s': simd(61), 'i32x4.le_u': simd(62), 'i32x4.ge_s': simd(63), 'i32x4.ge_u': simd(64),
  'f32x4.eq': simd(65), 'f32x4.ne': simd(66), 'f32x4.lt': simd(67), 'f32x4.gt': simd(68), 'f32x4.le': simd(69), 'f32x4.ge': simd(70),
  'v128.not': simd(77), 'v128.and': simd(78), 'v128.andnot': simd(79), 'v128.or': simd(80), 'v128.xor': simd(81),
  'v128.bitselect': simd(82), 'v128.any_true': simd(83),
  'f32x4.demote_f64x2_zero': simd(94), 'f64x2.promote_low_f32x4': simd(95),
  'f32x4.ceil': simd(103), 'f32x4.floor': simd(104), 'f32x4.trunc': simd(105), 'f32x4.nearest': simd(106),
  'i16x8.narrow_i32x4_u': simd(134), 'f64x2.floor': simd(117), 'f64x2.nearest': simd(148),
  'i32x4.abs': simd(160), 'i32x4.neg': simd(161), 'i32x4.extend_low_i16x8_u': simd(169),
  'i32x4.shl': simd(171), 'i32x4.shr_s': simd(172), 'i32x4.shr_u': simd(173), 'i32x4.add': simd(174), 'i32x4.sub': simd(177),
  'i32x4.mul': simd(181), 'i32x4.min_s': simd(182), 'i32x4.min_u': simd(183), 'i32x4.max_s': simd(184), 'i32x4.max_u': simd(185),
  'f32x4.abs': simd(224), 'f32x4.neg': simd(225), 'f32x4.sqrt': simd(227), 'f32x4.add': simd(228), 'f32x4.sub': simd(229),
  'f32x4.mul': simd(230), 'f32x4.div': simd(231), 'f32x4.min': simd(232), 'f32x4.max': simd(233), 'f32x4.pmin': simd(234), 'f32x4.pmax': simd(235),
  'f64x2.add': simd(240), 'f64x2.sub': simd(241), 'f64x2.mul': simd(242), 'f64x2.div': simd(243),
  'i32x4.trunc_sat_f32x4_s': simd(248), 'i32x4.trunc_sat_f32x4_u': simd(249), 'f32x4.convert_i32x4_s': simd(250),
  'f32x4.convert_i32x4_u': simd(251), 'i32x4.trunc_sat_f64x2_s_zero': simd(252), 'i32x4.trunc_sat_f64x2_u_zero': simd(253),
  'f64x2.convert_low_i32x4_s': simd(254), 'f64x2.convert_low_i32x4_u': simd(255),
  'f32x4.relaxed_madd': simd(0x105), 'f64x2.relaxed_madd': simd(0x107),
} satisfies Record<string, number[]>;
export type Plain = keyof typeof plain;

/** Loads and stores: opcode and log₂ of the alignment. */
export const memory = {
  'i32.load': [[0x28], 2], 'i32.load8_u': [[0x2d], 0], 'i32.load16_u': [[0x2f], 1], 'i32.store': [[0x36], 2], 'i32.store16': [[0x3b], 1],
  'v128.load': [simd(0), 4], 'v128.load16_splat': [simd(8), 1], 'v128.load32_splat': [simd(9), 2], 'v128.store': [simd(11), 4],
  'v128.load32_zero': [simd(92), 2], 'v128.load64_zero': [simd(93), 3],
  'i32.atomic.load': [atomic(0x10), 2], 'i32.atomic.store': [atomic(0x17), 2], 'i32.atomic.rmw.add': [atomic(0x1e), 2], 'i32.atomic.rmw.sub': [atomic(0x25), 2],
  'memory.atomic.notify': [atomic(0x00), 2], 'memory.atomic.wait32': [atomic(0x01), 2],
} satisfies Record<string, [number[], number]>;
export type Memory = keyof typeof memory;

/** Loads and stores of one lane: opcode and log₂ of the alignment. */
export const laneMemory = {
  'v128.load16_lane': [simd(85), 1], 'v128.load32_lane': [simd(86), 2], 'v128.store16_lane': [simd(89), 1], 'v128.store32_lane': [simd(90), 2], 'v128.store64_lane': [simd(91), 3],
} satisfies Record<string, [number[], number]>;
export type LaneMemory = keyof typeof laneMemory;

/** Instructions on one lane. */
export const lane = {
  'i16x8.extract_lane_u': simd(25), 'i32x4.extract_lane': simd(27), 'i32x4.replace_lane': simd(28),
  'f32x4.extract_lane': simd(31), 'f32x4.replace_lane': simd(32), 'f64x2.extract_lane': simd(33), 'f64x2.replace_lane': simd(34),
} satisfies Record<string, number[]>;
export type Lane = keyof typeof lane;

export const shuffleOpcode: readonly number[] = simd(13);
export const vectorConstantOpcode: readonly number[] = simd(12);
export const memoryFill: readonly number[] = [...saturating(11), 0];

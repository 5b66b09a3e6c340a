/** Instructions as functions that return byte trees; every expression leaves its value on the stack. */
import type { Code, FunctionBuilder, Local, ValueType } from './encoder.js';
import { lane, laneMemory, memory, memoryFill, plain, shuffleOpcode, signed, unsigned, vectorConstantOpcode } from './opcodes.js';
import type { Lane, LaneMemory, Memory, Plain } from './opcodes.js';

export const get = (local: Local): Code => [0x20, unsigned(local.index)];
export const set = (local: Local, value: Code): Code => [value, 0x21, unsigned(local.index)];
export const tee = (local: Local, value: Code): Code => [value, 0x22, unsigned(local.index)];

export const int = (value: number): Code => [0x41, signed(value)];
export const long = (value: number): Code => [0x42, signed(value)];
export const double = (value: number): Code => [0x44, [...new Uint8Array(new Float64Array([value]).buffer)]];
export const single = (value: number): Code => [0x43, [...new Uint8Array(new Float32Array([value]).buffer)]];

/** An instruction and its operands, in order. */
export const op = (name: Plain, ...operands: Code[]): Code => [...operands, plain[name]];

export const add = (x: Code, y: Code): Code => op('i32.add', x, y);
export const sub = (x: Code, y: Code): Code => op('i32.sub', x, y);
export const mul = (x: Code, y: Code): Code => op('i32.mul', x, y);

/** x · factor for a constant factor. */
export function scaled(x: Code, factor: number): Code {
  if (factor === 1) return x;
  if (factor === 0) return [x, plain.drop, int(0)];
  const bits = Math.log2(factor);
  return Number.isInteger(bits) && bits > 0 ? op('i32.shl', x, int(bits)) : mul(x, int(factor));
}

/** A load or store; `offset` bytes (≥ 0) are added to the address without wrapping. */
export function access(name: Memory, operands: readonly Code[], offset = 0): Code {
  const [code, align] = memory[name];
  return [...operands, code, align, unsigned(offset)];
}
export const load = (name: Memory, address: Code, offset = 0): Code => access(name, [address], offset);
export const store = (name: Memory, address: Code, value: Code, offset = 0): Code => access(name, [address, value], offset);

/** A load into, or store from, lane `index` of a vector. */
export function accessLane(name: LaneMemory, address: Code, vector: Code, index: number, offset = 0): Code {
  const [code, align] = laneMemory[name];
  return [address, vector, code, align, unsigned(offset), index];
}

export const onLane = (name: Lane, index: number, ...operands: Code[]): Code => [...operands, lane[name], index];

/** Lanes of `x` (0–3) and `y` (4–7), 32 bits each. */
export const shuffle = (x: Code, y: Code, lanes: readonly [number, number, number, number]): Code =>
  [x, y, shuffleOpcode, lanes.flatMap((l) => [4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3])];

/** A vector of four 32-bit integers. */
export const vectorConstant = (values: readonly [number, number, number, number]): Code =>
  [vectorConstantOpcode, [...new Uint8Array(Int32Array.from(values).buffer)]];

export const when = (test: Code, then: Code, otherwise?: Code): Code =>
  [test, 0x04, 0x40, then, otherwise ? [0x05, otherwise] : [], 0x0b];

const blockType: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** One of two values; only the chosen one is computed. */
export const choose = (type: ValueType, test: Code, then: Code, otherwise: Code): Code =>
  [test, 0x04, blockType[type], then, 0x05, otherwise, 0x0b];

/** Repeats while `again`, computed after the body, is true. */
export const repeat = (body: Code, again: Code): Code => [0x03, 0x40, body, again, 0x0d, 0, 0x0b];

/** for (; i < end; i += step), unsigned; `i` keeps its value before and after. */
export const whileBelow = (i: Local, end: Code, step: Code, body: Code): Code =>
  when(op('i32.lt_u', get(i), end), repeat(body, op('i32.lt_u', tee(i, add(get(i), step)), end)));

/** for (i = start; i < end; i += step), unsigned. */
export const forRange = (i: Local, start: Code, end: Code, step: Code, body: Code): Code =>
  [set(i, start), whileBelow(i, end, step, body)];

export const call = (f: FunctionBuilder, ...args: Code[]): Code => [...args, 0x10, unsigned(f.index)];

export const fillBytes = (target: Code, value: Code, bytes: Code): Code => [target, value, bytes, memoryFill];

/** The smaller of two unsigned integers; the operands are evaluated twice. */
export const minimum = (x: Code, y: Code): Code => op('select', x, y, op('i32.lt_u', x, y));

/** A vector of four copies of a float, kept in a local of the function. */
export function splat(f: FunctionBuilder, value: number): Code {
  const key = Object.is(value, -0) ? 'f-0' : `f${Math.fround(value)}`;
  return get(f.shared(key, 'v128', () => op('f32x4.splat', single(value))));
}

/** A vector of four copies of an integer, kept in a local of the function. */
export const splatInt = (f: FunctionBuilder, value: number): Code =>
  get(f.shared(`i${value | 0}`, 'v128', () => op('i32x4.splat', int(value))));

/** A vector of two copies of a double, kept in a local of the function. */
export const splatDouble = (f: FunctionBuilder, value: number): Code =>
  get(f.shared(`d${value}`, 'v128', () => op('f64x2.splat', double(value))));

/** x · y + z on four floats: fused where the device can. */
export const multiplyAdd = (f: FunctionBuilder, x: Code, y: Code, z: Code): Code =>
  f.fusedMultiplyAdd ? op('f32x4.relaxed_madd', x, y, z) : op('f32x4.add', op('f32x4.mul', x, y), z);

/** Evaluates once, into a fresh local: the code that sets it, and the code that reads it. */
export function named(f: FunctionBuilder, type: ValueType, out: (number | Code)[], value: Code): Code {
  const local = f.local(type);
  out.push(set(local, value));
  return get(local);
}

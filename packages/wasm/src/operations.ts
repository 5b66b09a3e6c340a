/** One vector instruction sequence for every operator of the expression language. */
import { call, choose, int, named, onLane, op, shuffle, splat, splatDouble, splatInt } from './code.js';
import type { Code, FunctionBuilder, ModuleBuilder, Segment } from './encoder.js';
import { cos, erf, exp, log, sign, sin, tanh } from './math.js';
import type { Node } from './normal.js';
import type { Plain } from './opcodes.js';
import { powFunction, remainderFunction } from './scalar-math.js';

interface Context { readonly module: ModuleBuilder; readonly f: FunctionBuilder }
const isFloat = (dtype: string): boolean => dtype === 'f32' || dtype === 'f16';

/** The four lanes of a node that is neither a load, an index, nor a result; `valueOf` gives its operands. */
export function operation(context: Context, node: Node, valueOf: (x: Node) => Code, out: Segment): Code {
  const { f } = context;
  switch (node.kind) {
    case 'constant': return splat(f, node.value);
    case 'unary': return unary(context, node, valueOf(node.x), out);
    case 'binary': return binary(context, node, valueOf(node.x), valueOf(node.y), out);
    case 'select': return op('v128.bitselect', valueOf(node.x), valueOf(node.y), valueOf(node.test));
    case 'cast': return cast(f, node.x.dtype, node.dtype, valueOf(node.x));
    case 'bitcast': return bitcast(f, node.x.dtype, node.dtype, valueOf(node.x));
    default: throw new Error(`operation: ${node.kind} is not an operator`);
  }
}

function unary({ f }: Context, node: Node & { kind: 'unary' }, x: Code, out: Segment): Code {
  if (!isFloat(node.x.dtype)) {
    switch (node.op) {
      case 'neg': return op('i32x4.neg', x);
      case 'abs': return node.x.dtype === 'i32' ? op('i32x4.abs', x) : x;
      case 'not': return op('v128.not', x);
      case 'sign': {
        const one = op('v128.and', op('i32x4.ne', x, splatInt(f, 0)), splatInt(f, 1));
        return node.x.dtype === 'i32' ? op('v128.or', op('i32x4.shr_s', x, int(31)), one) : one;
      }
      case 'floor': case 'ceil': case 'round': return x;
      default: throw new TypeError(`wasm: ${node.op} takes floats, got ${node.x.dtype}; cast the operand to f32`);
    }
  }
  switch (node.op) {
    case 'neg': return op('f32x4.neg', x);
    case 'abs': return op('f32x4.abs', x);
    case 'sign': return sign(f, out, x);
    case 'exp': return exp(f, out, x);
    case 'log': return log(f, out, x);
    case 'sin': return sin(f, out, x);
    case 'cos': return cos(f, out, x);
    case 'tanh': return tanh(f, out, x);
    case 'erf': return erf(f, out, x);
    case 'sqrt': return op('f32x4.sqrt', x);
    case 'rsqrt': return op('f32x4.div', splat(f, 1), op('f32x4.sqrt', x));
    case 'reciprocal': return op('f32x4.div', splat(f, 1), x);
    case 'floor': return op('f32x4.floor', x);
    case 'ceil': return op('f32x4.ceil', x);
    case 'round': return op('f32x4.nearest', x);
    case 'not': throw new TypeError(`wasm: not takes bool or integers, got ${node.x.dtype}; compare with 0 instead`);
  }
}

/** Combines lane by lane in scalars. */
function laneWise(f: FunctionBuilder, out: Segment, x: Code, y: Code, combine: (x: Code, y: Code) => Code): Code {
  let result: Code = x;
  for (let lane = 0; lane < 4; lane++) {
    const a = named(f, 'i32', out, onLane('i32x4.extract_lane', lane, x)), b = named(f, 'i32', out, onLane('i32x4.extract_lane', lane, y));
    result = named(f, 'v128', out, onLane('i32x4.replace_lane', lane, result, combine(a, b)));
  }
  return result;
}

function laneWiseFloat(f: FunctionBuilder, out: Segment, x: Code, y: Code, scalar: FunctionBuilder): Code {
  let result: Code = x;
  for (let lane = 0; lane < 4; lane++) {
    const [a, b] = [x, y].map((v) => op('f64.promote_f32', onLane('f32x4.extract_lane', lane, v))) as [Code, Code];
    result = named(f, 'v128', out, onLane('f32x4.replace_lane', lane, result, op('f32.demote_f64', call(scalar, a, b))));
  }
  return result;
}

function binary({ f, module }: Context, node: Node & { kind: 'binary' }, x: Code, y: Code, out: Segment): Code {
  const dtype = node.x.dtype;
  if (isFloat(dtype)) {
    switch (node.op) {
      case 'add': case 'sub': case 'mul': case 'div': case 'eq': case 'ne': case 'lt': case 'le': return op(`f32x4.${node.op}` as Plain, x, y);
      case 'max': case 'min': return op(`f32x4.${node.op}`, x, y);
      case 'pow': return laneWiseFloat(f, out, x, y, powFunction(module));
      case 'mod': return laneWiseFloat(f, out, x, y, remainderFunction(module));
      default: throw new TypeError(`wasm: ${node.op} takes bool or integers, got ${dtype}; cast the operands`);
    }
  }
  const isSigned = dtype === 'i32';
  if (dtype === 'bool' && (node.op === 'max' || node.op === 'min')) return op(node.op === 'max' ? 'v128.or' : 'v128.and', x, y);
  switch (node.op) {
    case 'add': case 'sub': case 'mul': case 'eq': case 'ne': return op(`i32x4.${node.op}`, x, y);
    case 'max': case 'min': case 'lt': case 'le': return op(`i32x4.${node.op}_${isSigned ? 's' : 'u'}`, x, y);
    case 'and': case 'or': case 'xor': return op(`v128.${node.op}`, x, y);
    case 'shl': case 'shr': {
      const vector = node.op === 'shl' ? 'i32x4.shl' : isSigned ? 'i32x4.shr_s' : 'i32x4.shr_u';
      if (node.y.kind === 'constant') return op(vector, x, int(node.y.value));
      const scalar = node.op === 'shl' ? 'i32.shl' : isSigned ? 'i32.shr_s' : 'i32.shr_u';
      return laneWise(f, out, x, y, (a, b) => op(scalar, a, b));
    }
    case 'div': if (node.y.kind === 'constant' && node.y.value > 0) return quotient(f, out, x, node.y.value, isSigned); return laneWise(f, out, x, y, (a, b) => guardZero(b, isSigned
      ? choose('i32', op('i32.eq', b, int(-1)), op('i32.sub', int(0), a), op('i32.div_s', a, b)) : op('i32.div_u', a, b)));
    case 'mod': if (node.y.kind === 'constant' && node.y.value > 0) { const a = named(f, 'v128', out, x); return op('i32x4.sub', a, op('i32x4.mul', quotient(f, out, a, node.y.value, isSigned), y)); } return laneWise(f, out, x, y, (a, b) => guardZero(b, op(isSigned ? 'i32.rem_s' : 'i32.rem_u', a, b)));
    case 'pow': throw new TypeError(`wasm: pow takes floats, got ${dtype}; cast the operands to f32`);
  }
}

/** Integers divided by a constant > 0, toward zero: by shifts, or in doubles, whose quotient of such numbers never rounds up to a whole one. */
function quotient(f: FunctionBuilder, out: Segment, x: Code, by: number, isSigned: boolean): Code {
  const a = named(f, 'v128', out, x), bits = Math.log2(by);
  if (by === 1) return a;
  if (Number.isInteger(bits)) return isSigned ? op('i32x4.shr_s', op('i32x4.add', a, op('i32x4.shr_u', op('i32x4.shr_s', a, int(31)), int(32 - bits))), int(bits)) : op('i32x4.shr_u', a, int(bits));
  const suffix = isSigned ? 's' : 'u';
  const [low, high] = [a, shuffle(a, a, [2, 3, 2, 3])].map((pair) => op(`i32x4.trunc_sat_f64x2_${suffix}_zero`, op('f64x2.div', op(`f64x2.convert_low_i32x4_${suffix}`, pair), splatDouble(f, by)))) as [Code, Code];
  return shuffle(low, high, [0, 1, 4, 5]);
}

/** An integer division by zero gives 0. */
const guardZero = (divisor: Code, quotient: Code): Code => choose('i32', op('i32.eqz', divisor), int(0), quotient);

function cast(f: FunctionBuilder, from: string, to: string, x: Code): Code {
  if (from === to || (isFloat(from) && isFloat(to))) return x;
  if (to === 'bool') return isFloat(from) ? op('f32x4.ne', x, splat(f, 0)) : op('i32x4.ne', x, splatInt(f, 0));
  if (from === 'bool') return op('v128.and', x, isFloat(to) ? splat(f, 1) : splatInt(f, 1));
  if (isFloat(from)) return op(to === 'i32' ? 'i32x4.trunc_sat_f32x4_s' : 'i32x4.trunc_sat_f32x4_u', x);
  if (isFloat(to)) return op(from === 'i32' ? 'f32x4.convert_i32x4_s' : 'f32x4.convert_i32x4_u', x);
  return x;
}

function bitcast(f: FunctionBuilder, from: string, to: string, x: Code): Code {
  if (from === 'f16' || to === 'f16') throw new TypeError('wasm: bitcast keeps 32 bits; f16 has 16');
  if (from === to) return x;
  if (to === 'bool') return op('i32x4.ne', x, splatInt(f, 0));
  return from === 'bool' ? op('v128.and', x, splatInt(f, 1)) : x;
}

/** Sum, greatest or least of two vectors of a dtype. */
export function combine(reduce: 'sum' | 'max' | 'min', dtype: string): (x: Code, y: Code) => Code {
  if (isFloat(dtype)) return (x, y) => op(reduce === 'sum' ? 'f32x4.add' : reduce === 'max' ? 'f32x4.max' : 'f32x4.min', x, y);
  if (dtype === 'bool') return (x, y) => op(reduce === 'min' ? 'v128.and' : 'v128.or', x, y);
  const suffix = dtype === 'i32' ? 's' : 'u';
  return (x, y) => op(reduce === 'sum' ? 'i32x4.add' : `i32x4.${reduce}_${suffix}`, x, y);
}

/** What a reduction over nothing gives. */
export function identity(f: FunctionBuilder, reduce: 'sum' | 'max' | 'min', dtype: string): Code {
  if (isFloat(dtype)) return splat(f, reduce === 'sum' ? 0 : reduce === 'max' ? -Infinity : Infinity);
  if (reduce === 'sum') return splatInt(f, 0);
  if (dtype === 'bool') return splatInt(f, reduce === 'max' ? 0 : -1);
  if (dtype === 'u32') return splatInt(f, reduce === 'max' ? 0 : 0xffffffff);
  return splatInt(f, reduce === 'max' ? -0x80000000 : 0x7fffffff);
}

/** A table from the primitives of the graph IR to operators of ONNX. */
import { sizeOf, type BinaryOp, type DType, type Node, type Op, type UnaryOp } from '@ashlar/tensor';
import { onnxTypeOf, type GraphBuilder } from './graph-builder.js';
import { OnnxError, onnxTypes } from './onnx-format.js';

type Kind = Exclude<Op['kind'], 'leaf' | 'fused' | 'checkpoint' | 'result'>;
type Emitter<K extends Kind> = (to: GraphBuilder, op: Extract<Op, { kind: K }>, node: Node, inputs: readonly string[]) => string;

const castTo = (to: GraphBuilder, x: string, type: keyof typeof onnxTypes): string => to.add('Cast', [x], { to: { int: onnxTypes[type] } });
/** The low 32 bits of an int64, for what stands for a u32. */
const low32 = (to: GraphBuilder, x: string): string => to.add('BitwiseAnd', [x, to.constant('int64', [], [2 ** 32 - 1])]);
const wrap = (to: GraphBuilder, x: string, dtype: DType): string => (dtype === 'u32' ? low32(to, x) : x);
const filled = (to: GraphBuilder, node: Node, value: number): string => {
  const one = to.constant(onnxTypeOf[node.dtype], [], [value]);
  return node.shape.length === 0 ? one : to.add('Expand', [one, to.integers(node.shape)]);
};

const unaryOps: Readonly<Record<Exclude<UnaryOp, 'rsqrt' | 'not'>, string>> = {
  neg: 'Neg', abs: 'Abs', sign: 'Sign', exp: 'Exp', log: 'Log', sin: 'Sin', cos: 'Cos', tanh: 'Tanh', erf: 'Erf', sqrt: 'Sqrt',
  reciprocal: 'Reciprocal', floor: 'Floor', ceil: 'Ceil', round: 'Round',
};
const binaryOps: Readonly<Record<Exclude<BinaryOp, 'ne' | 'mod' | 'and' | 'or' | 'xor' | 'shl' | 'shr'>, string>> = {
  add: 'Add', sub: 'Sub', mul: 'Mul', div: 'Div', pow: 'Pow', max: 'Max', min: 'Min', eq: 'Equal', lt: 'Less', le: 'LessOrEqual',
};
const logicOps: Readonly<Record<'and' | 'or' | 'xor', string>> = { and: 'And', or: 'Or', xor: 'Xor' };

function unary(to: GraphBuilder, op: UnaryOp, dtype: DType, x: string): string {
  if (op === 'rsqrt') return to.add('Reciprocal', [to.add('Sqrt', [x])]);
  if (op === 'not') return dtype === 'bool' ? to.add('Not', [x]) : wrap(to, to.add('BitwiseNot', [x]), dtype);
  return wrap(to, to.add(unaryOps[op], [x]), dtype);
}

function binary(to: GraphBuilder, op: BinaryOp, dtype: DType, x: string, y: string): string {
  switch (op) {
    case 'ne': return to.add('Not', [to.add('Equal', [x, y])]);
    case 'mod': return to.add('Mod', [x, y], { fmod: { int: 1 } }); // the sign of the dividend, also for integers
    case 'and': case 'or': case 'xor': return to.add(dtype === 'bool' ? logicOps[op] : `Bitwise${logicOps[op]}`, [x, y]);
    case 'shl': case 'shr': {
      // By arithmetic in 64 bits: x · 2ʸ, and ⌊x / 2ʸ⌋ as (x − x mod 2ʸ) / 2ʸ, whose remainder has the sign of 2ʸ.
      const [wide, places] = dtype === 'u32' ? [x, y] : [castTo(to, x, 'int64'), castTo(to, y, 'int64')];
      const power = to.add('Pow', [to.constant('int64', [], [2]), places]);
      const shifted = op === 'shl' ? to.add('Mul', [wide, power]) : to.add('Div', [to.add('Sub', [wide, to.add('Mod', [wide, power])]), power]);
      return dtype === 'u32' ? low32(to, shifted) : castTo(to, shifted, 'int32');
    }
    default: return op === 'eq' || op === 'lt' || op === 'le' ? to.add(binaryOps[op], [x, y]) : wrap(to, to.add(binaryOps[op], [x, y]), dtype);
  }
}

/** A slice by [start, end) and step along each axis. A negative step goes down to before 0. */
const slice = (to: GraphBuilder, x: string, starts: readonly number[], ends: readonly number[], axes: readonly number[], steps: readonly number[]): string =>
  to.add('Slice', [x, to.integers(starts), to.integers(ends), to.integers(axes), to.integers(steps)]);

/** The value of a reduction of nothing. */
const ofNothing = (op: 'sum' | 'max' | 'min', dtype: DType): number => {
  const [least, greatest] = dtype === 'i32' ? [-(2 ** 31), 2 ** 31 - 1] : dtype === 'u32' ? [0, 2 ** 32 - 1] : [-Infinity, Infinity];
  return op === 'sum' ? 0 : op === 'max' ? least! : greatest!;
};

const emitters: { readonly [K in Kind]: Emitter<K> } = {
  scalar: (to, op, { dtype }) => to.constant(onnxTypeOf[dtype], [], [dtype === 'bool' ? Number(op.value !== 0) : op.value]),
  iota: (to, _, { shape }) => to.constant('int32', shape, Array.from({ length: shape[0]! }, (__, i) => i)),
  unary: (to, op, { dtype }, [x]) => unary(to, op.op, dtype, x!),
  binary: (to, op, { inputs }, [x, y]) => binary(to, op.op, inputs[0]!.dtype, x!, y!),
  select: (to, _, { dtype }, [test, x, y]) => (dtype === 'bool' ? to.add('Or', [to.add('And', [test!, x!]), to.add('And', [to.add('Not', [test!]), y!])]) : to.add('Where', [test!, x!, y!])),
  cast: (to, _, { dtype }, [x]) => wrap(to, castTo(to, x!, onnxTypeOf[dtype]), dtype),
  bitcast: (to, _, { dtype, inputs }, [x]) => {
    if (dtype === 'f32' || inputs[0]!.dtype === 'f32') throw new OnnxError(`onnx: the model reads the bits of ${inputs[0]!.dtype} as ${dtype}, and opset ${opset} has no operator for that; leave the bitcast out of what is exported`);
    return dtype === 'u32' ? low32(to, castTo(to, x!, 'int64')) : castTo(to, x!, 'int32');
  },
  reduce: (to, op, node, [x]) => {
    if (sizeOf(node.inputs[0]!.shape) === 0) return filled(to, node, ofNothing(op.op, node.dtype));
    const name = ({ sum: 'ReduceSum', max: 'ReduceMax', min: 'ReduceMin' } as const)[op.op];
    return wrap(to, to.add(name, [x!, to.integers(op.axes)], { keepdims: { int: 0 } }), node.dtype);
  },
  reshape: (to, _, { shape }, [x]) => to.add('Reshape', [x!, to.integers(shape)]),
  permute: (to, op, _, [x]) => to.add('Transpose', [x!], { perm: { ints: op.axes } }),
  expand: (to, _, { shape }, [x]) => to.add('Expand', [x!, to.integers(shape)]),
  slice: (to, op, { shape, inputs }, [x]) => {
    const axes = shape.map((_, i) => i).filter((i) => shape[i] !== inputs[0]!.shape[i]), of = (values: readonly number[]): number[] => axes.map((i) => values[i]!);
    return slice(to, x!, of(op.starts), axes.map((i) => op.starts[i]! + (shape[i]! - 1) * op.steps[i]! + 1), axes, of(op.steps));
  },
  pad: (to, op, _, [x]) => to.add('Pad', [x!, to.integers([...op.low, ...op.high])]),
  flip: (to, op, _, [x]) => slice(to, x!, op.axes.map(() => -1), op.axes.map(() => -(2 ** 31)), op.axes, op.axes.map(() => -1)),
  concat: (to, op, { inputs }, names) => to.add('Concat', names.filter((_, i) => sizeOf(inputs[i]!.shape) > 0), { axis: { int: op.axis } }),
  gather: (to, _, { inputs: [table, indices] }, [x, at]) => {
    const type = onnxTypeOf[indices!.dtype], clamped = to.add('Min', [to.add('Max', [at!, to.constant(type, [], [0])]), to.constant(type, [], [table!.shape[0]! - 1])]);
    return to.add('Gather', [x!, clamped], { axis: { int: 0 } });
  },
  scatterAdd: (to, op, node, [indices, updates]) => {
    // Skipped rows go to one row more, which is cut off.
    const [at, rows] = node.inputs, type = onnxTypeOf[at!.dtype], count = to.constant(type, [], [op.rows]);
    const inside = to.add('And', [to.add('LessOrEqual', [to.constant(type, [], [0]), indices!]), to.add('Less', [indices!, count])]);
    const row = castTo(to, to.add('Where', [inside, indices!, count]), 'int64');
    const zeros = filled(to, { ...node, shape: [op.rows + 1, rows!.shape[1]!] }, 0);
    const sums = to.add('ScatterND', [zeros, to.add('Unsqueeze', [row, to.integers([1])]), updates!], { reduction: { string: 'add' } });
    return slice(to, sums, [0], [op.rows], [0], [1]);
  },
  dot: (to, _, node, [a, b]) => (node.inputs[0]!.shape.at(-1) === 0 ? filled(to, node, 0) : to.add('MatMul', [a!, b!])),
  random: () => { throw new OnnxError('onnx: the model draws random numbers, and ONNX has none that a key decides; export it outside of training'); },
  barrier: (_, __, ___, [x]) => x!,
};

/** The operator set that the tables are written for. */
export const opset = 23;

/** Adds what computes a primitive node from its operands; gives the name of its result. @throws {OnnxError} where ONNX cannot say it. */
export function emitPrimitive(to: GraphBuilder, node: Node, inputs: readonly string[]): string {
  const { op } = node;
  if (sizeOf(node.shape) === 0) return to.constant(onnxTypeOf[node.dtype], node.shape, []);
  return (emitters[op.kind as Kind] as Emitter<Kind>)(to, op as Extract<Op, { kind: Kind }>, node, inputs);
}

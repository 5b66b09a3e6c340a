/** One case or more for every primitive: odd sizes, axes of size 0 and 1, broadcasting, views that are not contiguous. */
import { arange, concat, randomBits, scatterAdd, stack, where, type DType, type Shape, type Tensor } from '@ashlar/tensor';
import type { Domain } from './data.js';

export interface PrimitiveCase {
  readonly name: string;
  readonly inputs: readonly { readonly shape: Shape; readonly dtype?: DType; readonly domain?: Domain }[];
  readonly compute: (...inputs: Tensor[]) => Tensor;
  /** Whether its gradients are compared with finite differences (of the float inputs). */
  readonly differentiable: boolean;
  readonly tolerance?: number;
}

const shapes: readonly Shape[] = [[], [1], [7], [0], [3, 5], [2, 0, 3], [4, 1, 9], [2, 3, 4, 5]];

type FloatUnary = 'neg' | 'abs' | 'sign' | 'exp' | 'log' | 'sin' | 'cos' | 'tanh' | 'erf' | 'sqrt' | 'rsqrt' | 'reciprocal' | 'floor' | 'ceil' | 'round' | 'sigmoid' | 'square';
const unaryDomains: Record<FloatUnary, Domain> = {
  neg: 'any', abs: 'apart', sign: 'apart', exp: 'any', log: 'positive', sin: 'any', cos: 'any', tanh: 'any', erf: 'any', sqrt: 'positive', rsqrt: 'positive',
  reciprocal: 'positive', floor: 'apart', ceil: 'apart', round: 'apart', sigmoid: 'any', square: 'any',
};
type Binary = 'add' | 'sub' | 'mul' | 'div' | 'mod' | 'pow' | 'maximum' | 'minimum';
const pairs: readonly (readonly [Shape, Shape])[] = [[[3, 5], [3, 5]], [[3, 5], [5]], [[3, 1, 4], [2, 1]], [[], [7]], [[0, 3], [1, 3]], [[33], [1]]];

function* unaryCases(): Generator<PrimitiveCase> {
  for (const [op, domain] of Object.entries(unaryDomains) as [FloatUnary, Domain][]) {
    for (const shape of shapes) yield { name: `${op} [${shape}]`, inputs: [{ shape, domain }], compute: (x) => x[op](), differentiable: true };
    yield { name: `${op} of a transposed slice`, inputs: [{ shape: [5, 6], domain }], compute: (x) => x.slice([1, 4], [0, 6, 2]).transpose()[op](), differentiable: true };
  }
  for (const dtype of ['i32', 'u32'] as const) {
    for (const op of ['neg', 'abs', 'not'] as const) if (op !== 'abs' || dtype === 'i32') yield { name: `${op} ${dtype}`, inputs: [{ shape: [9], dtype, domain: 'integer' }], compute: (x) => x[op](), differentiable: false };
  }
  yield { name: 'not bool', inputs: [{ shape: [9], dtype: 'bool', domain: 'bool' }], compute: (x) => x.not(), differentiable: false };
}

function* binaryCases(): Generator<PrimitiveCase> {
  for (const op of ['add', 'sub', 'mul', 'div', 'mod', 'pow', 'maximum', 'minimum'] as const satisfies readonly Binary[]) {
    const domain: Domain = op === 'div' || op === 'pow' || op === 'mod' ? 'positive' : 'any';
    for (const [a, b] of pairs) yield { name: `${op} [${a}] [${b}]`, inputs: [{ shape: a, domain }, { shape: b, domain }], compute: (x, y) => x[op](y), differentiable: op !== 'mod' };
  }
  for (const dtype of ['f32', 'i32', 'u32'] as const) {
    for (const op of ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const) yield { name: `${op} ${dtype}`, inputs: [{ shape: [5, 7], dtype, domain: 'integer' }, { shape: [7], dtype, domain: 'integer' }], compute: (x, y) => x[op](y), differentiable: false };
    if (dtype === 'f32') continue;
    for (const op of ['add', 'sub', 'mul', 'maximum', 'minimum', 'and', 'or', 'xor'] as const) yield { name: `${op} ${dtype}`, inputs: [{ shape: [33], dtype, domain: 'integer' }, { shape: [33], dtype, domain: 'integer' }], compute: (x, y) => x[op](y), differentiable: false };
    for (const op of ['div', 'mod'] as const) yield { name: `${op} ${dtype}`, inputs: [{ shape: [33], dtype, domain: 'integer' }, { shape: [33], dtype: 'bool', domain: 'bool' }], compute: (x, y) => x[op](y.cast(dtype).add(3)), differentiable: false };
    for (const op of ['shiftLeft', 'shiftRight'] as const) yield { name: `${op} ${dtype}`, inputs: [{ shape: [33], dtype, domain: 'integer' }], compute: (x) => x.mul(100003)[op](3), differentiable: false };
  }
  for (const op of ['and', 'or', 'xor', 'eq', 'ne'] as const) yield { name: `${op} bool`, inputs: [{ shape: [9], dtype: 'bool', domain: 'bool' }, { shape: [9], dtype: 'bool', domain: 'bool' }], compute: (x, y) => x[op](y), differentiable: false };
  yield { name: 'maximum of equal values', inputs: [{ shape: [7], domain: 'integer' }], compute: (x) => x.maximum(x.round()), differentiable: false };
}

function* otherCases(): Generator<PrimitiveCase> {
  const x = (shape: Shape, domain: Domain = 'any') => ({ shape, domain });
  yield { name: 'where', inputs: [x([3, 5]), x([5]), x([3, 1])], compute: (a, b, c) => where(a.gt(0).stopGradient(), b, c), differentiable: false };
  yield { name: 'where, gradient', inputs: [x([3, 5]), x([5])], compute: (a, b) => where(arange(5).mod(2).eq(0), a, b), differentiable: true };
  for (const dtype of ['i32', 'u32', 'bool'] as const) {
    yield { name: `cast f32 to ${dtype}`, inputs: [x([17], dtype === 'u32' ? 'positive' : 'any')], compute: (a) => a.mul(3).cast(dtype), differentiable: false };
    yield { name: `cast ${dtype} to f32`, inputs: [{ shape: [17], dtype, domain: dtype === 'bool' ? 'bool' : 'integer' }], compute: (a) => a.cast('f32'), differentiable: false };
  }
  yield { name: 'bitcast', inputs: [x([17])], compute: (a) => a.bitcast('i32').add(1).bitcast('f32'), differentiable: false, tolerance: 0 };
  for (const op of ['sum', 'max', 'min'] as const) {
    const domain: Domain = op === 'sum' ? 'any' : 'apart';
    for (const [shape, axes] of [[[7], [0]], [[3, 5], [0]], [[3, 5], [1]], [[3, 5], [0, 1]], [[2, 3, 4], [1]], [[2, 3, 4], [0, 2]], [[5, 1, 3], [1]], [[0, 3], [0]], [[3, 0], [0]], [[2, 65], [1]], [[67, 33], [0]], [[4, 3, 33], [0, 1]]] as const) {
      yield { name: `${op} [${shape}] over ${axes}`, inputs: [x(shape, domain)], compute: (a) => a[op]([...axes]), differentiable: shape[0] * 2 < 100 };
    }
    yield { name: `${op} of a permuted view`, inputs: [x([3, 4, 5], domain)], compute: (a) => a.permute(2, 0, 1)[op]([0, 2]), differentiable: true };
    for (const dtype of ['i32', 'u32'] as const) yield { name: `${op} ${dtype}`, inputs: [{ shape: [5, 9], dtype, domain: 'integer' }], compute: (a) => a[op](1), differentiable: false };
  }
  yield { name: 'mean, variance', inputs: [x([4, 9])], compute: (a) => a.variance(-1), differentiable: true };
  yield { name: 'argmax', inputs: [x([5, 9], 'integer')], compute: (a) => a.argmax(1), differentiable: false };
  yield { name: 'softmax', inputs: [x([5, 9])], compute: (a) => a.mul(5).softmax(-1), differentiable: true };
  yield { name: 'softmax over the first axis', inputs: [x([5, 9])], compute: (a) => a.softmax(0), differentiable: true };
  yield { name: 'logSumExp of large numbers', inputs: [x([3, 9])], compute: (a) => a.mul(1000).logSumExp(-1), differentiable: false };
  yield { name: 'logSoftmax', inputs: [x([3, 7])], compute: (a) => a.logSoftmax(), differentiable: true };
  yield { name: 'reshape of a permuted view', inputs: [x([3, 4, 5])], compute: (a) => a.permute(1, 2, 0).reshape([6, 10]).mul(2), differentiable: true };
  yield { name: 'broadcastTo', inputs: [x([3, 1])], compute: (a) => a.broadcastTo([2, 3, 4]).exp(), differentiable: true };
  yield { name: 'slice with steps', inputs: [x([7, 9])], compute: (a) => a.slice([1, 7, 2], [-5, 9, 3]), differentiable: true };
  yield { name: 'an empty slice', inputs: [x([7, 9])], compute: (a) => a.slice([3, 3]), differentiable: true };
  yield { name: 'pad', inputs: [x([3, 4])], compute: (a) => a.pad([1, 2], [0, 3]).add(1), differentiable: true };
  yield { name: 'pad of a sum', inputs: [x([3, 4])], compute: (a) => a.exp().pad([2, 0]).sum(0), differentiable: true };
  yield { name: 'flip', inputs: [x([3, 4])], compute: (a) => a.flip(0, 1), differentiable: true };
  yield { name: 'concat', inputs: [x([3, 4]), x([3, 1]), x([3, 5])], compute: (a, b, c) => concat([a.exp(), b, c.transpose().transpose()], 1), differentiable: true };
  yield { name: 'concat on the first axis, one part empty', inputs: [x([2, 3]), x([0, 3]), x([1, 3])], compute: (a, b, c) => concat([a, b, c], 0), differentiable: true };
  yield { name: 'stack', inputs: [x([3, 2]), x([3, 2])], compute: (a, b) => stack([a, b], 1), differentiable: true };
  yield { name: 'split and joined again', inputs: [x([2, 9])], compute: (a) => { const [p, q, r] = a.split(3); return concat([r!.mul(2), p!, q!.neg()], 1); }, differentiable: true };
  for (const dtype of ['i32', 'u32'] as const) {
    const indices = { shape: [2, 5], dtype, domain: 'bool' } as const;
    yield { name: `gather by ${dtype}`, inputs: [x([4, 3]), indices], compute: (table, rows) => table.gather(rows.mul(3)).mul(2), differentiable: true };
    yield { name: `gather of scalars by ${dtype}`, inputs: [x([4]), indices], compute: (table, rows) => table.gather(rows.add(1)), differentiable: true };
    yield { name: `scatterAdd by ${dtype}`, inputs: [x([10, 3]), indices], compute: (updates, rows) => scatterAdd(rows.mul(2).reshape([10]), updates, 4), differentiable: true };
  }
  yield { name: 'scatterAdd of single rows beside rows of many', inputs: [x([70, 1])], compute: (updates) => scatterAdd(arange(70).mul(7).minimum(31), updates, 32), differentiable: true };
  yield { name: 'gather clamps, scatterAdd skips', inputs: [x([4, 3]), { shape: [5], dtype: 'i32', domain: 'integer' }], compute: (table, rows) => scatterAdd(rows, table.gather(rows.mul(3)), 4), differentiable: true };
  yield { name: 'pick', inputs: [x([3, 5]), { shape: [3], dtype: 'i32', domain: 'bool' }], compute: (a, at) => a.pick(at.mul(4)), differentiable: true };
  yield { name: 'iota', inputs: [x([5])], compute: (a) => a.mul(arange(5).cast('f32')), differentiable: true };
  yield { name: 'random bits', inputs: [{ shape: [2], dtype: 'u32', domain: 'bool' }], compute: (key) => randomBits(key.add(7), [5, 13]), differentiable: false, tolerance: 0 };
  for (const [m, k, n] of [[1, 1, 1], [3, 4, 5], [7, 1, 9], [1, 33, 65], [17, 31, 19], [65, 63, 33], [64, 64, 64], [5, 0, 3], [0, 4, 3]] as const) {
    const differentiable = m * k * n < 200;
    yield { name: `matmul ${m}×${k}×${n}`, inputs: [x([m, k]), x([k, n])], compute: (a, b) => a.matmul(b), differentiable };
    yield { name: `matmul ${m}×${k}×${n}, transposed operands`, inputs: [x([k, m]), x([n, k])], compute: (a, b) => a.transpose().matmul(b.transpose()), differentiable };
    yield { name: `matmul ${m}×${k}×${n} with an epilogue`, inputs: [x([m, k]), x([n, k]), x([n]), x([m, n])], compute: (a, b, bias, residual) => a.matmul(b.transpose()).add(bias).tanh().add(residual), differentiable };
  }
  yield { name: 'matmul in batches', inputs: [x([2, 3, 4, 5]), x([3, 5, 2])], compute: (a, b) => a.matmul(b), differentiable: true };
  yield { name: 'matmul of heads', inputs: [x([2, 3, 8]), x([2, 5, 8])], compute: (a, b) => { const q = a.reshape([2, 3, 2, 4]).permute(0, 2, 1, 3), k = b.reshape([2, 5, 2, 4]).permute(0, 2, 3, 1); return q.matmul(k).permute(0, 2, 1, 3); }, differentiable: true };
  yield { name: 'matmul of vectors', inputs: [x([5]), x([5])], compute: (a, b) => a.matmul(b), differentiable: true };
  yield { name: 'matmul of a product', inputs: [x([3, 4]), x([4, 4])], compute: (a, b) => a.exp().matmul(b).matmul(b.transpose()), differentiable: true };
}

export const primitiveCases = (): PrimitiveCase[] => [...unaryCases(), ...binaryCases(), ...otherCases()];

/** Values at the edges of f32, for functions that must not break there. */
export const specialValues = [0, -0, 1, -1, 1e-40, -1e-40, 1e-30, 1e30, 3.4e38, -3.4e38, 88.7, 89, -87.3, -104, 20, -20, 0.5, 1.5, 2.5, -0.5, -2.5, 8388609, 1e5, Infinity, -Infinity, NaN];

/** A table from fused operations to operators of ONNX that mean the same; the others are written in primitives. */
import { Tensor, applyMod, arange, type AttentionAttributes, type Node, type Shape, type TypedArray } from '@ashlar/tensor';
import type { GraphBuilder } from './graph-builder.js';
import { onnxTypes } from './onnx-format.js';

/** What an operator's emitter may ask for. */
export interface FusedContext {
  readonly to: GraphBuilder;
  /** The name of a node's value, which is added with all that it needs. */
  nameOf(node: Node): string;
}

/** Gives the name of result 0, or undefined where the operator would mean something else. */
type FusedEmitter = (context: FusedContext, node: Node, attributes: never) => string | undefined;

const ones = (to: GraphBuilder, width: number): string => to.add('Expand', [to.constant('float', [], [1]), to.integers([width])]);

/** x, gain and bias of a norm over the last axis. */
const norm = (type: string): FusedEmitter => ({ to, nameOf }, { inputs }, { epsilon }: { epsilon: number }) => {
  const [x, ...weights] = inputs;
  if (inputs.some(({ dtype }) => dtype !== 'f32')) return undefined;
  const names = weights.map(nameOf);
  return to.add(type, [nameOf(x!), ...(names.length > 0 ? names : [ones(to, x!.shape.at(-1)!)])], { axis: { int: -1 }, epsilon: { float: epsilon } });
};

/**
 * Attention without a score mod. Where there is a mask beside the causal one, both go in as one, and rows that see nothing
 * get the 0 that they have here, which ONNX does not promise.
 */
const attention: FusedEmitter = ({ to, nameOf }, node, attributes: AttentionAttributes) => {
  const [q, k, v, ...captures] = node.inputs, { scale, causal, mask, score } = attributes;
  const [, , T, D] = q!.shape as [number, number, number, number], S = k!.shape[2]!;
  if (score || q!.dtype !== 'f32' || T === 0 || S === 0 || D === 0) return undefined;
  const names = [q!, k!, v!].map(nameOf), options = { scale: { float: scale } };
  const result = (inputs: readonly string[], more: { readonly is_causal?: { readonly int: number } } = {}): string => to.add('Attention', inputs, { ...options, ...more });
  const transposed = (o: string): string => to.add('Transpose', [o], { perm: { ints: [0, 2, 1, 3] } });
  if (!mask && (!causal || T === S)) return transposed(result(names, causal ? { is_causal: { int: 1 } } : {}));

  const before = arange(S).reshape([1, S]).le(arange(T).add(S - T).reshape([T, 1])).reshape([1, 1, T, S]);
  const given = mask && compact(applyMod(mask, new Tensor(mask.score), captures.slice(mask.firstInput - 3).map((capture) => new Tensor(capture))), T, S);
  const visible = given ? (causal ? given.and(before) : given) : before;
  const o = result([...names, nameOf(visible.node)]);
  if (!given) return transposed(o);
  const seen = visible.cast('i32').max(-1, { keepDims: true }).gt(0);
  return transposed(to.add('Where', [nameOf(seen.node), o, to.constant('float', [], [0])]));
};

/** The mask [1 | B, 1 | H, T, S] of which the whole one is an expansion. */
function compact(mask: Tensor, T: number, S: number): Tensor {
  const { op, inputs: [inner] } = mask.node;
  if (op.kind !== 'expand') return mask;
  return new Tensor(inner!).broadcastTo([...inner!.shape.slice(0, 2), T, S]);
}

const amongGreatest: FusedEmitter = ({ to, nameOf }, { inputs: [values] }, { count }: { count: number }) => {
  const x = nameOf(values!), most = to.add('Shape', [x], { start: { int: -1 } });
  const greatest = to.add('TopK', [x, to.add('Min', [to.integers([count]), most])], { axis: { int: -1 } }, { unread: 1 });
  const last = to.add('ReduceMin', [greatest, to.integers([-1])], { keepdims: { int: 1 } });
  return to.add('Cast', [to.add('LessOrEqual', [last, x])], { to: { int: onnxTypes.float } });
};

/** Cosines and sines [P, d/2] of tables that turn pairs, kept by the first; undefined where they do something else. */
const angles = new WeakMap<object, { readonly cosines: Float32Array; readonly sines: Float32Array } | undefined>();

function anglesOf(same: TypedArray, partner: TypedArray, d: number, interleaved: boolean): { readonly cosines: Float32Array; readonly sines: Float32Array } | undefined {
  if (angles.has(same)) return angles.get(same);
  const size = same.length / 2, cosines = new Float32Array(size), sines = new Float32Array(size);
  let turns = true;
  for (let i = 0; i < size; i++) {
    const row = Math.floor(i / (d / 2)) * d, pair = i % (d / 2), [first, second] = interleaved ? [row + 2 * pair, row + 2 * pair + 1] : [row + pair, row + pair + d / 2];
    cosines[i] = same[first]!;
    sines[i] = partner[second]!;
    turns &&= same[second] === cosines[i] && partner[first] === -sines[i]!;
  }
  const found = turns ? { cosines, sines } : undefined;
  angles.set(same, found);
  return found;
}

/** The host data that a node is rows of, and which ones: undefined: all, in order. */
function tableRows(node: Node): { readonly data: TypedArray; readonly shape: Shape; readonly rows: Node | undefined } | undefined {
  const { op, inputs: [inner, rows] } = node;
  if (op.kind === 'reshape') return tableRows(inner!);
  if (op.kind === 'gather') { const table = tableRows(inner!); return table && !table.rows ? { ...table, rows: rows! } : undefined; }
  return op.kind === 'leaf' && op.source.kind === 'data' ? { data: op.source.data, shape: node.shape, rows: undefined } : undefined;
}

/** A rotation whose factors are tables of cosines and sines, by position. */
const rotation: FusedEmitter = ({ to, nameOf }, { inputs: [x, same, partner] }, { layout }: { layout: string }) => {
  const [B, , T, D] = x!.shape as [number, number, number, number], d = same!.shape.at(-1)!, interleaved = layout === 'interleaved', tables = [tableRows(same!), tableRows(partner!)];
  if (!tables[0] || !tables[1] || tables[0].rows !== tables[1].rows || tables[0].shape.join() !== tables[1].shape.join() || tables[0].shape.length !== 2) return undefined;
  const found = anglesOf(tables[0].data, tables[1].data, d, interleaved), { rows } = tables[0], [P] = tables[0].shape as [number, number];
  if (!found || x!.dtype !== 'f32' || B * T === 0) return undefined;
  const positions = new Tensor(rows ?? arange(T).node).maximum(0).minimum(P - 1).broadcastTo([B, T]);
  const [cosines, sines] = [found.cosines, found.sines].map((table) => to.stored(table, 'float', [P, d / 2])) as [string, string];
  return to.add('RotaryEmbedding', [nameOf(x!), cosines, sines, to.add('Cast', [nameOf(positions.node)], { to: { int: onnxTypes.int64 } })], { interleaved: { int: Number(interleaved) }, rotary_embedding_dim: { int: d === D ? 0 : d } });
};

export const fusedOperators: Readonly<Record<string, FusedEmitter>> = { attention, turnPairs: rotation, amongGreatest, layerNorm: norm('LayerNormalization'), rmsNorm: norm('RMSNormalization') };

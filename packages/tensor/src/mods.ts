/**
 * Mods: functions of one attention score, written with tensors and traced once. Attention kernels inline them, so that a
 * mask or a bias costs no memory.
 */
import { broadcastShapes, leaf, nextOrder, sameShape, show, ShapeError, type Node, type Shape } from './node.js';
import { topologicalOrder, rewrite } from './graph.js';
import { Tensor, arange } from './tensor.js';
import type { DType } from './dtype.js';

/** Where a score is: i32 tensors that broadcast to [B, H, T, S]. `q` and `k` are positions; the last query is at the last key's. */
export interface ModPoint { readonly b: Tensor; readonly h: Tensor; readonly q: Tensor; readonly k: Tensor }
/** Which scores count: a bool tensor that broadcasts to [B, H, T, S]. */
export type MaskMod = (point: ModPoint) => Tensor;
/** The score to use, from the scaled one (f32). */
export type ScoreMod = (point: ModPoint & { readonly score: Tensor }) => Tensor;

/** A traced mod: `body`, over the score grid, in terms of the stand-ins `score` and `captures`. */
export interface TracedMod {
  readonly kind: 'mod';
  readonly body: Node;
  readonly score: Node;
  /** Stand-ins for the tensors that the mod takes from outside, and which operands of the fused node they are, from `firstInput` on. */
  readonly captures: readonly Node[];
  readonly firstInput: number;
}

export const isTracedMod = (value: unknown): value is TracedMod => typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'mod';

export interface AttentionGrid { readonly B: number; readonly H: number; readonly T: number; readonly S: number }

/** The points of a grid, as tensors. */
export const pointsOf = ({ B, H, T, S }: AttentionGrid): ModPoint => ({
  b: arange(B).reshape([B, 1, 1, 1]), h: arange(H).reshape([1, H, 1, 1]), q: arange(T).add(S - T).reshape([1, 1, T, 1]), k: arange(S).reshape([1, 1, 1, S]),
});

const elementWise = new Set(['leaf', 'scalar', 'iota', 'unary', 'binary', 'select', 'cast', 'bitcast', 'reshape', 'permute', 'expand', 'slice', 'pad', 'flip', 'gather', 'random', 'barrier']);

/**
 * Traces a mod over a grid. What existed before, and variables, are its captures; the rest must be element-wise.
 * @throws {TypeError} where it computes something that is not element-wise, or its result has another dtype.
 */
function traceMod(mod: MaskMod | ScoreMod, grid: AttentionGrid, dtype: DType, what: string): { body: Node; score: Node; captured: Node[] } {
  const shape: Shape = [grid.B, grid.H, grid.T, grid.S], first = nextOrder();
  const score = new Tensor(leaf({ kind: 'parameter' }, shape, 'f32'));
  const result = mod({ ...pointsOf(grid), score });
  if (!(result instanceof Tensor) || result.dtype !== dtype) throw new TypeError(`${what} must give a ${dtype} tensor, got ${result instanceof Tensor ? result.dtype : typeof result}`);
  if (!sameShape(broadcastShapes(result.shape, shape), shape)) throw new ShapeError(`${what} must broadcast to [B, H, T, S] = ${show(shape)}, got ${show(result.shape)}`);
  const captured = new Set<Node>(), stack = [result.broadcastTo(shape).node], seen = new Set<Node>();
  const body = stack[0]!;
  while (stack.length > 0) {
    const node = stack.pop()!;
    if (seen.has(node) || node === score.node) continue;
    seen.add(node);
    if (node.order < first || node.op.kind === 'leaf') { captured.add(node); continue; }
    if (!elementWise.has(node.op.kind)) throw new TypeError(`${what} must be element-wise, but computes a ${node.op.kind}; compute it outside and capture the result`);
    stack.push(...node.inputs);
  }
  return { body, score: score.node, captured: [...captured] };
}

/** Traces a mask and a score mod of one attention; their captures become its further operands, from `firstInput` on. */
export function traceMods(mods: { mask?: MaskMod | undefined; score?: ScoreMod | undefined }, grid: AttentionGrid, firstInput: number): { mask?: TracedMod; score?: TracedMod; causal: boolean; captures: Node[] } {
  const captures = new Map<Node, Node>();
  const finish = (traced: ReturnType<typeof traceMod>): TracedMod => {
    for (const node of traced.captured) if (!captures.has(node)) captures.set(node, leaf({ kind: 'parameter' }, node.shape, node.dtype));
    const [body] = rewrite([traced.body], (node) => node, captures);
    return { kind: 'mod', body: body!, score: traced.score, captures: [], firstInput };
  };
  const mask = mods.mask && finish(traceMod(mods.mask, grid, 'bool', 'a mask mod'));
  const score = mods.score && finish(traceMod(mods.score, grid, 'f32', 'a score mod'));
  const standIns = [...captures.values()];
  const causal = mask ? takeCausal(mask.body, grid) : { found: false, rest: undefined };
  return {
    ...(mask && causal.rest ? { mask: { ...mask, body: causal.rest, captures: standIns } } : {}),
    ...(score ? { score: { ...score, captures: standIns } } : {}),
    causal: causal.found, captures: [...captures.keys()],
  };
}

/** Takes the conjunct `k ≤ q` out of a mask: kernels know it by heart. */
function takeCausal(body: Node, grid: AttentionGrid): { found: boolean; rest: Node | undefined } {
  const parts: Node[] = [];
  const split = (node: Node): void => {
    if (node.op.kind === 'binary' && node.op.op === 'and') node.inputs.forEach(split);
    else if (node.op.kind === 'expand' && node.inputs[0]!.op.kind === 'binary') {
      const inner = node.inputs[0]!;
      if (inner.op.kind === 'binary' && inner.op.op === 'and') inner.inputs.forEach(split);
      else parts.push(node);
    } else parts.push(node);
  };
  split(body);
  const { q, k } = pointsOf(grid), wanted = structure(k.le(q).node);
  const rest = parts.filter((part) => structure(part.op.kind === 'expand' ? part.inputs[0]! : part) !== wanted);
  if (rest.length === parts.length) return { found: false, rest: body };
  const shape = [grid.B, grid.H, grid.T, grid.S];
  const joined = rest.map((node) => new Tensor(node)).reduce<Tensor | undefined>((all, part) => (all ? all.and(part) : part), undefined);
  return { found: true, rest: joined?.broadcastTo(shape).node };
}

/** A text that is equal for graphs which compute the same from the same leaves. */
function structure(root: Node): string {
  const ids = new Map<Node, number>();
  return topologicalOrder([root]).map((node) => {
    ids.set(node, ids.size);
    const parameters = node.op.kind === 'leaf' ? `leaf${leafId(node)}` : JSON.stringify(node.op);
    return `${parameters}(${node.inputs.map((input) => ids.get(input)).join()})${node.shape.join('×')}`;
  }).join(';');
}
const leafIds = new WeakMap<Node, number>();
let nextLeafId = 0;
const leafId = (node: Node): number => { let id = leafIds.get(node); if (id === undefined) leafIds.set(node, (id = nextLeafId++)); return id; };

/** The mod applied to whole tensors: its meaning. */
export function applyMod(mod: TracedMod, score: Tensor, captures: readonly Tensor[]): Tensor {
  const seed = new Map<Node, Node>([[mod.score, score.node], ...mod.captures.map((capture, i) => [capture, captures[i]!.node] as const)]);
  return new Tensor(rewrite([mod.body], (node) => node, seed)[0]!);
}

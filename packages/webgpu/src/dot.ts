/** Matrix products: which of the two kernels, with which tile. */
import type { DotKernel, View } from '@ashlar/tensor';
import { SlotUses, type Bindings } from './bindings.js';
import { registerDot } from './dot-register.js';
import { sharedDot } from './dot-shared.js';
import { Body, type Value } from './emitter.js';
import { ExpressionEmitter } from './expression.js';
import { bindingsFor, noteStores, product, type CompileContext, type Program, type Target } from './program.js';

/** How four neighbouring elements of an operand can be loaded at once: along its inner axis (k), along the other, or not. */
export type Walk = 'inner' | 'other' | 'scalar';

export interface DotShape {
  readonly kernel: DotKernel;
  readonly batches: number;
  readonly a: Walk;
  readonly b: Walk;
}

const divides = (values: readonly number[]): boolean => values.every((value) => value % 4 === 0);

function walkOf(view: View, innerAxis: 0 | 1): Walk {
  const rank = view.shape.length, inner = rank - 2 + innerAxis, other = rank - 1 - innerAxis;
  const rest = view.strides.filter((_, axis) => axis !== inner && axis !== other && view.shape[axis] !== 1);
  const innerStride = view.strides[inner]!, otherStride = view.strides[other]!;
  if (!divides([view.offset, ...rest])) return 'scalar';
  if (otherStride === 1 && divides([innerStride, view.shape[other]!])) return 'other';
  if (innerStride === 1 && divides([otherStride, view.shape[inner]!])) return 'inner';
  return 'scalar';
}

export const dotShape = (kernel: DotKernel): DotShape => ({ kernel, batches: product(kernel.batch), a: walkOf(kernel.a, 1), b: walkOf(kernel.b, 0) });

/** The kernels worth trying for a product, the one taken without tuning first. */
export function dotCandidates(target: Target, kernel: DotKernel): string[] {
  const rows = kernel.m >= 8 ? 8 : kernel.m >= 4 ? 4 : kernel.m >= 2 ? 2 : 1;
  // A workgroup spans 64 or 32 columns: the width that leaves fewer of them idle.
  const columns = Math.ceil(kernel.n / 64) * 64 > Math.ceil(kernel.n / 32) * 32 ? 1 : 2;
  const own = `register-${rows}x${columns}`;
  if (target.adapterClass === 'gpu') return kernel.m >= 8 ? ['shared-32', own, 'register-4x1'] : [own, 'register-1x1'];
  return [...new Set([target.prefersShortLoops ? `${own}-k1` : own, target.prefersShortLoops ? own : `${own}-k1`, 'register-4x2', `register-${rows}x${3 - columns}`])].filter((name) => Number(/\d+/.exec(name)![0]) <= rows);
}

/** Products that are tuned together: layout, element types and sizes to the next power of two. */
export function dotClass(kernel: DotKernel): string {
  const shape = dotShape(kernel), round = (size: number): number => 2 ** Math.ceil(Math.log2(Math.max(size, 1)));
  return [kernel.a.slot.dtype, kernel.b.slot.dtype, shape.a, shape.b, round(shape.batches), round(kernel.m), round(kernel.n), round(kernel.k)].join(' ');
}

export function dotPrograms(context: CompileContext, kernel: DotKernel): Program[] {
  if (kernel.m * kernel.n * product(kernel.batch) === 0) return [];
  const candidates = dotCandidates(context.target, kernel), tuned = context.target.dotChoices.get(dotClass(kernel));
  return [dotProgram(context, kernel, tuned !== undefined && candidates.includes(tuned) ? tuned : candidates[0]!)];
}

/** Compiles the product with a named kernel: `shared-32`, or `register-RxV` with an optional `-k1`. */
function dotProgram(context: CompileContext, kernel: DotKernel, choice: string): Program {
  const shape = dotShape(kernel);
  if (choice === 'shared-32') return sharedDot(context, shape);
  const match = /^register-(\d)x(\d)(-k1)?$/.exec(choice);
  if (!match) throw new Error(`internal: no dot kernel '${choice}'`);
  return registerDot(context, shape, { rows: Number(match[1]), columns: Number(match[2]), oneStep: match[3] !== undefined });
}

/** Bindings of operands and stores. */
export function dotBindings(context: CompileContext, { kernel }: DotShape): Bindings {
  const uses = new SlotUses(true);
  uses.read(kernel.a.slot);
  uses.read(kernel.b.slot);
  const lanes = epilogueLanes(kernel);
  const probe = new ExpressionEmitter({ body: new Body(), bindings: undefined as unknown as Bindings, axes: axisNames(kernel), lanes, laneAxis: kernel.batch.length + 1 });
  noteStores(uses, kernel.stores, (store) => probe.isVectorStore(store));
  return bindingsFor(context, uses);
}

const epilogueLanes = (kernel: DotKernel): 1 | 4 => (kernel.n % 4 === 0 ? 4 : 1);

export const axisNames = (kernel: DotKernel): string[] => [...kernel.batch.map((_, axis) => `i${axis}`), 'row', 'column'];

/** Declares the batch axes of batch number `text`. */
export function declareBatch(body: Body, kernel: DotKernel, text: string): void {
  let rest = text;
  for (let axis = kernel.batch.length - 1; axis >= 0; axis--) {
    if (axis === 0) { body.line(`let i0 = ${rest};`); return; }
    body.line(`let i${axis} = ${rest} % ${kernel.batch[axis]!};`);
    const next = body.name('q');
    body.line(`let ${next} = ${rest} / ${kernel.batch[axis]!};`);
    rest = next;
  }
}

/** The first element of an operand's matrix, without the view's two last axes. */
export function matrixStart(view: View, batch: readonly number[]): string {
  const terms = batch.flatMap((size, axis) => (size === 1 || view.strides[axis] === 0 ? [] : [`i${axis} * ${view.strides[axis]!}`]));
  return [String(view.offset), ...terms].join(' + ');
}

/**
 * Writes the stores for `rows` × `columns` vec4 of results held in `tile` (row after row), from row `firstRow` and
 * column `firstColumn`. One loop over rows keeps the epilogue's text once a column of vec4.
 */
export function writeTile(bindings: Bindings, body: Body, kernel: DotKernel, tile: string, rows: number, columns: number): void {
  const lanes = epilogueLanes(kernel);
  const base = { body, bindings, axes: axisNames(kernel), laneAxis: kernel.batch.length + 1 };
  body.block(`for (var r = ${body.zero}; r < ${rows}; r++)`, () => {
    body.line('let row = firstRow + r;');
    body.line(`if (row >= ${kernel.m}) { break; }`);
    for (let v = 0; v < columns; v++) {
      const sum = `${tile}[r * ${columns} + ${v}]`;
      if (lanes === 4) {
        body.block(`if (firstColumn + ${v * 4} < ${kernel.n})`, () => {
          body.line(`let column = firstColumn + ${v * 4};`);
          const accumulator: Value = { text: body.bind(sum), type: 'f32', varies: true };
          new ExpressionEmitter({ ...base, lanes, accumulator }).stores(kernel.stores);
        });
      } else {
        body.line(`let sums${v} = ${sum};`);
        body.block(`for (var c = ${body.zero}; c < 4; c++)`, () => {
          body.line(`let column = firstColumn + ${v * 4} + c;`);
          body.line(`if (column >= ${kernel.n}) { break; }`);
          const accumulator: Value = { text: body.bind(`sums${v}[c]`), type: 'f32', varies: false };
          new ExpressionEmitter({ ...base, lanes, accumulator }).stores(kernel.stores);
        });
      }
    }
  });
}

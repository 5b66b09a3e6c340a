/**
 * Gradients of the tables that a score mod reads, in the pass that takes a query a thread; without atomics, in one order.
 *
 * Where no two queries read the same place (products with relative positions), a query sums into the result itself. Else
 * each of a limited number of threads sums all its queries into a table of its own, and those are added up at the end.
 */
import { rangeOfExpression, type AttentionTable, type Expression, type FusedKernel, type FusedRequest, type Index, type Slot, type View } from '@ashlar/tensor';
import type { ModEmitter, ModPoint } from './attention-mods.js';
import { attentionShape, rowsPerGroup, type AttentionShape } from './attention-shape.js';
import { SlotUses, type SlotResolver } from './bindings.js';
import type { Body } from './emitter.js';
import { loadScalar, storeScalar } from './memory-access.js';
import { assemble, bindingsFor, bodyFor, fold, noteLoads, product, type CompileContext, type Program, type Target } from './program.js';

/** How the gradient of one operand is summed. */
interface TablePlan {
  readonly reads: readonly AttentionTable[];
  readonly size: number;
  /** Whether each query has places of its own in the result. */
  readonly byRow: boolean;
}

export interface TablesPlan {
  readonly tables: readonly TablePlan[];
  /** Threads that share the queries, each with a table of its own; undefined where each query may have a thread. */
  readonly lanes: number | undefined;
}

type Typed = Pick<FusedRequest['inputs'][number], 'shape' | 'dtype'>;

/** Bytes of the tables of threads that are always granted. */
const smallTables = 4 << 20;

/** How the tables in `differentiate` are summed; undefined where the tables of even one workgroup are too large. */
export function planTables(inputs: readonly Typed[], attributes: Readonly<Record<string, unknown>>, target: Target): TablesPlan | undefined {
  const shape = attentionShape(inputs, attributes), { B, H, T, S, D } = shape, rows = B * H * T;
  const reads = (attributes['tables'] ?? []) as readonly AttentionTable[];
  const tables = ((attributes['differentiate'] ?? []) as readonly number[]).map((input): TablePlan => {
    const size = product(inputs[input]!.shape), own = rows * S === 0 ? [] : reads.filter((read) => read.input === input);
    return { reads: own, size, byRow: own.length === 0 || (inputs[input]!.dtype === 'f32' && areApart(own, shape)) };
  });
  const shared = tables.reduce((sum, { byRow, size }) => sum + (byRow ? 0 : size), 0);
  if (shared === 0) return { tables, lanes: undefined };
  // No more than dq takes, so that memory stays linear in T.
  const group = rowsPerGroup(target), fits = Math.floor((rows * D) / shared / group), most = target.adapterClass === 'gpu' ? 256 : 64;
  if (fits === 0 && group * shared * 4 > smallTables) return undefined;
  return { tables, lanes: group * Math.max(1, Math.min(fits, most, Math.ceil(rows / group))) };
}

/** A number as b · factors[0] + h · factors[1] + q · factors[2] + something in low…high. */
interface Linear { readonly factors: readonly number[]; readonly low: number; readonly high: number }

function linearParts(position: Index, axes: readonly { readonly low: number; readonly high: number }[]): Linear {
  const scale = ({ factors, low, high }: Linear, by: number): Linear => ({ factors: factors.map((f) => f * by), low: by < 0 ? high * by : low * by, high: by < 0 ? low * by : high * by });
  const add = (x: Linear, y: Linear): Linear => ({ factors: x.factors.map((f, i) => f + y.factors[i]!), low: x.low + y.low, high: x.high + y.high });
  const fixed = (value: number): Linear => ({ factors: [0, 0, 0], low: value, high: value });
  const isFixed = ({ factors, low, high }: Linear): boolean => low === high && factors.every((f) => f === 0);
  const ofIndex = ({ base, terms }: Index): Linear => terms.reduce((sum, { atom, factor }) => {
    if (atom.kind === 'value') return add(sum, scale(of(atom.of), factor));
    if (atom.kind === 'loop' && atom.axis < 3) return add(sum, { factors: [0, 1, 2].map((axis) => (axis === atom.axis ? factor : 0)), low: 0, high: 0 });
    return add(sum, scale({ ...fixed(0), ...rangeOfExpression({ kind: 'index', dtype: 'i32', index: { base: 0, terms: [{ atom, factor: 1 }] } }, axes) }, factor));
  }, fixed(base));
  const of = (e: Expression): Linear => {
    if (e.kind === 'constant') return fixed(e.value);
    if (e.kind === 'index') return ofIndex(e.index);
    if (e.kind === 'binary' && e.dtype === 'i32' && (e.op === 'add' || e.op === 'sub')) return add(of(e.x), scale(of(e.y), e.op === 'add' ? 1 : -1));
    if (e.kind === 'binary' && e.dtype === 'i32' && e.op === 'mul') {
      const x = of(e.x), y = of(e.y);
      if (isFixed(x)) return scale(y, x.low);
      if (isFixed(y)) return scale(x, y.low);
    }
    if (e.kind === 'binary' && e.dtype === 'i32' && (e.op === 'max' || e.op === 'min')) {
      // A gather keeps its place inside the table: no change where it is inside.
      const [bound, x] = e.x.kind === 'constant' ? [e.x.value, e.y] : [e.y.kind === 'constant' ? e.y.value : NaN, e.x], { low, high } = rangeOfExpression(x, axes);
      if (e.op === 'max' ? low >= bound : high <= bound) return of(x);
    }
    return { ...fixed(0), ...rangeOfExpression(e, axes) };
  };
  return ofIndex(position);
}

/** Whether no two rows (b, h, q) read the same place. */
function areApart(reads: readonly AttentionTable[], { B, H, T, S }: AttentionShape): boolean {
  const sizes = [B, H, T], axes = [...sizes, S].map((size) => ({ low: 0, high: size - 1 })), parts = reads.map(({ position }) => linearParts(position, axes)), [{ factors }] = parts as [Linear];
  if (parts.some((part) => part.factors.some((f, axis) => sizes[axis]! > 1 && f !== factors[axis]))) return false;
  let span = Math.max(...parts.map(({ high }) => high)) - Math.min(...parts.map(({ low }) => low)) + 1;
  return sizes.map((size, axis) => ({ size, step: Math.abs(factors[axis]!) })).filter(({ size }) => size > 1).sort((a, b) => a.step - b.step).every(({ size, step }) => {
    const apart = step >= span;
    span += step * (size - 1);
    return apart;
  });
}

/** The scratch slots of threads' tables: bytes of each. */
export const tableScratch = ({ tables, lanes = 0 }: TablesPlan): number[] => tables.filter(({ byRow }) => !byRow).map(({ size }) => size * lanes * 4);

/** Sums of one kernel: what a pass over queries emits for them, and the programs before and after it. */
export class TableSums {
  readonly #parts: readonly (TablePlan & { readonly out: View; readonly into: Slot })[];
  readonly lanes: number | undefined;

  constructor(readonly context: CompileContext, readonly kernel: FusedKernel) {
    const plan = planTables(kernel.inputs.map(({ shape, slot: { dtype } }) => ({ shape, dtype })), kernel.attributes, context.target)!, scratch = kernel.scratch.slice(1);
    this.lanes = plan.lanes;
    this.#parts = plan.tables.map((table, i) => {
      const out = kernel.outputs[3 + i]!;
      return { ...table, out, into: table.byRow ? out.slot : { ...scratch.shift()!, dtype: 'f32' } };
    });
  }

  /** Every place where the score reads a table of these. */
  get reads(): AttentionTable[] { return this.#parts.flatMap(({ reads }) => reads); }

  /** Announces what the pass reads and writes. */
  note(uses: SlotUses): void {
    for (const { reads, into } of this.#parts) {
      if (reads.length === 0) continue;
      uses.read(into);
      uses.write(into, true);
      for (const { position, coefficient, guard } of reads) for (const one of [{ kind: 'index', dtype: 'i32', index: position } as const, coefficient, ...(guard ? [guard] : [])]) noteLoads(uses, one);
    }
  }

  /** Where the sum for position `at` is in what thread number `lane` of the pass writes. */
  #place = (byRow: boolean, at: string): string => (byRow ? at : `(${at}) * ${this.lanes} + lane`);

  /** Before the first query: the thread's tables begin with zeros. */
  clear(body: Body, bindings: SlotResolver, lane: string): void {
    if (this.lanes === undefined) return;
    body.line(`let lane = ${lane};`);
    for (const { byRow, size, into } of this.#parts) if (!byRow) body.block(`for (var e = ${body.zero}; e < ${size}; e++)`, () => body.line(storeScalar(bindings.of(into), this.#place(false, 'e'), '0.0f')));
  }

  /** At a score: adds `pull`, the gradient of the score after its mod, times each coefficient. `when`: conditions. */
  add(body: Body, bindings: SlotResolver, emitter: ModEmitter, point: ModPoint, when: readonly string[]): void {
    for (const { reads, byRow, into, size } of this.#parts) for (const read of reads) {
      const { at, coefficient, guard } = emitter.read(read, point, 'scaled', size), place = body.bind(this.#place(byRow, at)), tests = guard === undefined ? when : [...when, guard];
      const term = `pull * ${coefficient}`;
      body.block(tests.length > 0 ? `if (${tests.join(' && ')})` : '', () => body.line(storeScalar(bindings.of(into), place, `${loadScalar(bindings.of(into), place)} + ${term}`)));
    }
  }

  /** Zeros in the results that queries sum into. */
  before(): Program[] {
    return this.#parts.flatMap(({ byRow, out, size }) => (byRow && size > 0 ? [this.#over(out.slot, size, [], 'clear a table', () => '0.0f')] : []));
  }

  /** The sum of all threads' tables, in the order of threads. */
  after(): Program[] {
    return this.#parts.flatMap(({ byRow, out, into, size }) => (byRow ? [] : [this.#over(out.slot, size, [into], 'add up tables', (body, bindings) => {
      body.line('var sum = 0.0f;');
      body.block(`for (var n = ${body.zero}; n < ${this.lanes}; n++)`, () => body.line(`sum += ${loadScalar(bindings.of(into), `position * ${this.lanes} + n`)};`));
      return 'sum';
    })]));
  }

  /** A program with a thread for each of `size` positions of a slot. */
  #over(slot: Slot, size: number, sources: readonly Slot[], label: string, value: (body: Body, bindings: SlotResolver) => string): Program {
    const uses = new SlotUses(false), body = bodyFor(this.context), grid = fold(Math.ceil(size / 64));
    for (const source of sources) uses.read(source);
    uses.write(slot, true);
    const bindings = bindingsFor(this.context, uses);
    body.line(`let position = ${grid.group} * 64 + i32(local.x);`);
    body.line(`if (position >= ${size}) { return; }`);
    const text = value(body, bindings);
    body.line(storeScalar(bindings.of(slot), 'position', text));
    return assemble({ label: `${this.kernel.name} (${label})`, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [64, 1] });
  }
}

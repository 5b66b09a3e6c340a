/**
 * Element-wise glue with optional reductions: which of the shaders below does a loop kernel best.
 *
 * - no reduction: a thread takes points (four neighbours at once where the last axis allows);
 * - reductions, a row a thread: on processors always, elsewhere for short rows and for sums down columns; a long
 *   reduction to few results is cut in parts first, so that there is work for every core;
 * - reductions, a row a workgroup: on GPUs, for rows long enough.
 */
import { collapse, expressionMapper, type Index, type LoopKernel, type Slot, type Store } from '@ashlar/tensor';
import { Bindings, SlotUses } from './bindings.js';
import { Body } from './emitter.js';
import { ExpressionEmitter, type ExpressionContext } from './expression.js';
import { assemble, bodyFor, bindingsFor, contiguousView, fold, noteLoads, noteStores, product, type CompileContext, type Program } from './program.js';
import { Accumulator, WorkgroupReduction, type Member } from './reduction.js';

export interface Lanes { readonly lanes: 1 | 4; readonly laneAxis: number }

const scalarLanes: Lanes = { lanes: 1, laneAxis: -1 };
const noBindings = { of: () => { throw new Error('internal: no bindings yet'); } } as unknown as Bindings;

/** Compiles a loop kernel. */
export function loopPrograms(context: CompileContext, given: LoopKernel): Program[] {
  const kernel = collapse(given);
  const rows = product(kernel.space.slice(0, kernel.outer)), length = product(kernel.space.slice(kernel.outer));
  if (rows === 0) return [];
  if (kernel.reductions.length === 0) return [pointwise(context, kernel)];
  const plain = kernel.innerStores.length === 0 && kernel.reductions.every((reduction) => reduction.level === 0);
  const enough = context.target.adapterClass === 'gpu' ? 2048 : 64;
  if (plain && length >= 512 && rows < enough) {
    const programs = splitReduction(context, kernel, Math.ceil(enough / rows));
    if (programs) return programs;
  }
  return [reductionProgram(context, kernel)];
}

function reductionProgram(context: CompileContext, kernel: LoopKernel): Program {
  const lanes = chooseLanes(kernel), length = product(kernel.space.slice(kernel.outer));
  const downColumns = lanes.lanes === 4 && lanes.laneAxis < kernel.outer;
  const perThread = context.target.adapterClass === 'cpu' || downColumns || length < 64;
  return perThread ? rowPerThread(context, kernel, lanes) : rowPerWorkgroup(context, kernel, lanes);
}

/** Names of the loop variables. */
const axisNames = (count: number): string[] => Array.from({ length: count }, (_, axis) => `i${axis}`);

const emitterFor = (kernel: LoopKernel, lanes: Lanes, bindings: Bindings, body: Body): ExpressionEmitter => new ExpressionEmitter({
  body, bindings, axes: axisNames(kernel.space.length), ...lanes,
  innerAxes: new Set(kernel.space.map((_, axis) => axis).filter((axis) => axis >= kernel.outer)),
} satisfies ExpressionContext);

function allIndices(kernel: LoopKernel): Index[] {
  const indices: Index[] = [];
  const visit = expressionMapper({ index: (at) => { indices.push(at); return at; }, slot: (slot) => slot });
  for (const { value } of kernel.reductions) visit(value);
  for (const { index, value } of [...kernel.outerStores, ...kernel.innerStores]) { visit({ kind: 'index', dtype: 'i32', index }); visit(value); }
  return indices;
}

/** The axis whose four neighbours a thread takes at once: the one that more loads and stores walk contiguously. */
function chooseLanes(kernel: LoopKernel): Lanes {
  const last = kernel.space.length - 1, indices = allIndices(kernel);
  const candidates = [...new Set([last, kernel.outer - 1])].filter((axis) => axis >= 0 && kernel.space[axis]! % 4 === 0 && kernel.space[axis]! > 0);
  let best = scalarLanes, bestScore = 0;
  for (const laneAxis of candidates) {
    const lanes: Lanes = { lanes: 4, laneAxis };
    const emitter = emitterFor(kernel, lanes, noBindings, new Body());
    let score = 0.5;
    for (const at of indices) {
      if (at.terms.length === 0) continue;
      const form = emitter.laneForm(at);
      score += form.kind === 'contiguous' ? (form.aligned ? 2 : 0) : form.kind === 'uniform' ? 0 : -1;
    }
    // Outer lanes need every store of the kernel to move with them.
    const fits = laneAxis >= kernel.outer || [...kernel.outerStores, ...kernel.innerStores].every((store) => emitter.laneForm(store.index).kind !== 'uniform');
    const storesFit = laneAxis < kernel.outer || kernel.innerStores.every((store) => emitter.laneForm(store.index).kind !== 'uniform');
    if (fits && storesFit && score > bestScore) { best = lanes; bestScore = score; }
  }
  return best;
}

/** What the kernel loads and stores. */
function usesOf(kernel: LoopKernel, lanes: Lanes): SlotUses {
  const uses = new SlotUses(lanes.lanes === 4), emitter = emitterFor(kernel, lanes, noBindings, new Body());
  const isVector = (store: Store): boolean => emitter.isVectorStore(store);
  for (const { value } of kernel.reductions) noteLoads(uses, value);
  noteStores(uses, kernel.outerStores, isVector);
  noteStores(uses, kernel.innerStores, isVector);
  return uses;
}

/** Declares loop variables for axes `from`…`to − 1` of the point number `text` (in steps of four along the lane axis). */
function decompose(body: Body, kernel: LoopKernel, lanes: Lanes, from: number, to: number, text: string): void {
  let rest = text;
  for (let axis = to - 1; axis >= from; axis--) {
    const steps = axis === lanes.laneAxis ? kernel.space[axis]! / 4 : kernel.space[axis]!;
    const scale = axis === lanes.laneAxis ? ' * 4' : '';
    if (axis === from) { body.line(`let i${axis} = ${rest}${scale};`); return; }
    body.line(`let i${axis} = (${rest} % ${steps})${scale};`);
    const next = body.name('q');
    body.line(`let ${next} = ${rest} / ${steps};`);
    rest = next;
  }
}

const workgroupSize = 64;

/** A thread takes one point (or four), or several of them a whole grid apart. */
function pointwise(context: CompileContext, kernel: LoopKernel): Program {
  const lanes = chooseLanes(kernel), body = bodyFor(context);
  const bindings = bindingsFor(context, usesOf(kernel, lanes));
  const points = product(kernel.space) / lanes.lanes;
  const perThread = context.target.adapterClass === 'cpu' ? Math.min(16, Math.max(1, Math.floor(points / (16 * workgroupSize)))) : 1;
  const grid = fold(Math.ceil(points / (workgroupSize * perThread)));
  const threads = grid.workgroups[0] * grid.workgroups[1] * workgroupSize;
  const emitter = emitterFor(kernel, lanes, bindings, body);
  body.line(`let first = ${grid.group} * ${workgroupSize} + i32(local.x);`);
  emitter.block(perThread > 1 ? `for (var point = first; point < ${points}; point += ${threads})` : `if (first < ${points})`, () => {
    decompose(body, kernel, lanes, 0, kernel.space.length, perThread > 1 ? 'point' : 'first');
    emitter.stores(kernel.outerStores);
  });
  return assemble({ label: kernel.name, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [workgroupSize, 1] });
}

/** Nested loops over the inner axes. */
function innerLoops(emitter: ExpressionEmitter, kernel: LoopKernel, lanes: Lanes, content: () => void): void {
  const open = (axis: number): void => {
    if (axis === kernel.space.length) { content(); return; }
    emitter.block(`for (var i${axis} = ${emitter.context.body.zero}; i${axis} < ${kernel.space[axis]!}; i${axis} += ${axis === lanes.laneAxis ? 4 : 1})`, () => open(axis + 1));
  };
  if (kernel.outer === kernel.space.length) emitter.block('if (true)', content);
  else open(kernel.outer);
}

function rowPerThread(context: CompileContext, kernel: LoopKernel, lanes: Lanes): Program {
  const body = bodyFor(context), bindings = bindingsFor(context, usesOf(kernel, lanes));
  const outerLanes = lanes.lanes === 4 && lanes.laneAxis < kernel.outer;
  const rows = product(kernel.space.slice(0, kernel.outer)) / (outerLanes ? 4 : 1);
  const size = context.target.adapterClass === 'cpu' ? 8 : workgroupSize;
  const grid = fold(Math.ceil(rows / size));
  const emitter = emitterFor(kernel, lanes, bindings, body);
  body.line(`let row = ${grid.group} * ${size} + i32(local.x);`);
  emitter.block(`if (row < ${rows})`, () => {
    decompose(body, kernel, lanes, 0, kernel.outer, 'row');
    for (const members of levelsOf(kernel)) {
      emitter.hoist(members.map(({ value }) => value));
      const sums = members.map((member) => new Accumulator(body, member, lanes.lanes === 4));
      innerLoops(emitter, kernel, lanes, () => members.forEach((member, i) => sums[i]!.add(emitter.value(member.value))));
      members.forEach((member, i) => emitter.setReduced(member.number, outerLanes ? sums[i]!.value() : sums[i]!.horizontal()));
    }
    emitter.stores(kernel.outerStores);
    if (kernel.innerStores.length > 0) {
      emitter.hoist(kernel.innerStores.map(({ value }) => value), kernel.innerStores.map(({ index }) => index));
      innerLoops(emitter, kernel, lanes, () => emitter.stores(kernel.innerStores));
    }
  });
  return assemble({ label: kernel.name, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [size, 1] });
}

/** The threads of a workgroup share a row: each sums a part of it, then the parts meet in workgroup memory. */
function rowPerWorkgroup(context: CompileContext, kernel: LoopKernel, lanes: Lanes): Program {
  const { target } = context;
  const body = bodyFor(context), bindings = bindingsFor(context, usesOf(kernel, lanes));
  const rows = product(kernel.space.slice(0, kernel.outer)), points = product(kernel.space.slice(kernel.outer)) / lanes.lanes;
  const size = Math.min(target.invocationsPerWorkgroup, points >= 1024 ? 256 : 64);
  const grid = fold(rows);
  const emitter = emitterFor(kernel, lanes, bindings, body);
  const meeting = new WorkgroupReduction(body, size, target.subgroups);
  const overRow = (content: () => void): void => emitter.block(`for (var point = i32(local.x); point < ${points}; point += ${size})`, () => {
    decompose(body, kernel, lanes, kernel.outer, kernel.space.length, 'point');
    content();
  });
  body.line(`let row = ${grid.group};`);
  body.line(`if (row >= ${rows}) { return; }`);
  decompose(body, kernel, lanes, 0, kernel.outer, 'row');
  for (const members of levelsOf(kernel)) {
    emitter.hoist(members.map(({ value }) => value));
    const sums = members.map((member) => new Accumulator(body, member, lanes.lanes === 4));
    overRow(() => members.forEach((member, i) => sums[i]!.add(emitter.value(member.value))));
    members.forEach((member, i) => emitter.setReduced(member.number, meeting.reduce(member, sums[i]!.horizontal())));
  }
  if (kernel.outerStores.length > 0) emitter.block('if (local.x == 0u)', () => emitter.stores(kernel.outerStores));
  if (kernel.innerStores.length > 0) {
    emitter.hoist(kernel.innerStores.map(({ value }) => value), kernel.innerStores.map(({ index }) => index));
    overRow(() => emitter.stores(kernel.innerStores));
  }
  return assemble({ label: kernel.name, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [size, 1], module: meeting.declarations(), subgroups: target.subgroups });
}

/** The reductions by level, each with its number. */
function levelsOf(kernel: LoopKernel): Member[][] {
  const levels: Member[][] = [];
  kernel.reductions.forEach((reduction, number) => (levels[reduction.level] ??= []).push({ ...reduction, number }));
  return levels.filter((members) => members !== undefined);
}

/** The largest divisor of `size` that is at most `wanted` and, where possible, leaves parts that are multiples of four. */
function partsOf(size: number, wanted: number): number {
  for (const unit of size % 4 === 0 ? [4, 1] : [1]) {
    for (let parts = Math.min(wanted, Math.floor(size / 16)); parts >= 2; parts--) if ((size / unit) % parts === 0 && parts * 4 >= wanted) return parts;
  }
  return 1;
}

/** Cuts the longest inner axis into parts that are reduced apart and then together; always in the same order. */
function splitReduction(context: CompileContext, kernel: LoopKernel, wanted: number): Program[] | undefined {
  const { space, outer } = kernel;
  const axis = space.reduce((longest, size, candidate) => (candidate >= outer && (longest < 0 || size > space[longest]!) ? candidate : longest), -1);
  const parts = axis < 0 ? 1 : partsOf(space[axis]!, wanted);
  if (parts === 1) return undefined;
  const partial = space[axis]! / parts, outerSizes = space.slice(0, outer), rows = product(outerSizes);
  const slots: Slot[] = kernel.reductions.map(({ dtype }) => context.temporary(dtype === 'f16' ? 'f32' : dtype, parts * rows));
  const strides = contiguousView(slots[0]!, outerSizes).strides;
  const place = (partAxis: number, firstOuter: number): Index => ({
    base: 0,
    terms: [{ atom: { kind: 'loop', axis: partAxis }, factor: rows }, ...strides.map((factor, i) => ({ atom: { kind: 'loop' as const, axis: firstOuter + i }, factor }))],
  });
  // The part is a new first axis: every old axis moves up by one, and the cut one is part · partial + rest.
  const moved = expressionMapper({ slot: (slot) => slot, index: ({ base, terms }) => ({
    base,
    terms: terms.flatMap(({ atom, factor }): Index['terms'] => {
      if (atom.kind !== 'loop') return [{ atom, factor }];
      const rest = { atom: { kind: 'loop' as const, axis: atom.axis + 1 }, factor };
      return atom.axis === axis ? [{ atom: { kind: 'loop' as const, axis: 0 }, factor: factor * partial }, rest] : [rest];
    }),
  }) });
  const first: LoopKernel = {
    kind: 'loop', name: `${kernel.name} (parts)`, space: [parts, ...space.map((size, i) => (i === axis ? partial : size))], outer: outer + 1,
    reductions: kernel.reductions.map((reduction) => ({ ...reduction, value: moved(reduction.value) })),
    outerStores: slots.map((slot, reduction) => ({ slot, index: place(0, 1), value: { kind: 'reduced', dtype: slot.dtype, reduction } })),
    innerStores: [],
  };
  const second: LoopKernel = {
    ...kernel, space: [...outerSizes, parts],
    reductions: kernel.reductions.map((reduction, i) => ({ ...reduction, value: { kind: 'load', dtype: slots[i]!.dtype, slot: slots[i]!, index: place(outer, 0) } })),
  };
  return [reductionProgram(context, collapse(first)), reductionProgram(context, collapse(second))];
}

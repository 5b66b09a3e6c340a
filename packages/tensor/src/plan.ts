/** The compiler's last part: passes in their order, groups to kernels, memory, and an account of it all. */
import { inlineCheckpoints } from './autodiff.js';
import { collapse, expressionMapper } from './collapse.js';
import { bytesPerElement, type DType } from './dtype.js';
import type { Device } from './device.js';
import { explain } from './explain.js';
import type { FusedOp } from './fused.js';
import { mapGraph, type Graph } from './graph.js';
import type { Group } from './groups.js';
import { flatten } from './index-algebra.js';
import type { DotKernel, Expression, FusedKernel, Kernel, LoopKernel, Plan, Slot, Step, Store, View } from './kernel.js';
import { loops, visitExpression } from './lower.js';
import { lowerMods } from './lower-mods.js';
import { planMemory } from './memory.js';
import { flopsOf, joinAlike, rangeOf, slotsOf, type Touched } from './steps.js';
import * as n from './node.js';
import type { Node } from './node.js';
import { rowMajorStrides, schedule } from './schedule.js';
import { lowerFused, shareEqual, simplify, splitReductions } from './simplify.js';

/** Passes that can be switched off; all are on unless set to false. With any of them off, results agree within rounding. */
export interface PassOptions {
  /** Algebraic identities. */
  readonly simplify?: boolean;
  /** Equal nodes are computed once. */
  readonly shareEqual?: boolean;
  /** Sums of all of a large tensor go in two stages. */
  readonly splitReductions?: boolean;
  /** Kernels of fused operations; off: their references. */
  readonly fusedKernels?: boolean;
  /** Element-wise nodes are computed where they are used. */
  readonly fuseElementwise?: boolean;
  /** Reductions and what surrounds them share a kernel. */
  readonly fuseReductions?: boolean;
  /** Matrix products end with the element-wise work on their result. */
  readonly fuseEpilogues?: boolean;
  /** Alike independent loops are one kernel. */
  readonly joinAlike?: boolean;
  /** Variables are updated where they are. */
  readonly inPlace?: boolean;
  /** Working memory is used again. */
  readonly reuseMemory?: boolean;
}

/** Every pass by name, for switches and tests. */
export const passNames = ['simplify', 'shareEqual', 'splitReductions', 'fusedKernels', 'fuseElementwise', 'fuseReductions', 'fuseEpilogues', 'joinAlike', 'inPlace', 'reuseMemory'] as const satisfies readonly (keyof PassOptions)[];

/** A fused operation at given operands: what a backend is asked about. */
export interface FusedRequest {
  readonly op: FusedOp;
  /** Mods among them are lowered (see `lowerMods`); the slots that their expressions load from are not those of the kernel. */
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: readonly { readonly shape: readonly number[]; readonly dtype: DType }[];
  readonly outputs: readonly { readonly shape: readonly number[]; readonly dtype: DType }[];
}

/** What the compiler must know of a backend. */
export interface BackendTraits {
  readonly device: Device;
  /** Whether the backend has a kernel for this operation at these operands, the bytes of each scratch buffer it needs, and what is to be said of it. */
  fused(request: FusedRequest): { readonly scratch: readonly number[]; readonly note?: string | undefined } | undefined;
}

type MutableSlot = { -readonly [K in keyof Slot]: Slot[K] };

/** Compiles a graph for a backend. */
export function buildPlan(graph: Graph, traits: BackendTraits, passes: PassOptions = {}): Plan {
  const options = Object.fromEntries(passNames.map((name) => [name, passes[name] ?? true])) as Required<PassOptions>;
  for (const name of Object.keys(passes)) if (!(passNames as readonly string[]).includes(name)) throw new TypeError(`passes: '${name}' is no pass; there are ${passNames.join(', ')}`);

  const lowered = mapGraph(graph, (roots) => {
    let nodes = inlineCheckpoints(roots);
    nodes = lowerFused(nodes, (node) => options.fusedKernels && traits.fused(requestOf(node)) !== undefined);
    if (options.shareEqual) nodes = shareEqual(nodes);
    if (options.simplify) nodes = simplify(nodes);
    if (options.splitReductions) nodes = splitReductions(nodes);
    if (options.shareEqual) nodes = shareEqual(nodes);
    return nodes;
  });

  const table = new SlotTable(graph, traits.device);
  const scheduled = schedule(lowered, table, options);
  return assemble(graph, lowered, table, scheduled, traits, options);
}

function requestOf(node: Node): FusedRequest {
  const { op, attributes } = node.op as Extract<Node['op'], { kind: 'fused' }>;
  const views = node.inputs.map(({ shape, dtype }, id): View => ({ slot: { id, dtype, size: n.sizeOf(shape), place: { kind: 'work', offset: -1 } }, offset: 0, shape, strides: rowMajorStrides(shape) }));
  return { op, attributes: lowerMods(attributes, views), inputs: node.inputs.map(({ shape, dtype }) => ({ shape, dtype })), outputs: op.outputs(node.inputs, attributes) };
}

/** One slot a kept node. Working slots get their offset when all is scheduled. */
class SlotTable {
  readonly slots: MutableSlot[] = [];
  readonly #ofNode = new Map<Node, MutableSlot>();
  readonly #ofState = new Map<unknown, MutableSlot>();

  constructor(readonly graph: Graph, readonly device: Device) {
    graph.inputs.forEach((input, index) => this.#ofNode.set(input, this.create(input.dtype, n.sizeOf(input.shape), { kind: 'input', index })));
  }

  create(dtype: DType, size: number, place: Slot['place']): MutableSlot {
    const slot: MutableSlot = { id: this.slots.length, dtype, size, place };
    this.slots.push(slot);
    return slot;
  }

  of(node: Node): Slot {
    let slot = this.#ofNode.get(node);
    if (!slot) this.#ofNode.set(node, (slot = this.#make(node)));
    return slot;
  }

  /** The slot of a variable's or constant's storage: one, however many nodes read it. */
  state(key: unknown, make: () => MutableSlot): MutableSlot {
    let slot = this.#ofState.get(key);
    if (!slot) this.#ofState.set(key, (slot = make()));
    return slot;
  }

  #make(node: Node): MutableSlot {
    const size = n.sizeOf(node.shape), { op } = node;
    if (op.kind !== 'leaf') return this.create(node.dtype, size, { kind: 'work', offset: -1 });
    const { source } = op;
    switch (source.kind) {
      case 'data': return this.state(source.data, () => this.create(node.dtype, size, { kind: 'constant', data: source.data }));
      case 'variable': return this.state(source.variable.on(this.device), () => this.create(node.dtype, size, { kind: 'state', storage: source.variable.on(this.device) }));
      case 'storage':
        if (source.storage.device !== this.device) throw new Error(`a tensor lives on ${source.storage.device.description}, the graph is compiled for ${this.device.description}; bring its data over first`);
        return this.state(source.storage, () => this.create(node.dtype, size, { kind: 'state', storage: source.storage }));
      default: throw new Error(`internal: a ${source.kind} leaf in a plan`);
    }
  }
}

function assemble(graph: Graph, lowered: Graph, table: SlotTable, scheduled: ReturnType<typeof schedule>, traits: BackendTraits, options: Required<PassOptions>): Plan {
  const { groups, outputs, updates, inPlace } = scheduled;
  const outputSlots = outputs.map((node, index) => {
    const slot = table.of(node) as MutableSlot;
    slot.place = { kind: 'output', index };
    return slot;
  });
  // A variable's new value goes where the old one is; where it must not, it is copied there at the end.
  const replacement = new Map<Slot, Slot>(), copies: Kernel[] = [];
  lowered.updates.forEach(({ variable }, i) => {
    const storage = variable.on(traits.device), node = updates[i]!, slot = table.of(node);
    const state = table.state(storage, () => table.create(variable.dtype, variable.size, { kind: 'state', storage }));
    if (inPlace[i]) replacement.set(slot, state);
    else copies.push(copyKernel(state, slot, variable.size));
  });
  const mapSlot = (slot: Slot): Slot => replacement.get(slot) ?? slot;

  const needed = new Set<Slot>([...outputs, ...updates].map((node) => table.of(node)));
  const readBy = new Map<Slot, Set<Group>>();
  for (const group of groups) for (const slot of group.loaded) (readBy.get(slot) ?? readBy.set(slot, new Set()).get(slot)!).add(group);
  const isNeeded = (node: Node, group: Group): boolean => {
    const slot = table.of(node);
    return needed.has(slot) || [...(readBy.get(slot) ?? [])].some((reader) => reader !== group);
  };

  let kernels = groups.flatMap((group) => emit(group, table, traits, mapSlot, (node) => isNeeded(node, group))).concat(copies);
  if (options.joinAlike) kernels = joinAlike(kernels);

  // Lifetimes and offsets of the working slots.
  const touched = kernels.map(slotsOf);
  const lifetimes = new Map<MutableSlot, { first: number; last: number }>();
  touched.forEach(({ reads, writes }, i) => {
    for (const slot of [...reads, ...writes]) {
      if (slot.place.kind !== 'work') continue;
      const life = lifetimes.get(slot as MutableSlot);
      if (life) life.last = i; else lifetimes.set(slot as MutableSlot, { first: i, last: i });
    }
  });
  const working = [...lifetimes.keys()];
  const { offsets, bytes: workBytes } = planMemory(working.map((slot) => ({ bytes: slot.size * bytesPerElement(slot.dtype), ...lifetimes.get(slot)! })), options.reuseMemory);
  working.forEach((slot, i) => { slot.place = { kind: 'work', offset: offsets[i]! }; });

  const used = new Set(touched.flatMap(({ reads, writes }) => [...reads, ...writes]));
  const ofKind = (kind: Slot['place']['kind']): Slot[] => table.slots.filter((slot) => slot.place.kind === kind && used.has(slot));
  const steps = withBarriers(kernels, touched);
  const plan = { steps, inputs: graph.inputs.map((input) => table.of(input)), outputs: outputSlots, constants: ofKind('constant'), state: ofKind('state'), workBytes };
  return { ...plan, explain: () => explain(plan) };
}

/** Marks the steps that must wait: for memory that was written, or is about to be overwritten, since the last wait. */
function withBarriers(kernels: readonly Kernel[], touched: readonly Touched[]): Step[] {
  let reads: ReturnType<typeof rangeOf>[] = [], writes: ReturnType<typeof rangeOf>[] = [];
  return kernels.map((kernel, i) => {
    const myReads = [...touched[i]!.reads].map(rangeOf), myWrites = [...touched[i]!.writes].map(rangeOf);
    const overlaps = (a: typeof reads, b: typeof reads): boolean => a.some((x) => b.some((y) => x.place === y.place && x.from < y.to && y.from < x.to));
    const barrier = overlaps(myReads, writes) || overlaps(myWrites, writes) || overlaps(myWrites, reads);
    if (barrier) { reads = []; writes = []; }
    reads.push(...myReads);
    writes.push(...myWrites);
    const bytes = [...touched[i]!.reads, ...touched[i]!.writes].reduce((sum, slot) => sum + slot.size * bytesPerElement(slot.dtype), 0);
    return { kernel, flops: flopsOf(kernel), bytes, barrier };
  });
}

const copyKernel = (to: Slot, from: Slot, size: number): LoopKernel => ({
  kind: 'loop', name: 'copy', space: [size], outer: 1, reductions: [], innerStores: [],
  outerStores: [{ slot: to, index: flatten(loops(0, 1), [size]), value: { kind: 'load', dtype: from.dtype, slot: from, index: flatten(loops(0, 1), [size]) } }],
});

function emit(group: Group, table: SlotTable, traits: BackendTraits, mapSlot: (slot: Slot) => Slot, isNeeded: (node: Node) => boolean): Kernel[] {
  const map = expressionMapper({ index: (index) => index, slot: mapSlot });
  const window = (view: View): View => ({ ...view, slot: mapSlot(view.slot) });
  const storesOf = (inner: boolean): Store[] => group.stores.filter((store) => store.inner === inner && isNeeded(store.node))
    .map(({ node, index, value }) => ({ slot: mapSlot(table.of(node)), index, value: map(value) }));
  switch (group.kind) {
    case 'loop': {
      const outerStores = storesOf(false), innerStores = storesOf(true);
      const outer = group.reductions.length > 0 ? group.outer : group.space.length;
      const reductions = group.reductions.map(({ node, op, level, value }) => ({ op, level, dtype: node.dtype, value: map(value) }));
      return [collapse({ kind: 'loop', name: nameOf(group), space: group.space, outer, reductions, outerStores, innerStores })];
    }
    case 'dot': {
      const node = [...group.nodes].find((member) => member.op.kind === 'dot')!, rank = node.shape.length;
      const [a, b] = group.windows.map(window) as [View, View];
      const kernel: DotKernel = {
        kind: 'dot', name: nameOf(group), batch: node.shape.slice(0, -2), m: node.shape[rank - 2]!, n: node.shape[rank - 1]!, k: node.inputs[0]!.shape[rank - 1]!,
        a, b, stores: storesOf(false),
      };
      return [kernel];
    }
    case 'scatter': {
      const node = [...group.nodes][0]!, [indices, updates] = group.windows.map(window) as [View, View];
      return [{ kind: 'scatter', name: 'scatter-add', rows: node.shape[0]!, columns: node.shape[1]!, count: indices.shape[0]!, indices, updates, out: mapSlot(table.of(node)) }];
    }
    case 'fused': {
      const results = [...group.nodes], maker = results[0]!.inputs[0]!, { op, attributes } = maker.op as Extract<Node['op'], { kind: 'fused' }>;
      const request = requestOf(maker);
      const kernelOutputs = request.outputs.map(({ shape, dtype }, index): View => {
        const node = results.find((result) => (result.op as { index: number }).index === index);
        const slot = node ? mapSlot(table.of(node)) : table.create(dtype, n.sizeOf(shape), { kind: 'work', offset: -1 });
        return { slot, offset: 0, shape, strides: rowMajorStrides(shape) };
      });
      const { scratch: bytesOfScratch, note } = traits.fused(request)!;
      const scratch = bytesOfScratch.map((bytes) => table.create('u32', Math.ceil(bytes / 4), { kind: 'work', offset: -1 }));
      const inputs = group.windows.map(window);
      const kernel: FusedKernel = { kind: 'fused', name: op.name, op: op.name, attributes: lowerMods(attributes, inputs), inputs, outputs: kernelOutputs, scratch, ...(note !== undefined && { note }) };
      return [kernel];
    }
  }
}

/** A few words for people: what the kernel's last nodes do. */
function nameOf(group: Group): string {
  const words = group.kind === 'dot' ? ['matmul'] : group.stores.some((store) => store.node.op.kind === 'concat') ? ['concat'] : [];
  for (const { op } of group.reductions) words.push(op);
  const operations = new Set<string>();
  for (const { value } of group.stores) visitExpression(value, (expression: Expression) => { if (expression.kind === 'unary' || expression.kind === 'binary' || expression.kind === 'select') operations.add('op' in expression ? expression.op : 'where'); });
  const listed = [...operations].slice(0, 4);
  return [...words, ...listed].join('-') || 'copy';
}

/** A shader ready to be dispatched, and what a kernel's generator may ask of the place it compiles for. */
import type { DType, Expression, Index, Slot, Store, View } from '@ashlar/tensor';
import { Bindings, declareBindings, SlotUses, type Binding, type Region } from './bindings.js';
import { Body } from './emitter.js';

/** `gpu`: many small cores with workgroup memory. `cpu`: a driver that runs shaders on a processor's vector units. */
export type AdapterClass = 'gpu' | 'cpu';

/** What kernels are chosen and sized by. */
export interface Target {
  readonly adapterClass: AdapterClass;
  readonly storageBindings: number;
  /** Bytes. */
  readonly largestBinding: number;
  readonly invocationsPerWorkgroup: number;
  readonly workgroupMemoryBytes: number;
  /** Whether shaders may use subgroup operations and `subgroup_id`. */
  readonly subgroups: boolean;
  readonly half: boolean;
  /** Whether the driver compiles short loop bodies much better than long ones (Mesa's llvmpipe). */
  readonly prefersShortLoops: boolean;
  /** The dot kernel for a shape class, where tuning has chosen one. */
  readonly dotChoices: ReadonlyMap<string, string>;
}

export interface CompileContext {
  readonly target: Target;
  readonly locate: (slot: Slot) => Region;
  /** Memory that lives from this kernel's first dispatch to its last. */
  readonly temporary: (dtype: DType, size: number) => Slot;
  /** A buffer with data that is known now. */
  readonly table: (data: Uint32Array<ArrayBuffer>) => Region;
}

export interface Program {
  readonly label: string;
  readonly code: string;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
}

/**
 * A shader body for this target. Drivers on processors (Mesa's) unroll every loop whose count they know, and then take
 * tens of seconds to compile the straight-line code; a zero that they cannot see through keeps loops loops.
 */
export const bodyFor = ({ target }: CompileContext): Body =>
  new Body({ zero: target.adapterClass === 'cpu' ? 'zero' : '0', writtenOut: target.prefersShortLoops ? 2 : 16 });

const limitPerDimension = 65535;

/** A grid of `count` workgroups in one dimension, folded where the dimension's limit is passed, and the WGSL i32 number of a workgroup in it. */
export function fold(count: number): { readonly workgroups: readonly [number, number, number]; readonly group: string } {
  if (count <= limitPerDimension) return { workgroups: [Math.max(count, 1), 1, 1], group: 'i32(group.x)' };
  const rows = Math.ceil(count / limitPerDimension), columns = Math.ceil(count / rows);
  if (rows > limitPerDimension) throw new Error(`a kernel needs ${count} workgroups; at most ${limitPerDimension ** 2} can be dispatched`);
  return { workgroups: [columns, rows, 1], group: `i32(group.y * ${columns}u + group.x)` };
}

export interface Assembly {
  readonly label: string;
  readonly body: Body;
  readonly bindings: readonly Binding[];
  readonly workgroups: readonly [number, number, number];
  readonly workgroupSize: readonly [number, number];
  /** Declarations outside the entry point: workgroup memory, functions. */
  readonly module?: string;
  readonly subgroups?: boolean;
}

/** The whole module. The entry point has `group` (workgroup id), `local` (invocation id) and, on request, subgroup builtins. */
export function assemble(assembly: Assembly): Program {
  const { body, bindings, workgroupSize, module = '', subgroups = false } = assembly;
  const rest = `${module}${body.helpers()}`;
  const text = body.text();
  const needsHalf = bindings.some((binding) => binding.element === 'f16') || /\bf16\b/.test(text) || /\bf16\b/.test(rest);
  const head = `${needsHalf ? 'enable f16;\n' : ''}${subgroups ? 'enable subgroups;\n' : ''}`;
  const builtins = subgroups ? ', @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32, @builtin(num_subgroups) subgroups: u32' : '';
  const code = `${head}${declareBindings(bindings)}${rest}@compute @workgroup_size(${workgroupSize.join(', ')})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>${builtins}) {
${body.zero === 'zero' ? '  let zero = i32(group.z);\n' : ''}${text}
}
`;
  return { label: assembly.label, code, bindings, workgroups: assembly.workgroups };
}

/** Records every slot that an expression loads. */
export function noteLoads(uses: SlotUses, root: Expression, seen = new Set<Expression>()): void {
  if (seen.has(root)) return;
  seen.add(root);
  const index = (at: Index): void => {
    for (const { atom } of at.terms) {
      if (atom.kind === 'value') noteLoads(uses, atom.of, seen);
      else if (atom.kind !== 'loop') index(atom.of);
    }
  };
  switch (root.kind) {
    case 'load': uses.read(root.slot); index(root.index); if (root.guard) noteLoads(uses, root.guard, seen); break;
    case 'index': index(root.index); break;
    case 'unary': case 'cast': case 'bitcast': noteLoads(uses, root.x, seen); break;
    case 'binary': noteLoads(uses, root.x, seen); noteLoads(uses, root.y, seen); break;
    case 'select': noteLoads(uses, root.test, seen); noteLoads(uses, root.x, seen); noteLoads(uses, root.y, seen); break;
    default: break;
  }
}

/** Records what stores load and write. `isVector` tells whether a store is one aligned vec4. */
export function noteStores(uses: SlotUses, stores: readonly Store[], isVector: (store: Store) => boolean): void {
  for (const store of stores) {
    noteLoads(uses, store.value);
    const index = (at: Index): void => {
      for (const { atom } of at.terms) {
        if (atom.kind === 'value') noteLoads(uses, atom.of);
        else if (atom.kind !== 'loop') index(atom.of);
      }
    };
    index(store.index);
    uses.write(store.slot, !isVector(store));
  }
}

/** Bindings for slots; `reserved` more are added by the caller. */
export const bindingsFor = (context: CompileContext, uses: SlotUses, reserved = 0): Bindings =>
  new Bindings(uses.uses.values(), context.locate, context.target.storageBindings - reserved, context.target.largestBinding);

export const contiguousView = (slot: Slot, shape: readonly number[]): View => {
  const strides: number[] = [];
  shape.reduceRight((stride, size, axis) => { strides[axis] = stride; return stride * size; }, 1);
  return { slot, offset: 0, shape, strides };
};

export const product = (sizes: readonly number[]): number => sizes.reduce((total, size) => total * size, 1);

/**
 * Alike loops in one dispatch: an optimizer's update of every parameter. The loops' memory is seen through bindings that
 * span all of it; a table tells each workgroup which loop it works for, how long that is and where its slots begin.
 */
import { bytesPerElement, collapse, type Atom, type Expression, type Index, type LoopKernel, type MultiKernel, type Slot } from '@ashlar/tensor';
import { elementType, type Binding, type BufferHolder, type ElementType, type SlotAccess } from './bindings.js';
import { ExpressionEmitter } from './expression.js';
import { loopPrograms } from './loop.js';
import { assemble, bodyFor, fold, type CompileContext, type Program } from './program.js';

/** A loop over one axis, with its slots in the order in which its text names them. */
interface Flat { readonly kernel: LoopKernel; readonly count: number; readonly roles: readonly Slot[]; readonly signature: string }

export function multiPrograms(context: CompileContext, { name, loops }: MultiKernel): Program[] {
  const alone: LoopKernel[] = [], families = new Map<string, Flat[]>();
  for (const loop of loops) {
    const flat = flatten(loop);
    if (!flat) { alone.push(loop); continue; }
    if (flat.count === 0) continue;
    // One dispatch: the same text, the same buffers in the same roles, all in fours or none.
    const buffers = flat.roles.map((slot) => bufferNumber(context.locate(slot).buffer));
    const key = `${flat.signature} | ${buffers.join(' ')} | ${flat.count % 4 === 0}`;
    families.set(key, [...(families.get(key) ?? []), flat]);
  }
  const programs: Program[] = [];
  for (const family of families.values()) {
    const spans = family.length > 1 ? spansOf(context, family) : undefined;
    if (spans) programs.push(familyProgram(context, name, family, spans));
    else alone.push(...family.map(({ kernel }) => kernel));
  }
  return [...programs, ...alone.flatMap((loop) => loopPrograms(context, loop))];
}

const numbers = new WeakMap<BufferHolder, number>();
let nextNumber = 0;
function bufferNumber(holder: BufferHolder): number {
  let number = numbers.get(holder);
  if (number === undefined) numbers.set(holder, (number = nextNumber++));
  return number;
}

/** The loop over one axis, if all it stores walks that axis and all it loads walks it or stands still. */
function flatten(loop: LoopKernel): Flat | undefined {
  const kernel = collapse(loop);
  if (kernel.reductions.length > 0 || kernel.space.length > 1) return undefined;
  const roles: Slot[] = [];
  let walks = true;
  const role = (slot: Slot): string => {
    let at = roles.findIndex(({ id }) => id === slot.id);
    if (at < 0) at = roles.push(slot) - 1;
    return `${at}:${slot.dtype}`;
  };
  const index = (at: Index): string => {
    if (at.base % 4 !== 0) walks &&= at.terms.length === 0;
    return `${at.base}${at.terms.map(({ atom, factor }) => { if (atom.kind !== 'loop' || factor !== 1) walks = false; return `+${factor}·${atomText(atom)}`; }).join('')}`;
  };
  const atomText = (atom: Atom): string => (atom.kind === 'loop' ? `i${atom.axis}` : atom.kind);
  const known = new Map<Expression, string>();
  const lines: string[] = [];
  const text = (e: Expression): string => {
    let found = known.get(e);
    if (found !== undefined) return found;
    let own: string;
    switch (e.kind) {
      case 'constant': own = `${e.value}`; break;
      case 'load': own = `${role(e.slot)}[${index(e.index)}]${e.guard ? `if ${text(e.guard)}` : ''}`; break;
      case 'index': own = `index ${index(e.index)}`; break;
      case 'unary': own = `${e.op} ${text(e.x)}`; break;
      case 'binary': own = `${e.op} ${text(e.x)} ${text(e.y)}`; break;
      case 'select': own = `select ${text(e.test)} ${text(e.x)} ${text(e.y)}`; break;
      case 'cast': case 'bitcast': own = `${e.kind} ${text(e.x)}`; break;
      default: walks = false; own = e.kind;
    }
    found = `#${lines.push(`${own}:${e.dtype}`) - 1}`;
    known.set(e, found);
    return found;
  };
  for (const store of kernel.outerStores) {
    lines.push(`${role(store.slot)}[${index(store.index)}] = ${text(store.value)}`);
    if (kernel.space.length === 1 && store.index.terms.length !== 1) walks = false;
  }
  return walks && kernel.space.length === 1 ? { kernel, count: kernel.space[0]!, roles, signature: lines.join('\n') } : undefined;
}

/** A stretch of a buffer that holds the slots of some roles of all loops. */
interface Span { readonly buffer: BufferHolder; readonly start: number; readonly end: number; readonly element: ElementType; readonly writable: boolean }

/** The span of each role; undefined where the loops' memory cannot be seen at once. */
function spansOf(context: CompileContext, family: readonly Flat[]): Map<BufferHolder, Span> | undefined {
  const spans = new Map<BufferHolder, Span>(), written = new Set(family[0]!.kernel.outerStores.map(({ slot }) => slot.id));
  family[0]!.roles.forEach((first, role) => {
    for (const { roles } of family) {
      const slot = roles[role]!, { buffer, offset, bytes } = context.locate(slot), known = spans.get(buffer), element = elementType(slot.dtype);
      spans.set(buffer, {
        buffer, start: Math.min(known?.start ?? Infinity, offset), end: Math.max(known?.end ?? 0, offset + Math.ceil(bytes / 16) * 16),
        element: known && known.element !== element ? 'u32' : element,
        writable: (known?.writable ?? false) || written.has(first.id),
      });
    }
  });
  for (const span of spans.values()) {
    if (span.end - span.start > context.target.largestBinding) return undefined;
    const widths = new Set(family.flatMap(({ roles }) => roles.filter((slot) => context.locate(slot).buffer === span.buffer).map((slot) => bytesPerElement(slot.dtype))));
    if (widths.size > 1) return undefined;
  }
  return spans.size < context.target.storageBindings ? spans : undefined;
}

const workgroupSize = 64;

function familyProgram(context: CompileContext, name: string, family: readonly Flat[], spans: ReadonlyMap<BufferHolder, Span>): Program {
  const first = family[0]!, lanes = first.count % 4 === 0 ? 4 : 1, body = bodyFor(context);
  const perWorkgroup = workgroupSize * (context.target.adapterClass === 'cpu' ? 16 : 4);
  // The table: for each workgroup its loop; then for each loop its points, its first workgroup and where its slots begin.
  const workgroups = family.map(({ count }) => Math.ceil(count / lanes / perWorkgroup)), total = workgroups.reduce((sum, n) => sum + n, 0);
  const width = 2 + first.roles.length, table = new Uint32Array(total + family.length * width);
  let group = 0;
  family.forEach(({ count, roles }, i) => {
    const row = total + i * width;
    table.set([count / lanes, group, ...roles.map((slot) => { const region = context.locate(slot); return (region.offset - spans.get(region.buffer)!.start) / bytesPerElement(slot.dtype); })], row);
    table.fill(i, group, group + workgroups[i]!);
    group += workgroups[i]!;
  });
  const lookup = context.table(table);
  const list: Binding[] = [
    { name: 'table', element: 'u32', vector: false, writable: false, buffer: lookup.buffer, offset: 0, size: Math.ceil(lookup.bytes / 16) * 16 },
    ...[...spans.values()].map((span, i): Binding => ({ name: `memory${i}`, element: span.element, vector: lanes === 4, writable: span.writable, buffer: span.buffer, offset: span.start, size: span.end - span.start })),
  ];
  const bindingOf = new Map([...spans.keys()].map((buffer, i) => [buffer, list[i + 1]!]));
  const grid = fold(total);
  body.line(`let number = ${grid.group};`);
  body.line(`if (number >= ${total}) { return; }`);
  body.line(`let row = ${total} + i32(table[number]) * ${width};`);
  body.line('let points = i32(table[row]);');
  body.line(`let start = (number - i32(table[row + 1])) * ${perWorkgroup};`);
  first.roles.forEach((_, role) => body.line(`let slot${role} = i32(table[row + ${2 + role}]);`));
  const access = new Map<number, SlotAccess>(first.roles.map((slot, role) => [slot.id, { binding: bindingOf.get(context.locate(slot).buffer)!, first: `slot${role}`, dtype: slot.dtype }]));
  const emitter = new ExpressionEmitter({ body, bindings: { of: (slot) => access.get(slot.id)! }, axes: ['i0'], lanes, laneAxis: 0 });
  emitter.block(`for (var point = start + i32(local.x); point < min(points, start + ${perWorkgroup}); point += ${workgroupSize})`, () => {
    body.line(`let i0 = point${lanes === 4 ? ' * 4' : ''};`);
    emitter.stores(first.kernel.outerStores);
  });
  return assemble({ label: name, body, bindings: list, workgroups: grid.workgroups, workgroupSize: [workgroupSize, 1] });
}

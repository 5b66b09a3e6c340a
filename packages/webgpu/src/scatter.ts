/**
 * Deterministic scatter-add without atomics. First every update finds the next one with the same row, and whether one
 * came before; then the first of each row walks the list and sums in order. Rows that nobody names are cleared.
 */
import type { ScatterKernel, View } from '@ashlar/tensor';
import { SlotUses } from './bindings.js';
import { loadScalar, loadVector, storeScalar, storeVector } from './memory-access.js';
import { assemble, bodyFor, bindingsFor, fold, type CompileContext, type Program } from './program.js';

const workgroup = 64;

export function scatterPrograms(context: CompileContext, kernel: ScatterKernel): Program[] {
  const { rows, columns, count } = kernel;
  if (rows * columns === 0) return [];
  const next = context.temporary('i32', Math.max(count, 1));
  const clear = clearProgram(context, kernel);
  return count === 0 ? [clear] : [clear, linkProgram(context, kernel, next), sumProgram(context, kernel, next)];
}

function clearProgram(context: CompileContext, { name, out, rows, columns }: ScatterKernel): Program {
  const size = rows * columns, vector = size % 4 === 0, uses = new SlotUses(vector), body = bodyFor(context);
  uses.write(out, !vector);
  const bindings = bindingsFor(context, uses), access = bindings.of(out), steps = vector ? size / 4 : size;
  const perThread = context.target.adapterClass === 'cpu' ? 16 : 1;
  const grid = fold(Math.ceil(steps / (workgroup * perThread)));
  body.line(`let first = ${grid.group} * ${workgroup} + i32(local.x);`);
  body.block(`for (var at = first; at < ${steps}; at += ${grid.workgroups[0] * grid.workgroups[1] * workgroup})`, () => {
    body.line(vector ? storeVector(access, 'at * 4', 'vec4<f32>(0.0)') : storeScalar(access, 'at', '0.0'));
  });
  return assemble({ label: `${name} (clear)`, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [workgroup, 1] });
}

const indexAt = (view: View, n: string): string => `${view.offset} + ${n} * ${view.strides[0]!}`;

/** next[n]: the next update of the same row, or −1. Where an earlier one exists: −3 minus that (so −2 and below mean: not first). */
function linkProgram(context: CompileContext, kernel: ScatterKernel, next: ReturnType<CompileContext['temporary']>): Program {
  const { indices, count, name } = kernel, uses = new SlotUses(false), body = bodyFor(context);
  uses.read(indices.slot);
  uses.write(next, true);
  const bindings = bindingsFor(context, uses), from = bindings.of(indices.slot), to = bindings.of(next);
  const grid = fold(Math.ceil(count / workgroup));
  body.line(`let n = ${grid.group} * ${workgroup} + i32(local.x);`);
  body.line(`if (n >= ${count}) { return; }`);
  body.line(`let row = ${loadScalar(from, indexAt(indices, 'n'))};`);
  body.line('var following = -1;');
  body.line(`for (var j = n + 1; j < ${count}; j++) { if (${loadScalar(from, indexAt(indices, 'j'))} == row) { following = j; break; } }`);
  body.line('var isFirst = true;');
  body.line(`for (var j = n - 1; j >= 0; j--) { if (${loadScalar(from, indexAt(indices, 'j'))} == row) { isFirst = false; break; } }`);
  body.line(storeScalar(to, 'n', 'select(-3 - following, following, isFirst)'));
  return assemble({ label: `${name} (link)`, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [workgroup, 1] });
}

function sumProgram(context: CompileContext, kernel: ScatterKernel, next: ReturnType<CompileContext['temporary']>): Program {
  const { indices, updates, out, rows, columns, count, name } = kernel, body = bodyFor(context);
  const [updateRow, updateColumn] = [updates.strides[0]!, updates.strides[1]!];
  const vector = columns % 4 === 0 && updateColumn === 1 && updateRow % 4 === 0 && updates.offset % 4 === 0;
  const uses = new SlotUses(vector);
  uses.read(indices.slot);
  uses.read(next);
  uses.read(updates.slot);
  uses.write(out, !vector);
  const bindings = bindingsFor(context, uses);
  const rowOf = bindings.of(indices.slot), link = bindings.of(next), from = bindings.of(updates.slot), to = bindings.of(out);
  const canVector = vector && from.binding.vector && to.binding.vector;
  const across = canVector ? columns / 4 : columns;
  const grid = fold(Math.ceil((count * across) / workgroup));
  body.line(`let thread = ${grid.group} * ${workgroup} + i32(local.x);`);
  body.line(`let n = thread / ${across};`);
  body.line(`if (n >= ${count}) { return; }`);
  body.line(`let column = (thread % ${across})${canVector ? ' * 4' : ''};`);
  body.line(`let row = i32(${loadScalar(rowOf, indexAt(indices, 'n'))});`);
  body.line(`if (row < 0 || row >= ${rows}) { return; }`);
  // A list's first entry holds −1 or a number; the others hold −3 − that.
  body.line(`let start = ${loadScalar(link, 'n')};`);
  body.line('if (start < -1) { return; }');
  body.line(`var sum = ${canVector ? 'vec4<f32>(0.0)' : '0.0'};`);
  body.line('var at = n;');
  body.line('var following = start;');
  const place = `${updates.offset} + at * ${updateRow} + column * ${updateColumn}`, value = canVector ? loadVector(from, place) : loadScalar(from, place);
  // The condition stands at the top: where some lanes leave a loop by `break` and others go on, SwiftShader loses what the first hold.
  body.line(`sum += ${value};`);
  body.block('while (following != -1)', () => {
    body.line('at = following;');
    body.line(`sum += ${value};`);
    body.line(`following = -3 - ${loadScalar(link, 'at')};`);
  });
  body.line(canVector ? storeVector(to, `row * ${columns} + column`, 'sum') : storeScalar(to, `row * ${columns} + column`, 'sum'));
  return assemble({ label: `${name} (sum)`, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [workgroup, 1] });
}

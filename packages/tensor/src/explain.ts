/** The plan as a table for people. */
import { bytesPerElement } from './dtype.js';
import { fusedOps } from './fused.js';
import type { Kernel, Plan, Slot } from './kernel.js';

const unit = (value: number, units: readonly string[], base: number): string => {
  let i = 0;
  while (value >= base && i < units.length - 1) { value /= base; i++; }
  return `${value >= 100 || i === 0 ? Math.round(value) : value.toPrecision(3)} ${units[i]}`;
};
export const formatBytes = (bytes: number): string => unit(bytes, ['B', 'KiB', 'MiB', 'GiB'], 1024);
export const formatFlops = (flops: number): string => unit(flops, ['FLOP', 'kFLOP', 'MFLOP', 'GFLOP', 'TFLOP'], 1000);

const bytesOf = (slots: readonly Slot[]): number => slots.reduce((sum, slot) => sum + slot.size * bytesPerElement(slot.dtype), 0);

function shapeOf(kernel: Kernel): string {
  switch (kernel.kind) {
    case 'loop': return kernel.reductions.length > 0 ? `${kernel.space.slice(0, kernel.outer).join('×') || '1'} rows of ${kernel.space.slice(kernel.outer).join('×')}` : kernel.space.join('×') || '1';
    case 'dot': return `${kernel.batch.length > 0 ? `${kernel.batch.join('×')} × ` : ''}${kernel.m}×${kernel.k} · ${kernel.k}×${kernel.n}`;
    case 'scatter': return `${kernel.count} rows of ${kernel.columns} into ${kernel.rows}`;
    case 'fused': return [kernel.inputs.map((input) => input.shape.join('×')).join(', '), fusedOps().get(kernel.op)?.describe?.(kernel), kernel.note].filter((part) => part !== undefined).join('; ');
    case 'multi': return `${kernel.loops.length} loops`;
  }
}

/** Bytes that a run of the plan needs on its device: state, inputs, outputs, constants, working memory. */
export const plannedBytes = (plan: Omit<Plan, 'explain'>): number =>
  bytesOf(plan.state) + bytesOf(plan.inputs) + bytesOf(plan.outputs) + bytesOf(plan.constants) + plan.workBytes;

export const plannedFlops = (plan: Omit<Plan, 'explain'>): number => plan.steps.reduce((sum, step) => sum + step.flops, 0);

/** Kernels in order with their shape, FLOPs and bytes, then the totals. */
export function explain(plan: Omit<Plan, 'explain'>): string {
  const rows = plan.steps.map(({ kernel, flops, bytes, barrier }, i) => [`${i}${barrier ? '' : ' ∥'}`, kernel.kind, kernel.name, shapeOf(kernel), formatFlops(flops), formatBytes(bytes)]);
  const table = [['#', 'kind', 'kernel', 'shape', 'FLOPs', 'bytes'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) => row.map((cell, column) => (column >= 4 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))).join('  ').trimEnd());
  const total = `${plan.steps.length} kernels, ${formatFlops(plannedFlops(plan))}; memory: state ${formatBytes(bytesOf(plan.state))}, working ${formatBytes(plan.workBytes)}, inputs ${formatBytes(bytesOf(plan.inputs))}, outputs ${formatBytes(bytesOf(plan.outputs))}, constants ${formatBytes(bytesOf(plan.constants))}`;
  return [...lines, total, '∥ runs beside the kernel before it'].join('\n');
}

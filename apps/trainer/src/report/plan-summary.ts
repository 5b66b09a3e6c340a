import { bytesPerElement, plannedBytes, plannedFlops, type Plan, type Slot } from '@ashlar/tensor';

/** What is known of a training step before it runs. */
export interface PlanSummary {
  /** How many plans the training had: one for each shape of a batch. This is the last. */
  readonly plans: number;
  readonly kernels: number;
  /** Floating-point operations a step. */
  readonly flops: number;
  /** All memory that a step needs. */
  readonly bytes: number;
  readonly memory: readonly { readonly part: string; readonly bytes: number }[];
  /** Kernels by kind, those with most operations first. */
  readonly kinds: readonly { readonly kind: string; readonly count: number; readonly flops: number; readonly bytes: number }[];
  readonly explanation: string;
}

export function summarizePlan(plan: Plan, plans: number): PlanSummary {
  const kinds = new Map<string, { kind: string; count: number; flops: number; bytes: number }>();
  for (const { kernel, flops, bytes } of plan.steps) {
    const kind = kernel.kind === 'fused' ? kernel.op : kernel.kind;
    const sum = kinds.get(kind) ?? { kind, count: 0, flops: 0, bytes: 0 };
    kinds.set(kind, { kind, count: sum.count + 1, flops: sum.flops + flops, bytes: sum.bytes + bytes });
  }
  return {
    plans,
    kernels: plan.steps.length,
    flops: plannedFlops(plan),
    bytes: plannedBytes(plan),
    memory: [
      { part: 'parameters and optimizer', bytes: bytesOf(plan.state) },
      { part: 'working memory', bytes: plan.workBytes },
      { part: 'inputs', bytes: bytesOf(plan.inputs) },
      { part: 'outputs', bytes: bytesOf(plan.outputs) },
      { part: 'constants', bytes: bytesOf(plan.constants) },
    ],
    kinds: [...kinds.values()].sort((a, b) => b.flops - a.flops || b.bytes - a.bytes),
    explanation: plan.explain(),
  };
}

const bytesOf = (slots: readonly Slot[]): number => slots.reduce((sum, slot) => sum + slot.size * bytesPerElement(slot.dtype), 0);

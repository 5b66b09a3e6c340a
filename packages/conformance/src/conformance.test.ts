import { expect, describe, test } from 'vitest';
import type { Expression, Kernel, Plan } from '@ashlar/tensor';
import { backendChecks, testBackend } from './index.js';
import { PlanDevice } from '../../tensor/src/testing/plan-interpreter.js';

// The kit itself, on a device that interprets plans: it judges the compiler's passes apart from any backend's kernels.
testBackend('the plan interpreter', async () => new PlanDevice(), { programs: 200 });

/** Rewrites every expression of a plan. */
function withExpressions(plan: Plan, change: (expression: Expression) => Expression): Plan {
  const known = new Map<Expression, Expression>();
  const walk = (expression: Expression): Expression => {
    let result = known.get(expression);
    if (!result) known.set(expression, (result = rebuild(expression)));
    return result;
  };
  const rebuild = (expression: Expression): Expression => {
    const of = walk;
    switch (expression.kind) {
      case 'unary': case 'cast': case 'bitcast': return change({ ...expression, x: of(expression.x) });
      case 'binary': return change({ ...expression, x: of(expression.x), y: of(expression.y) });
      case 'select': return change({ ...expression, test: of(expression.test), x: of(expression.x), y: of(expression.y) });
      default: return change(expression);
    }
  };
  return withKernels(plan, (kernel) => {
    const stores = <S extends { value: Expression }>(list: readonly S[]): S[] => list.map((store) => ({ ...store, value: walk(store.value) }));
    if (kernel.kind === 'loop') return { ...kernel, reductions: stores(kernel.reductions), outerStores: stores(kernel.outerStores), innerStores: stores(kernel.innerStores) };
    return kernel.kind === 'dot' ? { ...kernel, stores: stores(kernel.stores) } : kernel;
  });
}
const withKernels = (plan: Plan, change: (kernel: Kernel) => Kernel): Plan => ({ ...plan, steps: plan.steps.map((step) => ({ ...step, kernel: change(step.kernel) })) });

/** Devices that are wrong in one way each. */
const mutants: Record<string, (plan: Plan) => Plan> = {
  'a product that leaves out its last term': (plan) => withKernels(plan, (kernel) => (kernel.kind === 'dot' && kernel.k > 1 ? { ...kernel, k: kernel.k - 1 } : kernel)),
  'a transposed operand read as it lies': (plan) => withKernels(plan, (kernel) => (kernel.kind === 'dot' && kernel.m === kernel.k ? { ...kernel, a: { ...kernel.a, strides: [...kernel.a.strides.slice(0, -2), kernel.a.strides.at(-1)!, kernel.a.strides.at(-2)!] } } : kernel)),
  'less for less-or-equal': (plan) => withExpressions(plan, (e) => (e.kind === 'binary' && e.op === 'le' ? { ...e, op: 'lt' } : e)),
  'tanh for erf': (plan) => withExpressions(plan, (e) => (e.kind === 'unary' && e.op === 'erf' ? { ...e, op: 'tanh' } : e)),
  'rounding down for rounding': (plan) => withExpressions(plan, (e) => (e.kind === 'unary' && e.op === 'round' ? { ...e, op: 'floor' } : e)),
  'an arithmetic shift of unsigned numbers': (plan) => withExpressions(plan, (e) => (e.kind === 'binary' && e.op === 'shr' && e.dtype === 'u32' ? { ...e, dtype: 'i32' } : e)),
  'rows that forget all reductions but the first': (plan) => withExpressions(plan, (e) => (e.kind === 'reduced' && e.reduction > 0 ? { kind: 'constant', dtype: e.dtype, value: 0 } : e)),
  'a scatter without its first row': (plan) => withKernels(plan, (kernel) => (kernel.kind === 'scatter' && kernel.count > 0 ? { ...kernel, count: kernel.count - 1 } : kernel)),
  'a guard that always holds': (plan) => withExpressions(plan, (e) => (e.kind === 'select' && e.y.kind === 'constant' && e.y.value === 0 ? e.x : e)),
  'loops that drop their second store': (plan) => withKernels(plan, (kernel) => (kernel.kind === 'loop' ? { ...kernel, innerStores: kernel.innerStores.slice(0, 1), outerStores: kernel.outerStores.slice(0, 1) } : kernel)),
};

describe('the kit finds what is wrong', () => {
  test.each(Object.entries(mutants))('%s', async (_, mutate) => {
    const device = new PlanDevice({}, mutate);
    let found: string | undefined;
    for (const check of backendChecks({ programs: 4 })) {
      await check.run(device).catch(() => { found = check.name; });
      if (found) break;
    }
    expect(found).toBeDefined();
  });
});

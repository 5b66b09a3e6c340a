/** Derivatives of scalar expressions, by the reverse mode: attention kernels carry gradients through score mods. */
import type { Expression } from './kernel.js';
import { visitExpression } from './lower.js';

const constant = (value: number): Expression => ({ kind: 'constant', dtype: 'f32', value });
const binary = (op: 'add' | 'sub' | 'mul' | 'div' | 'pow', x: Expression, y: Expression): Expression => {
  const a = x.kind === 'constant' ? x.value : undefined, b = y.kind === 'constant' ? y.value : undefined;
  if (op === 'mul' && (a === 0 || b === 0)) return constant(0);
  if (op === 'mul' && a !== undefined) return b === undefined ? binary('mul', y, x) : constant(a * b);
  if (op === 'mul' && b !== undefined && x.kind === 'binary' && x.op === 'mul' && x.y.kind === 'constant') return binary('mul', x.x, constant(x.y.value * b));
  if ((op === 'mul' || op === 'div') && b === 1) return x;
  if (op === 'add' && a === 0) return y;
  if ((op === 'add' || op === 'sub') && b === 0) return x;
  return { kind: 'binary', op, dtype: 'f32', x, y };
};
const unary = (op: 'neg' | 'exp' | 'sin' | 'cos' | 'sign' | 'log', x: Expression): Expression => ({ kind: 'unary', op, dtype: 'f32', x });
const choose = (test: Expression, x: Expression, y: Expression): Expression => ({ kind: 'select', dtype: 'f32', test, x, y });
const compare = (op: 'lt' | 'eq', x: Expression, y: Expression): Expression => ({ kind: 'binary', op, dtype: 'bool', x, y });

/** ∂root/∂leaf for each float `accumulator` and `load` in the expression. Leaves that it does not depend on are absent. */
export function expressionGradient(root: Expression): Map<Expression, Expression> {
  const order: Expression[] = [];
  visitExpression(root, (expression) => { order.push(expression); });
  const sums = new Map<Expression, Expression>([[root, constant(1)]]), leaves = new Map<Expression, Expression>();
  const pass = (to: Expression, slope: Expression): void => {
    if (to.dtype !== 'f32' && to.dtype !== 'f16') return;
    const before = sums.get(to);
    sums.set(to, before ? binary('add', before, slope) : slope);
  };
  for (const e of order.reverse()) {
    const g = sums.get(e);
    if (!g || (g.kind === 'constant' && g.value === 0)) continue;
    switch (e.kind) {
      case 'accumulator': case 'load': leaves.set(e, g); break;
      case 'cast': pass(e.x, g); break;
      case 'select': pass(e.x, choose(e.test, g, constant(0))); pass(e.y, choose(e.test, constant(0), g)); break;
      case 'unary': {
        const { x } = e;
        switch (e.op) {
          case 'neg': pass(x, unary('neg', g)); break;
          case 'abs': pass(x, binary('mul', g, unary('sign', x))); break;
          case 'exp': pass(x, binary('mul', g, e)); break;
          case 'log': pass(x, binary('div', g, x)); break;
          case 'sin': pass(x, binary('mul', g, unary('cos', x))); break;
          case 'cos': pass(x, unary('neg', binary('mul', g, unary('sin', x)))); break;
          case 'tanh': pass(x, binary('mul', g, binary('sub', constant(1), binary('mul', e, e)))); break;
          case 'erf': pass(x, binary('mul', g, binary('mul', constant(2 / Math.sqrt(Math.PI)), unary('exp', unary('neg', binary('mul', x, x)))))); break;
          case 'sqrt': pass(x, binary('div', binary('mul', g, constant(0.5)), e)); break;
          case 'rsqrt': pass(x, binary('mul', binary('mul', g, constant(-0.5)), binary('mul', e, binary('mul', e, e)))); break;
          case 'reciprocal': pass(x, unary('neg', binary('mul', g, binary('mul', e, e)))); break;
          case 'sign': case 'floor': case 'ceil': case 'round': case 'not': break; // zero almost everywhere
        }
        break;
      }
      case 'binary': {
        const { x, y } = e;
        switch (e.op) {
          case 'add': pass(x, g); pass(y, g); break;
          case 'sub': pass(x, g); pass(y, unary('neg', g)); break;
          case 'mul': pass(x, binary('mul', g, y)); pass(y, binary('mul', g, x)); break;
          case 'div': pass(x, binary('div', g, y)); pass(y, unary('neg', binary('div', binary('mul', g, e), y))); break;
          case 'pow': pass(x, binary('mul', g, binary('mul', y, binary('pow', x, binary('sub', y, constant(1)))))); pass(y, binary('mul', g, binary('mul', e, unary('log', x)))); break;
          case 'max': case 'min': {
            const first = e.op === 'max' ? compare('lt', y, x) : compare('lt', x, y), tie = choose(compare('eq', x, y), constant(0.5), constant(0));
            pass(x, binary('mul', g, choose(first, constant(1), tie)));
            pass(y, binary('mul', g, binary('sub', constant(1), choose(first, constant(1), tie))));
            break;
          }
          case 'mod': pass(x, g); break;
          default: break; // comparisons and bits
        }
        break;
      }
      default: break;
    }
  }
  return leaves;
}

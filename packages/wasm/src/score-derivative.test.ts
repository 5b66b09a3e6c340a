import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BinaryOp, Expression, UnaryOp } from '@ashlar/tensor';
import { scoreDerivative } from './score-derivative.js';
import { binary, cast, constant, unary } from './test/hand-made.js';

const score: Expression = { kind: 'accumulator', dtype: 'f32' };

/** The value of an expression of the score, in f64. */
function evaluate(e: Expression, s: number): number {
  switch (e.kind) {
    case 'accumulator': return s;
    case 'constant': return e.value;
    case 'select': return evaluate(e.test, s) ? evaluate(e.x, s) : evaluate(e.y, s);
    case 'cast': return evaluate(e.x, s);
    case 'unary': {
      const x = evaluate(e.x, s);
      const table: Partial<Record<UnaryOp, () => number>> = {
        neg: () => -x, abs: () => Math.abs(x), sign: () => Math.sign(x), exp: () => Math.exp(x), log: () => Math.log(x), sin: () => Math.sin(x), cos: () => Math.cos(x), tanh: () => Math.tanh(x),
        sqrt: () => Math.sqrt(x), rsqrt: () => 1 / Math.sqrt(x), reciprocal: () => 1 / x, floor: () => Math.floor(x), ceil: () => Math.ceil(x),
        erf: () => { let sum = 0; for (let i = 0; i < 2000; i++) sum += Math.exp(-(((i + 0.5) * x / 2000) ** 2)) * x / 2000; return 2 / Math.sqrt(Math.PI) * sum; },
      };
      return table[e.op]!();
    }
    case 'binary': {
      const x = evaluate(e.x, s), y = evaluate(e.y, s);
      const table: Partial<Record<BinaryOp, () => number>> = { add: () => x + y, sub: () => x - y, mul: () => x * y, div: () => x / y, pow: () => x ** y, max: () => Math.max(x, y), min: () => Math.min(x, y), le: () => Number(x <= y), lt: () => Number(x < y) };
      return table[e.op]!();
    }
    default: throw new Error(e.kind);
  }
}

const smooth = fc.letrec<{ e: Expression }>((tie) => ({
  e: fc.oneof({ maxDepth: 4 },
    fc.constant(score), fc.double({ min: -2, max: 2, noNaN: true }).map((v) => constant(v)),
    fc.tuple(fc.constantFrom<UnaryOp>('neg', 'sin', 'cos', 'tanh', 'erf'), tie('e')).map(([op, x]) => unary(op, x)),
    tie('e').map((x) => unary('exp', unary('sin', x))),
    tie('e').map((x) => unary('log', binary('add', binary('mul', x, x), constant(1)))),
    tie('e').map((x) => unary('rsqrt', binary('add', binary('mul', x, x), constant(1)))),
    tie('e').map((x) => unary('sqrt', binary('add', binary('mul', x, x), constant(1)))),
    tie('e').map((x) => binary('pow', binary('add', binary('mul', x, x), constant(1)), constant(1.5))),
    fc.tuple(fc.constantFrom<BinaryOp>('add', 'sub', 'mul'), tie('e'), tie('e')).map(([op, x, y]) => binary(op, x, y)),
    fc.tuple(tie('e'), tie('e')).map(([x, y]) => binary('div', x, binary('add', binary('mul', y, y), constant(1)))),
    fc.tuple(tie('e'), tie('e')).map(([x, y]): Expression => ({ kind: 'select', dtype: 'f32', test: binary('lt', score, constant(0.3)), x, y })),
  ),
})).e;

describe('the derivative of a score mod', () => {
  test('is that of finite differences, for random mods', () => {
    fc.assert(fc.property(smooth, fc.constantFrom(-1.37, 0.11, 0.9), (e, s) => {
      const derivative = scoreDerivative(e), step = 1e-5;
      const numeric = (evaluate(e, s + step) - evaluate(e, s - step)) / (2 * step), exact = derivative ? evaluate(derivative, s) : 0;
      fc.pre(Number.isFinite(numeric) && Math.abs(numeric) < 1e4);
      expect(Math.abs(exact - numeric)).toBeLessThan(1e-3 * (1 + Math.abs(numeric)));
    }), { numRuns: 400 });
  });
  test('of extremes follows the larger or smaller operand', () => {
    const e = binary('max', binary('mul', score, constant(3)), constant(1));
    expect(evaluate(scoreDerivative(e)!, 2)).toBe(3);
    expect(evaluate(scoreDerivative(e)!, -2)).toBe(0);
    expect(evaluate(scoreDerivative(binary('min', score, binary('mul', score, constant(2))))!, 1)).toBe(1);
  });
  test('is absent where the score does not matter', () => {
    expect(scoreDerivative(constant(2))).toBeUndefined();
    expect(scoreDerivative(unary('floor', score))).toBeUndefined();
    expect(scoreDerivative(cast(binary('lt', score, constant(0)), 'i32'))).toBeUndefined();
  });
  test('of a remainder is refused', () => { expect(() => scoreDerivative(binary('mod', score, constant(2)))).toThrow('attention: a score mod with mod'); });
});

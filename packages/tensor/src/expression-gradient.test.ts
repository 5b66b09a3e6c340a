import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expressionGradient } from './expression-gradient.js';
import type { BinaryOp, Expression, UnaryOp } from './kernel.js';
import { evaluateExpression } from './testing/plan-interpreter.js';

const score: Expression = { kind: 'accumulator', dtype: 'f32' };
const constant = (value: number): Expression => ({ kind: 'constant', dtype: 'f32', value });
const unary = (op: UnaryOp, x: Expression): Expression => ({ kind: 'unary', op, dtype: 'f32', x });
const binary = (op: BinaryOp, x: Expression, y: Expression): Expression => ({ kind: 'binary', op, dtype: op === 'lt' ? 'bool' : 'f32', x, y });
const evaluate = (e: Expression, at: number): number => evaluateExpression(e, [0, 0, 0, 0], () => NaN, [], at);
const slopeOf = (e: Expression): Expression => expressionGradient(e).get(score) ?? constant(0);

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

test('the derivative of a score is that of finite differences, for random mods', () => {
  let tested = 0;
  fc.assert(fc.property(smooth, fc.constantFrom(-1.37, 0.11, 0.9), (e, s) => {
    const step = 1e-5, numeric = (evaluate(e, s + step) - evaluate(e, s - step)) / (2 * step), exact = evaluate(slopeOf(e), s);
    fc.pre(Number.isFinite(numeric) && Math.abs(numeric) < 1e4);
    tested++;
    expect(Math.abs(exact - numeric)).toBeLessThan(1e-3 * (1 + Math.abs(numeric)));
  }), { numRuns: 400 });
  expect(tested).toBeGreaterThan(100);
});

test('of extremes it follows the larger or smaller operand, and ties share it', () => {
  const e = binary('max', binary('mul', score, constant(3)), constant(1));
  expect([2, -2].map((s) => evaluate(slopeOf(e), s))).toEqual([3, 0]);
  expect([1, -1].map((s) => evaluate(slopeOf(binary('min', score, binary('mul', score, constant(2)))), s))).toEqual([1, 2]);
  expect(evaluate(slopeOf(binary('max', score, constant(1))), 1)).toBe(0.5);
});

test('it is absent where the score does not matter', () => {
  expect(expressionGradient(constant(2)).size).toBe(0);
  expect(expressionGradient(unary('floor', score)).size).toBe(0);
});

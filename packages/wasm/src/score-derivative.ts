/** The derivative of an attention score mod in the score that it is given. */
import type { BinaryOp, Expression, UnaryOp } from '@ashlar/tensor';

const constant = (value: number): Expression => ({ kind: 'constant', dtype: 'f32', value });
const unary = (op: UnaryOp, x: Expression): Expression => ({ kind: 'unary', op, dtype: 'f32', x });
const binary = (op: BinaryOp, x: Expression, y: Expression): Expression => ({ kind: 'binary', op, dtype: op === 'le' ? 'bool' : 'f32', x, y });
const times = (x: Expression, y: Expression): Expression => binary('mul', x, y);

/**
 * d(expression) / d(accumulator), as an expression; undefined where it is 0 everywhere.
 * Throws a TypeError where the score reaches an operation that has no derivative here (mod).
 */
export function scoreDerivative(score: Expression): Expression | undefined {
  const known = new Map<Expression, Expression | undefined>();
  const of = (e: Expression): Expression | undefined => {
    if (!known.has(e)) known.set(e, derive(e));
    return known.get(e);
  };
  const derive = (e: Expression): Expression | undefined => {
    switch (e.kind) {
      case 'accumulator': return constant(1);
      case 'constant': case 'load': case 'index': case 'reduced': case 'bitcast': return undefined;
      case 'cast': return e.dtype === 'f32' || e.dtype === 'f16' ? of(e.x) : undefined;
      case 'select': {
        const x = of(e.x), y = of(e.y);
        return x || y ? { kind: 'select', dtype: 'f32', test: e.test, x: x ?? constant(0), y: y ?? constant(0) } : undefined;
      }
      case 'unary': { const x = of(e.x), slope = x && unarySlope(e, e.x); return slope && times(slope, x); }
      case 'binary': return binarySlope(e, of(e.x), of(e.y));
    }
  };
  return of(score);
}

function unarySlope(e: Expression & { kind: 'unary' }, x: Expression): Expression | undefined {
  switch (e.op) {
    case 'neg': return constant(-1);
    case 'abs': return unary('sign', x);
    case 'exp': return e;
    case 'log': return unary('reciprocal', x);
    case 'sin': return unary('cos', x);
    case 'cos': return unary('neg', unary('sin', x));
    case 'tanh': return binary('sub', constant(1), times(e, e));
    case 'erf': return times(constant(2 / Math.sqrt(Math.PI)), unary('exp', unary('neg', times(x, x))));
    case 'sqrt': return times(constant(0.5), unary('reciprocal', e));
    case 'rsqrt': return times(constant(-0.5), times(e, times(e, e)));
    case 'reciprocal': return unary('neg', times(e, e));
    case 'sign': case 'floor': case 'ceil': case 'round': case 'not': return undefined;
  }
}

function binarySlope({ op, x, y, ...rest }: Expression & { kind: 'binary' }, dx: Expression | undefined, dy: Expression | undefined): Expression | undefined {
  if (!dx && !dy) return undefined;
  const whole: Expression = { op, x, y, ...rest };
  const sum = (a: Expression | undefined, b: Expression | undefined): Expression | undefined => (a && b ? binary('add', a, b) : a ?? b);
  switch (op) {
    case 'add': return sum(dx, dy);
    case 'sub': return sum(dx, dy && unary('neg', dy));
    case 'mul': return sum(dx && times(dx, y), dy && times(x, dy));
    case 'div': return sum(dx && binary('div', dx, y), dy && unary('neg', times(binary('div', whole, y), dy)));
    case 'pow': return sum(dx && times(times(y, binary('pow', x, binary('sub', y, constant(1)))), dx), dy && times(times(whole, unary('log', x)), dy));
    case 'max': case 'min': {
      const first = op === 'max' ? binary('le', y, x) : binary('le', x, y);
      return { kind: 'select', dtype: 'f32', test: first, x: dx ?? constant(0), y: dy ?? constant(0) };
    }
    case 'eq': case 'ne': case 'lt': case 'le': case 'and': case 'or': case 'xor': case 'shl': case 'shr': return undefined;
    case 'mod': throw new TypeError('attention: a score mod with mod of the score has no gradient here; take mod of positions only');
  }
}

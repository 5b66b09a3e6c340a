/**
 * Unary and binary operations as WGSL.
 *
 * WGSL's builtins are too loose in places: `sin` and `tanh` may be off by 2⁻¹¹, `log(0)` and `tanh(100)` are whatever the
 * driver makes of them, `max` may drop a NaN, and `x != x` may be folded away. Those are written out here; polynomials
 * were fitted by weighted least squares at Chebyshev nodes against double precision.
 */
import type { BinaryOp, UnaryOp } from '@ashlar/tensor';
import { type Body, typeName, type Value } from './emitter.js';

/** The expression for one operation. Helper functions that it calls are declared in the body. */
export function unaryText(body: Body, op: UnaryOp, x: Value): string {
  const v = x.text, T = typeName(x.type, x.varies), isFloat = x.type === 'f32';
  switch (op) {
    case 'neg': return x.type === 'u32' ? `${T}(0u) - ${v}` : `-${v}`;
    case 'abs': return x.type === 'u32' ? v : `abs(${v})`;
    case 'sign': return x.type === 'u32' ? `min(${v}, ${T}(1u))` : isFloat ? `${call(body, 'signOf', x.varies)}(${v})` : `sign(${v})`;
    case 'not': return x.type === 'bool' ? `!${v}` : `~${v}`;
    case 'exp': case 'log': case 'sin': case 'cos': case 'tanh': case 'erf': return `${call(body, `${op}Of`, x.varies)}(${v})`;
    case 'sqrt': return `sqrt(${v})`;
    case 'rsqrt': return `inverseSqrt(${v})`;
    case 'reciprocal': return `${T}(1.0) / ${v}`;
    case 'floor': return `floor(${v})`;
    case 'ceil': return `ceil(${v})`;
    case 'round': return `round(${v})`;
  }
}

/** Both operands are scalars or both are vectors. */
export function binaryText(body: Body, op: BinaryOp, x: Value, y: Value): string {
  const a = x.text, b = y.text, isFloat = x.type === 'f32', isBool = x.type === 'bool', varies = x.varies;
  switch (op) {
    case 'add': return `${a} + ${b}`;
    case 'sub': return `${a} - ${b}`;
    case 'mul': return `${a} * ${b}`;
    case 'div': return `${a} / ${b}`;
    case 'mod': return isFloat ? `${call(body, 'modOf', varies)}(${a}, ${b})` : `${a} % ${b}`;
    case 'pow': return `${call(body, 'powOf', varies)}(${a}, ${b})`;
    case 'max': case 'min': return isFloat ? `${call(body, `${op}Of`, varies)}(${a}, ${b})` : `${op}(${a}, ${b})`;
    case 'eq': return `${a} == ${b}`;
    case 'ne': return isFloat ? (varies ? `!(${a} == ${b})` : `!(${a} == ${b})`) : `${a} != ${b}`;
    case 'lt': return `${a} < ${b}`;
    case 'le': return `${a} <= ${b}`;
    case 'and': return `${a} & ${b}`;
    case 'or': return `${a} | ${b}`;
    case 'xor': return isBool ? `${a} != ${b}` : `${a} ^ ${b}`;
    case 'shl': case 'shr': {
      const U = typeName('u32', varies), amount = `((${x.type === 'u32' ? b : `bitcast<${U}>(${b})`}) & ${U}(31u))`;
      return `${a} ${op === 'shl' ? '<<' : '>>'} ${amount}`;
    }
  }
}

/** Declares helper `name` for scalars or vectors (and what it needs) and returns the name to call. */
export function call(body: Body, name: string, varies: boolean): string {
  const helper = helpers[name];
  if (!helper) throw new Error(`internal: no helper '${name}'`);
  for (const need of helper.needs ?? []) call(body, need, varies);
  const suffix = varies ? '4' : '';
  const T = typeName('f32', varies), U = typeName('u32', varies), I = typeName('i32', varies);
  return body.helper(`${name}${suffix}`, helper.text(`${name}${suffix}`, { T, U, I, suffix }));
}

interface Types { readonly T: string; readonly U: string; readonly I: string; readonly suffix: string }

/** A polynomial in `x`, lowest coefficient first, as nested multiply-adds. */
function polynomial(T: string, x: string, coefficients: readonly number[]): string {
  return coefficients.slice(0, -1).reduceRight((inner, c) => `fma(${inner}, ${x}, ${T}(${c}f))`, `${T}(${coefficients.at(-1)}f)`);
}

const helpers: Readonly<Record<string, { readonly needs?: readonly string[]; readonly text: (name: string, types: Types) => string }>> = {
  isNan: {
    text: (name, { T, U }) => `fn ${name}(x: ${T}) -> ${T.replace('f32', 'bool')} { return (bitcast<${U}>(x) & ${U}(0x7fffffffu)) > ${U}(0x7f800000u); }`,
  },
  signOf: { needs: ['isNan'], text: (name, { T, suffix }) => `fn ${name}(x: ${T}) -> ${T} { return select(sign(x), x, isNan${suffix}(x)); }` },
  maxOf: { needs: ['isNan'], text: (name, { T, suffix }) => `fn ${name}(x: ${T}, y: ${T}) -> ${T} { return select(y, x, (x > y) | isNan${suffix}(x)); }` },
  minOf: { needs: ['isNan'], text: (name, { T, suffix }) => `fn ${name}(x: ${T}, y: ${T}) -> ${T} { return select(y, x, (x < y) | isNan${suffix}(x)); }` },
  // To the nearest half, ties to even, by bits: drivers take a conversion to f16 and back for nothing.
  roundHalf: {
    needs: ['isNan'],
    text: (name, { T, U, suffix }) => `fn ${name}(x: ${T}) -> ${T} {
  let bits = bitcast<${U}>(x);
  let size = bits & ${U}(0x7fffffffu);
  let rounded = (size + ${U}(0xfffu) + ((size >> ${U}(13u)) & ${U}(1u))) & ${U}(0xffffe000u);
  let normal = select(rounded, ${U}(0x7f800000u), rounded >= ${U}(0x47800000u));
  let small = bitcast<${U}>(round(bitcast<${T}>(size) * ${T}(16777216.0f)) * ${T}(5.9604644775390625e-8f));
  let result = bitcast<${T}>(select(small, normal, size >= ${U}(0x38800000u)) | (bits & ${U}(0x80000000u)));
  return select(result, x, isNan${suffix}(x));
}`,
  },
  modOf: {
    text: (name, { T, U }) => `fn ${name}(x: ${T}, y: ${T}) -> ${T} {
  let infinite = (bitcast<${U}>(y) & ${U}(0x7fffffffu)) == ${U}(0x7f800000u);
  return select(x % y, x, infinite & (abs(x) < ${T}(3.4e38f)));
}`,
  },
  expOf: { needs: ['isNan'], text: (name, { T, suffix }) => `fn ${name}(x: ${T}) -> ${T} { return select(exp(clamp(x, ${T}(-200.0f), ${T}(200.0f))), x, isNan${suffix}(x)); }` },
  // x = 2^e · m with m near 1; log m = 2 atanh((m − 1) / (m + 1)) by its series.
  logOf: {
    text: (name, { T, U, I }) => `fn ${name}(x: ${T}) -> ${T} {
  let bits = bitcast<${I}>(x);
  let exponent = (bits - ${I}(0x3f3504f3)) >> ${U}(23u);
  let m = bitcast<${T}>(bits - (exponent << ${U}(23u)));
  let s = (m - ${T}(1.0f)) / (m + ${T}(1.0f));
  let z = s * s;
  let series = s * z * ${polynomial(T, 'z', [2 / 3, 2 / 5, 2 / 7, 2 / 9, 2 / 11].map(Math.fround))};
  let e = ${T}(exponent);
  let value = fma(e, ${T}(0.693359375f), fma(e, ${T}(-0.00021219444f), series + ${T}(2.0f) * s));
  let u = bitcast<${U}>(x);
  let infinity = ${U}(0x7f800000u);
  let undefined_ = ((u & ${U}(0x7fffffffu)) > infinity) | ((u > ${U}(0x80000000u)));
  let zero = (u & ${U}(0x7fffffffu)) < ${U}(0x00800000u);
  let finite = select(value, x, u == infinity);
  let special = select(bitcast<${T}>(${U}(0x7f800000u) + (u & ${U}(0u)) + ${U}(0x00400000u)), bitcast<${T}>((u & ${U}(0u)) + ${U}(0xff800000u)), zero);
  return select(finite, special, undefined_ | zero);
}`,
  },
  // Reduction to [−π/4, π/4] in three parts of π/2, then polynomials; good to |x| of some 10⁵.
  sinOf: { needs: ['circular'], text: (name, { T, I, suffix }) => `fn ${name}(x: ${T}) -> ${T} { return circular${suffix}(x, ${I}(0)); }` },
  cosOf: { needs: ['circular'], text: (name, { T, I, suffix }) => `fn ${name}(x: ${T}) -> ${T} { return circular${suffix}(x, ${I}(1)); }` },
  circular: {
    text: (name, { T, I }) => `fn ${name}(x: ${T}, quarter: ${I}) -> ${T} {
  let q = round(x * ${T}(0.63661977f));
  let r = fma(q, ${T}(-7.549790126e-8f), fma(q, ${T}(-0.0004837512969970703f), fma(q, ${T}(-1.5703125f), x)));
  let z = r * r;
  let s = fma(r * z, ${polynomial(T, 'z', [-0.1666666716337204, 0.008333329111337662, -0.00019839315791614354, 0.0000027181222321814857])}, r);
  let c = fma(z * z, ${polynomial(T, 'z', [0.04166664555668831, -0.0013887352542951703, 0.000024436605599476025])}, fma(z, ${T}(-0.5f), ${T}(1.0f)));
  let turn = (${I}(q) + quarter) & ${I}(3);
  let value = select(s, c, (turn & ${I}(1)) == ${I}(1));
  return select(value, -value, turn >= ${I}(2));
}`,
  },
  tanhOf: {
    needs: ['isNan'],
    text: (name, { T, suffix }) => `fn ${name}(x: ${T}) -> ${T} {
  let a = min(abs(x), ${T}(10.0f));
  let z = a * a;
  let small = fma(a * z, ${polynomial(T, 'z', [-0.3333333134651184, 0.13333195447921753, -0.053945377469062805, 0.021692603826522827, -0.00815627258270979, 0.0021227397955954075])}, a);
  let large = ${T}(1.0f) - ${T}(2.0f) / (exp(${T}(2.0f) * a) + ${T}(1.0f));
  let value = select(large, small, a < ${T}(0.625f));
  return select(select(value, -value, x < ${T}(0.0f)), x, isNan${suffix}(x));
}`,
  },
  erfOf: {
    needs: ['isNan'],
    text: (name, { T, suffix }) => `fn ${name}(x: ${T}) -> ${T} {
  let a = min(abs(x), ${T}(4.2f));
  let z = a * a;
  let small = a * ${polynomial(T, 'z', [1.1283791065216064, -0.3761262595653534, 0.11283600330352783, -0.026854444295167923, 0.005189535208046436, -0.0008020839304663241, 0.00007889112748671323])};
  let t = ${T}(1.0f) / fma(a, ${T}(0.5f), ${T}(1.0f));
  let large = ${T}(1.0f) - exp(-z) * ${polynomial(T, 't', [0.0018225316889584064, 0.2597001791000366, 0.39680352807044983, -0.06446309387683868, 0.6366820931434631, -0.23080237209796906])};
  let value = select(large, small, a < ${T}(1.0f));
  return select(select(value, -value, x < ${T}(0.0f)), x, isNan${suffix}(x));
}`,
  },
  // |x|^y = exp(y log|x|), with C's rules for zeros, signs and infinities.
  powOf: {
    needs: ['logOf', 'expOf', 'isNan'],
    text: (name, { T, U, suffix }) => `fn ${name}(x: ${T}, y: ${T}) -> ${T} {
  let whole = floor(y) == y;
  let odd = whole & (abs(y) < ${T}(16777216.0f)) & (floor(y * ${T}(0.5f)) * ${T}(2.0f) != y);
  let negative = (bitcast<${U}>(x) & ${U}(0x80000000u)) != ${U}(0u);
  let size = expOf${suffix}(y * logOf${suffix}(abs(x)));
  let signed_ = select(size, -size, negative & odd);
  let nan = bitcast<${T}>((bitcast<${U}>(x) & ${U}(0u)) + ${U}(0x7fc00000u));
  let value = select(signed_, nan, negative & !whole & (x < ${T}(0.0f)) & (abs(x) <= ${T}(3.4028234e38f)));
  return select(value, ${T}(1.0f), (y == ${T}(0.0f)) | (x == ${T}(1.0f)));
}`,
  },
};

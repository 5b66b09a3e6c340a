/** Accumulators of reductions, and how a workgroup's threads combine theirs. */
import type { DType, Expression, ReduceOp } from '@ashlar/tensor';
import { call } from './arithmetic.js';
import { type Body, spread, typeName, type Value, type ValueType } from './emitter.js';
import { valueType } from './memory-access.js';

export interface Member { readonly op: ReduceOp; readonly level: number; readonly dtype: DType; readonly value: Expression; readonly number: number }

/** The neutral element, but for the infinities, which WGSL has no literal for. */
function neutral(op: ReduceOp, type: ValueType): string {
  if (op === 'sum') return `${type}(0)`;
  if (type === 'i32') return op === 'max' ? 'i32(-2147483648)' : '2147483647';
  return op === 'max' ? '0u' : '4294967295u';
}

function combine(body: Body, op: ReduceOp, type: ValueType, varies: boolean, a: string, b: string): string {
  if (op === 'sum') return `${a} + ${b}`;
  return type === 'f32' ? `${call(body, `${op}Of`, varies)}(${a}, ${b})` : `${op}(${a}, ${b})`;
}

/** A running sum, maximum or minimum in a variable, of one value or of four side by side. */
export class Accumulator {
  readonly #name: string;
  readonly #type: ValueType;
  constructor(readonly body: Body, readonly member: Member, readonly varies: boolean) {
    this.#type = valueType(member.dtype);
    this.#name = body.name('r');
    const T = typeName(this.#type, varies);
    if (member.op !== 'sum' && this.#type === 'f32') {
      const bits = body.bind(member.op === 'max' ? '0xff800000u' : '0x7f800000u');
      body.line(`var ${this.#name} = ${T}(bitcast<f32>(${bits}));`);
    } else body.line(`var ${this.#name} = ${T}(${neutral(member.op, this.#type)});`);
  }

  add(value: Value): void {
    const text = this.varies ? spread(value) : value.text;
    this.body.line(`${this.#name} = ${combine(this.body, this.member.op, this.#type, this.varies, this.#name, text)};`);
  }

  /** The result as it stands: four results where the lanes are rows. */
  value(): Value { return { text: this.body.bind(this.#name), type: this.#type, varies: this.varies }; }

  /** The lanes' results combined. */
  horizontal(): Value {
    if (!this.varies) return this.value();
    const pair = (a: string, b: string): string => this.body.bind(combine(this.body, this.member.op, this.#type, false, a, b));
    const r = this.body.bind(this.#name);
    return { text: pair(pair(`${r}.x`, `${r}.y`), pair(`${r}.z`, `${r}.w`)), type: this.#type, varies: false };
  }
}

/** Combines one value a thread into one value a workgroup, known to all its threads. */
export class WorkgroupReduction {
  readonly #arrays = new Map<ValueType, string>();
  constructor(readonly body: Body, readonly size: number, readonly subgroups: boolean) {}

  #array(type: ValueType): string {
    const name = `shared_${type}`;
    this.#arrays.set(type, name);
    return name;
  }

  reduce(member: Member, value: Value): Value {
    const { body, size } = this, { op } = member, shared = this.#array(value.type);
    const join = (a: string, b: string): string => combine(body, op, value.type, false, a, b);
    // NaN passes through additions of a subgroup but not for certain through its maxima, so those meet in memory.
    if (this.subgroups && op === 'sum') {
      const part = body.bind(`subgroupAdd(${value.text})`);
      body.line(`if (lane == 0u) { ${shared}[subgroup] = ${part}; }`);
      body.line('workgroupBarrier();');
      const total = body.name('t');
      body.line(`var ${total} = ${value.type}(0);`);
      body.line(`for (var s = 0u; s < subgroups; s++) { ${total} += ${shared}[s]; }`);
      body.line('workgroupBarrier();');
      return { text: body.bind(total), type: value.type, varies: false };
    }
    body.line(`${shared}[local.x] = ${value.text};`);
    body.line('workgroupBarrier();');
    for (let half = size / 2; half >= 1; half /= 2) {
      body.line(`if (local.x < ${half}u) { ${shared}[local.x] = ${join(`${shared}[local.x]`, `${shared}[local.x + ${half}u]`)}; }`);
      body.line('workgroupBarrier();');
    }
    const total = body.name('t');
    body.line(`let ${total} = ${shared}[0];`);
    body.line('workgroupBarrier();');
    return { text: total, type: value.type, varies: false };
  }

  declarations(): string {
    return [...this.#arrays].map(([type, name]) => `var<workgroup> ${name}: array<${type}, ${this.size}>;\n`).join('');
  }
}

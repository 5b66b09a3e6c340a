/**
 * Scalar expressions of a plan as WGSL, for one point or for four neighbouring points at once.
 *
 * With `lanes: 4` the loop variable of `laneAxis` stands for the first of four consecutive points (a multiple of 4). What
 * does not depend on that axis stays a scalar; loads that walk along it become one vec4 load where that is aligned.
 */
import type { Atom, DType, Expression, Index, Store } from '@ashlar/tensor';
import type { SlotAccess, SlotResolver } from './bindings.js';
import { Body, floatLiteral, spread, typeName, type Value } from './emitter.js';
import { binaryText, call, unaryText } from './arithmetic.js';
import { loadScalar, loadVector, storeScalar, storeVector, valueType, wrap } from './memory-access.js';

export interface ExpressionContext {
  readonly body: Body;
  readonly bindings: SlotResolver;
  /** WGSL i32 expressions of the loop axes. */
  readonly axes: readonly string[];
  readonly lanes: 1 | 4;
  readonly laneAxis: number;
  /** Axes whose loops are opened later than the outermost scope: partial sums of an index without them are bound apart. */
  readonly innerAxes?: ReadonlySet<number>;
  readonly accumulator?: Value;
}

/** How an index moves over the four lanes: not at all, by one (`aligned`: from a multiple of 4), or in some other way. */
export type LaneForm = { readonly kind: 'uniform' } | { readonly kind: 'general' } | { readonly kind: 'contiguous'; readonly aligned: boolean };

export class ExpressionEmitter {
  readonly #memo = new Map<Expression, Value>();
  readonly #varies = new Map<Expression, boolean>();
  readonly #inner = new Map<Expression, boolean>();
  readonly #reduced: Value[] = [];

  constructor(readonly context: ExpressionContext) {}

  /** An emitter for the same bindings with other loop variables, reductions or accumulator; it shares no memo. */
  with(changes: Partial<ExpressionContext>): ExpressionEmitter {
    return new ExpressionEmitter({ ...this.context, ...changes });
  }

  /** The value of an expression at the current point. */
  value(expression: Expression): Value {
    const known = this.#memo.get(expression);
    if (known) return known;
    const value = this.#emit(expression);
    this.#memo.set(expression, value);
    return value;
  }

  /** Opens a scope; values found in it are forgotten when it closes. */
  block(open: string, content: () => void): void {
    const before = new Map(this.#memo);
    this.context.body.block(open, content);
    this.#memo.clear();
    for (const [key, value] of before) this.#memo.set(key, value);
  }

  /** Makes the value of a reduction known. */
  setReduced(reduction: number, value: Value): void {
    this.#reduced[reduction] = value;
    this.#inner.clear();
  }

  /**
   * Loads the many single elements that the expressions name by constant index (the sum of a hundred norms) in one loop
   * over a list of places: drivers compile a memory access far slower than they run it.
   */
  preload(expressions: Iterable<Expression>): void {
    const groups = new Map<string, Extract<Expression, { kind: 'load' }>[]>(), seen = new Set<Expression>();
    const visit = (e: Expression): void => {
      if (seen.has(e)) return;
      seen.add(e);
      if (e.kind === 'load') {
        if (e.guard || e.index.terms.length > 0 || this.#memo.has(e)) return;
        const { binding, dtype, first } = this.context.bindings.of(e.slot), key = `${binding.name} ${dtype}`;
        if (typeof first === 'number') groups.set(key, [...(groups.get(key) ?? []), e]);
      } else if (e.kind === 'unary' || e.kind === 'cast' || e.kind === 'bitcast') visit(e.x);
      else if (e.kind === 'binary') { visit(e.x); visit(e.y); }
      else if (e.kind === 'select') { visit(e.test); visit(e.x); visit(e.y); }
    };
    for (const expression of expressions) visit(expression);
    for (const loads of groups.values()) {
      if (loads.length < 8) continue;
      const { body, bindings } = this.context, { binding, dtype } = bindings.of(loads[0]!.slot), type = valueType(dtype);
      const places = body.name('places'), loaded = body.name('loaded'), n = loads.length;
      body.line(`var ${places} = array<i32, ${n}>(${loads.map((e) => e.index.base + Number(bindings.of(e.slot).first)).join(', ')});`);
      body.line(`var ${loaded}: array<${type}, ${n}>;`);
      body.block(`for (var n = ${body.zero}; n < ${n}; n++)`, () => body.line(`${loaded}[n] = ${loadScalar({ binding, dtype, first: 0 }, `${places}[n]`)};`));
      loads.forEach((e, i) => this.#memo.set(e, { text: body.bind(`${loaded}[${i}]`), type, varies: false }));
    }
  }

  /** Computes here every part of the expressions that no inner axis, reduction or accumulator enters. */
  hoist(expressions: Iterable<Expression>, indices: Iterable<Index> = []): void {
    const seen = new Set<Expression>();
    const index = (at: Index): void => {
      this.#invariantSum(at);
      for (const { atom } of at.terms) {
        if (!this.#atomIsInner(atom)) continue;
        if (atom.kind === 'value') visit(atom.of);
        else if (atom.kind !== 'loop') index(atom.of);
      }
    };
    const visit = (expression: Expression): void => {
      if (seen.has(expression)) return;
      seen.add(expression);
      if (!this.isInner(expression)) { if (expression.kind !== 'constant') this.value(expression); return; }
      switch (expression.kind) {
        case 'load': index(expression.index); if (expression.guard) visit(expression.guard); break;
        case 'index': index(expression.index); break;
        case 'unary': case 'cast': case 'bitcast': visit(expression.x); break;
        case 'binary': visit(expression.x); visit(expression.y); break;
        case 'select': visit(expression.test); visit(expression.x); visit(expression.y); break;
        default: break;
      }
    };
    const roots = [...expressions];
    this.preload(roots);
    for (const expression of roots) visit(expression);
    for (const at of indices) index(at);
  }

  /** Whether a value depends on an inner axis, a reduction or the accumulator. */
  isInner(expression: Expression): boolean {
    let known = this.#inner.get(expression);
    if (known === undefined) {
      known = this.#some(expression, (e) => e.kind === 'accumulator' || (e.kind === 'reduced' && !this.#reduced[e.reduction]), (e) => this.isInner(e), (at) => this.#indexIsInner(at));
      this.#inner.set(expression, known);
    }
    return known;
  }

  #indexIsInner(at: Index): boolean { return at.terms.some(({ atom }) => this.#atomIsInner(atom)); }
  #atomIsInner(atom: Atom): boolean {
    if (atom.kind === 'loop') return this.context.innerAxes?.has(atom.axis) ?? false;
    return atom.kind === 'value' ? this.isInner(atom.of) : this.#indexIsInner(atom.of);
  }

  /** Whether a value differs between the four lanes. */
  #variesOver(expression: Expression): boolean {
    if (this.context.lanes === 1) return false;
    let known = this.#varies.get(expression);
    if (known === undefined) {
      known = this.#some(expression,
        (e) => (e.kind === 'accumulator' ? this.context.accumulator?.varies ?? false : e.kind === 'reduced' && !(this.context.innerAxes?.has(this.context.laneAxis) ?? false)),
        (e) => this.#variesOver(e), (at) => this.laneForm(at).kind !== 'uniform');
      this.#varies.set(expression, known);
    }
    return known;
  }

  #some(e: Expression, self: (e: Expression) => boolean, part: (e: Expression) => boolean, index: (at: Index) => boolean): boolean {
    switch (e.kind) {
      case 'load': return index(e.index) || (e.guard !== undefined && part(e.guard));
      case 'index': return index(e.index);
      case 'unary': case 'cast': case 'bitcast': return part(e.x);
      case 'binary': return part(e.x) || part(e.y);
      case 'select': return part(e.test) || part(e.x) || part(e.y);
      default: return self(e);
    }
  }

  laneForm(at: Index): LaneForm {
    let form = { kind: 'uniform' } as LaneForm, divisible = at.base % 4 === 0;
    for (const { atom, factor } of at.terms) {
      const one = this.#atomForm(atom);
      if (one.kind === 'uniform') { divisible &&= factor % 4 === 0; continue; }
      if (one.kind === 'general' || form.kind !== 'uniform' || factor !== 1) return { kind: 'general' };
      form = one;
    }
    return form.kind === 'contiguous' ? { kind: 'contiguous', aligned: form.aligned && divisible } : form;
  }

  #atomForm(atom: Atom): LaneForm {
    if (this.context.lanes === 1) return { kind: 'uniform' };
    if (atom.kind === 'loop') return atom.axis === this.context.laneAxis ? { kind: 'contiguous', aligned: true } : { kind: 'uniform' };
    if (atom.kind === 'value') return { kind: this.#variesOver(atom.of) ? 'general' : 'uniform' };
    const inner = this.laneForm(atom.of);
    if (inner.kind === 'uniform') return inner;
    if (inner.kind === 'general' || !inner.aligned || atom.by % 4 !== 0) return { kind: 'general' };
    return atom.kind === 'div' ? { kind: 'uniform' } : inner;
  }

  /** The index at lane 0, as an i32 scalar. */
  scalarIndex(at: Index): string {
    const invariant = this.#invariantSum(at);
    return this.#sum(invariant, at.terms.filter(({ atom }) => this.#atomIsInner(atom)), (atom) => this.#scalarAtom(atom));
  }

  /** The part of an index that no inner axis enters. */
  #invariantSum(at: Index): string {
    return this.#sum(String(at.base), at.terms.filter(({ atom }) => !this.#atomIsInner(atom)), (atom) => this.#scalarAtom(atom));
  }

  #sum(start: string, terms: Index['terms'], atomText: (atom: Atom) => string): string {
    if (terms.length === 0) return start;
    const parts = terms.map(({ atom, factor }) => (factor === 1 ? atomText(atom) : `${atomText(atom)} * ${factor < 0 ? `(${factor})` : factor}`));
    if (start !== '0') parts.unshift(start.startsWith('-') ? `(${start})` : start);
    return parts.length === 1 && /^\w+$/.test(parts[0]!) ? parts[0]! : this.context.body.bind(parts.join(' + '));
  }

  #scalarAtom(atom: Atom): string {
    if (atom.kind === 'loop') return this.context.axes[atom.axis]!;
    if (atom.kind === 'value') return this.#asInteger(this.value(atom.of)).text;
    return this.context.body.bind(`${wrap(this.scalarIndex(atom.of))} ${atom.kind === 'div' ? '/' : '%'} ${atom.by}`);
  }

  #asInteger(value: Value): Value {
    if (value.type === 'i32') return value;
    return { text: this.context.body.bind(`${typeName('i32', value.varies)}(${value.text})`), type: 'i32', varies: value.varies };
  }

  /** The index in all four lanes, as vec4<i32>. */
  vectorIndex(at: Index): string {
    const form = this.laneForm(at), body = this.context.body;
    if (form.kind === 'uniform') return `vec4<i32>(${this.scalarIndex(at)})`;
    if (form.kind === 'contiguous') return body.bind(`vec4<i32>(${this.scalarIndex(at)}) + vec4<i32>(0, 1, 2, 3)`);
    const uniform = at.terms.filter(({ atom }) => this.#atomForm(atom).kind === 'uniform');
    const scalar = this.scalarIndex({ base: at.base, terms: uniform });
    const parts = at.terms.filter((term) => !uniform.includes(term)).map(({ atom, factor }) => `${this.#vectorAtom(atom)}${factor === 1 ? '' : ` * ${factor < 0 ? `(${factor})` : factor}`}`);
    if (scalar !== '0') parts.push(`vec4<i32>(${scalar})`);
    return body.bind(parts.join(' + '));
  }

  #vectorAtom(atom: Atom): string {
    if (atom.kind === 'loop') return this.context.body.bind(`vec4<i32>(${this.context.axes[atom.axis]!}) + vec4<i32>(0, 1, 2, 3)`);
    if (atom.kind === 'value') return this.#asInteger(this.value(atom.of)).text;
    return this.context.body.bind(`${wrap(this.vectorIndex(atom.of))} ${atom.kind === 'div' ? '/' : '%'} vec4<i32>(${atom.by})`);
  }

  #emit(expression: Expression): Value {
    const { body } = this.context, type = valueType(expression.dtype);
    switch (expression.kind) {
      case 'constant': return this.#constant(expression.dtype, expression.value);
      case 'accumulator': {
        if (!this.context.accumulator) throw new Error('internal: an accumulator outside a dot kernel or an attention mod');
        return this.context.accumulator;
      }
      case 'reduced': {
        const value = this.#reduced[expression.reduction];
        if (!value) throw new Error(`internal: reduction ${expression.reduction} is used before it is known`);
        return value;
      }
      case 'index': {
        const varies = this.laneForm(expression.index).kind !== 'uniform';
        return { text: body.bind(varies ? this.vectorIndex(expression.index) : this.scalarIndex(expression.index)), type: 'i32', varies };
      }
      case 'load': return this.#load(expression);
      case 'unary': {
        const x = this.value(expression.x);
        return { text: body.bind(unaryText(body, expression.op, x)), type, varies: x.varies };
      }
      case 'binary': {
        let x = this.value(expression.x), y = this.value(expression.y);
        const varies = x.varies || y.varies;
        if (varies) { x = this.#spread(x); y = this.#spread(y); }
        return { text: body.bind(binaryText(body, expression.op, x, y)), type, varies };
      }
      case 'select': {
        const test = this.value(expression.test), x = this.value(expression.x), y = this.value(expression.y);
        const varies = test.varies || x.varies || y.varies;
        const at = (value: Value): string => (varies ? spread(value) : value.text);
        return { text: body.bind(`select(${at(y)}, ${at(x)}, ${at(test)})`), type, varies };
      }
      case 'cast': return this.#cast(this.value(expression.x), expression.dtype);
      case 'bitcast': {
        const x = this.value(expression.x);
        return { text: body.bind(`bitcast<${typeName(type, x.varies)}>(${x.text})`), type, varies: x.varies };
      }
    }
  }

  #spread(value: Value): Value { return { ...value, text: spread(value), varies: true }; }

  /** Literals are bound to names: an operation on names is never evaluated (and refused) by the WGSL compiler. */
  #constant(dtype: DType, value: number): Value {
    const { body } = this.context, type = valueType(dtype);
    if (type === 'bool') return { text: value ? 'true' : 'false', type, varies: false };
    if (type === 'i32') return { text: body.bind(`i32(${value | 0})`), type, varies: false };
    if (type === 'u32') return { text: body.bind(`${value >>> 0}u`), type, varies: false };
    if (!Number.isFinite(Math.fround(value)) || Object.is(value, -0)) {
      const bits = body.bind(`${Number.isNaN(value) ? 0x7fc00000 : Object.is(value, -0) ? 0x80000000 : value > 0 ? 0x7f800000 : 0xff800000}u`);
      return { text: body.bind(`bitcast<f32>(${bits})`), type, varies: false };
    }
    return { text: body.bind(floatLiteral(value)), type, varies: false };
  }

  #cast(x: Value, dtype: DType): Value {
    const { body } = this.context, type = valueType(dtype), name = typeName(type, x.varies);
    if (dtype === 'f16' && x.type === 'f32') return { ...x, text: body.bind(`${call(body, 'roundHalf', x.varies)}(${x.text})`) };
    if (type === x.type) return x;
    if (x.type === 'f32' && type === 'bool') {
      const magnitude = `(bitcast<${typeName('u32', x.varies)}>(${x.text}) & ${typeName('u32', x.varies)}(0x7fffffffu))`;
      return { text: body.bind(`${magnitude} != ${typeName('u32', x.varies)}(0u)`), type, varies: x.varies };
    }
    return { text: body.bind(`${name}(${x.text})`), type, varies: x.varies };
  }

  #load(expression: Extract<Expression, { kind: 'load' }>): Value {
    const { body, bindings } = this.context, access = bindings.of(expression.slot), { size } = expression.slot;
    const form = this.laneForm(expression.index);
    const guard = expression.guard ? this.value(expression.guard) : undefined;
    const dataDependent = usesValue(expression.index);
    const type = valueType(expression.dtype);
    const varies = form.kind !== 'uniform' || (guard?.varies ?? false);
    if (!varies) {
      const at = this.#safe(this.scalarIndex(expression.index), guard?.text, dataDependent, size);
      return this.#guarded({ text: body.bind(loadScalar(access, at), true), type, varies }, guard);
    }
    if (form.kind === 'contiguous' && form.aligned && access.binding.vector && !guard?.varies && !dataDependent && isAligned(access)) {
      const at = this.#safe(this.scalarIndex(expression.index), guard?.text, false, size);
      return this.#guarded({ text: body.bind(loadVector(access, at), true), type, varies }, guard);
    }
    const at = this.vectorIndex(expression.index);
    const lanes = ['x', 'y', 'z', 'w'].map((lane) => {
      const test = guard ? (guard.varies ? `${guard.text}.${lane}` : guard.text) : undefined;
      return loadScalar(access, this.#safe(at.startsWith('vec4') ? body.bind(at) + `.${lane}` : `${at}.${lane}`, test, dataDependent, size));
    });
    return this.#guarded({ text: body.bind(`vec4<${type}>(${lanes.join(', ')})`, true), type, varies }, guard);
  }

  /** An index that is inside the slot even where the guard is false or the row number comes from data. */
  #safe(at: string, guard: string | undefined, dataDependent: boolean, size: number): string {
    let safe = at;
    if (dataDependent) safe = this.context.body.bind(`clamp(${safe}, 0, ${Math.max(size - 1, 0)})`);
    if (guard) safe = this.context.body.bind(`select(0, ${safe}, ${guard})`);
    return safe;
  }

  #guarded(value: Value, guard: Value | undefined): Value {
    if (!guard) return value;
    const zero = value.type === 'bool' ? 'false' : `${value.type}(0)`, test = guard.varies === value.varies ? guard.text : `vec4<bool>(${guard.text})`;
    return { ...value, text: this.context.body.bind(`select(${value.varies ? `vec4<${value.type}>(${zero})` : zero}, ${value.text}, ${test})`) };
  }

  /** Whether a store at this index can be one aligned vec4 store. */
  isVectorStore(store: Store): boolean {
    const form = this.laneForm(store.index);
    return this.context.lanes === 4 && form.kind === 'contiguous' && form.aligned;
  }

  /** Writes stores at the current point: all values first, then memory. */
  stores(stores: readonly Store[]): void {
    this.preload(stores.map((store) => store.value));
    const values = stores.map((store) => this.value(store.value));
    stores.forEach((store, i) => {
      const { body, bindings } = this.context, access = bindings.of(store.slot);
      const value = valueType(store.slot.dtype) === values[i]!.type ? values[i]! : this.#cast(values[i]!, store.slot.dtype);
      if (this.context.lanes === 1 || this.laneForm(store.index).kind === 'uniform') {
        if (value.varies) throw new Error('internal: four lanes would store at one place');
        body.line(storeScalar(access, this.scalarIndex(store.index), value.text));
        return;
      }
      if (this.isVectorStore(store) && access.binding.vector) {
        body.line(storeVector(access, this.scalarIndex(store.index), spread(value)));
        return;
      }
      const at = body.bind(this.vectorIndex(store.index)), lanes = body.bind(spread(value));
      for (const lane of ['x', 'y', 'z', 'w']) body.line(storeScalar(access, `${at}.${lane}`, `${lanes}.${lane}`));
    });
  }
}

function usesValue(at: Index): boolean {
  return at.terms.some(({ atom }) => atom.kind === 'value' || (atom.kind !== 'loop' && usesValue(atom.of)));
}

/** Whether the slot's first element is at a multiple of four elements of its binding (offsets are multiples of 256 bytes, so it is). */
const isAligned = (access: SlotAccess): boolean => typeof access.first === 'string' || access.first % 4 === 0;

/**
 * Turns expression nodes into vector code inside a nest of loops.
 *
 * One axis, the vector axis, is walked four elements at a time: a node's value is a v128 of four neighbouring points
 * (a node that does not depend on that axis holds four equal lanes). Each node is computed in the outermost loop that
 * fixes it, once. f16 values are computed as f32; a bool is a mask of all ones or zeros a lane.
 */
import { access, accessLane, add, choose, get, int, named, onLane, op, scaled, set, splatInt, vectorConstant, when } from './code.js';
import type { Code, FunctionBuilder, Local, ModuleBuilder, Segment } from './encoder.js';
import { floatToHalf, halfToFloat } from './half.js';
import { onAccumulator, onReduced } from './normal.js';
import type { Node, NormalAtom, NormalIndex, NormalStore } from './normal.js';
import { operation } from './operations.js';

interface Scope { readonly segment: Segment; readonly memo: Map<string, Local> }

const elementBytes = (stored: string): number => (stored === 'f16' ? 2 : 4);

/** How an index moves along the vector axis: not at all, by a constant factor a step, or in some other way. */
export function strideAlong(index: NormalIndex, axis: number, varying = 0): number | 'irregular' {
  let factor = 0;
  for (const term of index.terms) {
    if (term.atom.what.kind === 'loop') { if (term.atom.what.axis === axis) factor += term.factor; }
    else if (term.atom.depends & ((1 << axis) | varying)) return 'irregular';
  }
  return factor;
}

export class Emitter {
  private readonly scopes: Scope[];
  private readonly axisDepth = new Map<number, number>();
  private readonly axisValue = new Map<number, Local>();
  private readonly reducedValues = new Map<string, Local>();
  private vectorAxis = -1;
  private vectorBytes: Local | undefined;
  private reducedDepth = 0;
  private reducedVaries = false;
  /** Number of lanes of the current vector that stand for points of the space. */
  lanes = 4;
  /** The value of `accumulator` at vector number `group`, where there is one. */
  accumulator: ((group: number, out: Segment) => Code) | undefined;

  /** `slots[i]` holds the address of slot number `i`. */
  constructor(readonly module: ModuleBuilder, readonly f: FunctionBuilder, readonly slots: readonly Local[]) {
    this.scopes = [{ segment: f.body, memo: new Map() }];
  }

  private get top(): Scope { return this.scopes[this.scopes.length - 1]!; }
  /** The code of the innermost open scope. */
  get segment(): Segment { return this.top.segment; }
  push(code: Code): void { this.top.segment.push(code); }

  /** Opens a scope, lets `build` fill it, and gives its code: the body of a loop or of a branch. */
  scope(build: () => void): Segment {
    const segment: Segment = [];
    this.scopes.push({ segment, memo: new Map() });
    build();
    this.scopes.pop();
    return segment;
  }

  /** The current scope fixes a loop axis. */
  bind(axis: number, value: Local): void {
    this.axisDepth.set(axis, this.scopes.length - 1);
    this.axisValue.set(axis, value);
  }

  /** The current scope walks the vector axis; `bytes` is four times the coordinate of the first lane. */
  bindVector(axis: number, bytes: Local, lanes: number): void {
    this.axisDepth.set(axis, this.scopes.length - 1);
    this.vectorAxis = axis;
    this.vectorBytes = bytes;
    this.lanes = lanes;
  }

  /** Four times the coordinate of the current vector's first lane. */
  vectorOffset(): Code { return get(this.vectorBytes!); }
  /** The coordinate of a bound loop axis. */
  axis(axis: number): Code { return get(this.axisValue.get(axis)!); }

  /** Results of reductions belong to the current scope; `varies`: they differ from lane to lane. */
  bindReduced(varies: boolean): void {
    this.reducedDepth = this.scopes.length - 1;
    this.reducedVaries = varies;
    this.reducedValues.clear();
  }
  setReduced(reduction: number, group: number, value: Local): void { this.reducedValues.set(`${reduction}:${group}`, value); }

  private varies(depends: number): boolean {
    return (this.vectorAxis >= 0 && (depends & (1 << this.vectorAxis)) !== 0)
      || (depends & onAccumulator) !== 0 || ((depends & onReduced) !== 0 && this.reducedVaries);
  }

  private home(depends: number): Scope {
    let depth = 0;
    for (const [axis, at] of this.axisDepth) if (depends & (1 << axis) && at > depth) depth = at;
    if (depends & onReduced && this.reducedDepth > depth) depth = this.reducedDepth;
    if (depends & onAccumulator) depth = this.scopes.length - 1;
    const scope = this.scopes[depth];
    if (!scope) throw new Error('emitter: an expression is used outside the loop that it depends on');
    return scope;
  }

  private remember(key: string, depends: number, type: 'i32' | 'v128', build: (out: Segment) => Code): Code {
    const home = this.home(depends);
    let local = home.memo.get(key);
    if (!local) {
      const value = build(home.segment);
      local = this.f.local(type);
      home.segment.push(set(local, value));
      home.memo.set(key, local);
    }
    return get(local);
  }

  /** The value of a node at vector number `group` (each is four elements further along the vector axis). */
  value(node: Node, group = 0): Code {
    if (node.kind === 'constant') {
      if (node.dtype === 'bool') return splatInt(this.f, node.value ? -1 : 0);
      if (node.dtype === 'i32' || node.dtype === 'u32') return splatInt(this.f, node.value);
    }
    const g = this.varies(node.depends) ? group : 0;
    if (node.kind === 'reduced') {
      const local = this.reducedValues.get(`${node.reduction}:${g}`);
      if (!local) throw new Error(`emitter: reduction ${node.reduction} is used before its level is done`);
      return get(local);
    }
    return this.remember(`n${node.id}:${g}`, node.depends, 'v128', (out) => this.build(node, g, out));
  }

  private build(node: Node, group: number, out: Segment): Code {
    switch (node.kind) {
      case 'load': return this.load(node, group);
      case 'index': return this.indexVector(node.index, group, out);
      case 'accumulator': {
        if (!this.accumulator) throw new Error('emitter: this kernel has no accumulator');
        return this.accumulator(group, out);
      }
      default: return operation(this, node, (x) => this.value(x, group), out);
    }
  }

  /** The value of a non-varying integer node in a scalar, or of one lane of it. */
  private laneValue(node: Node, group: number, lane: number): Code {
    const varies = this.varies(node.depends);
    const vector = this.value(node, group);
    return this.remember(`s${node.id}:${varies ? `${group},${lane}` : ''}`, node.depends, 'i32', () => onLane('i32x4.extract_lane', varies ? lane : 0, vector));
  }

  private atomValue(atom: NormalAtom, group: number, lane: number): Code {
    const { what } = atom;
    if (what.kind === 'loop') {
      if (what.axis !== this.vectorAxis) return get(this.axisValue.get(what.axis)!);
      const x = op('i32.shr_u', get(this.vectorBytes!), int(2));
      return group || lane ? add(x, int(4 * group + lane)) : x;
    }
    if (what.kind === 'value') return this.laneValue(what.of, group, lane);
    const tag = this.varies(atom.depends) ? `${group},${lane}` : '';
    const of = this.integer(what.of, group, lane);
    return this.remember(`a${atom.id}:${tag}`, atom.depends, 'i32', () => op(what.kind === 'div' ? 'i32.div_u' : 'i32.rem_u', of, int(what.by)));
  }

  /** start + scale · index at (group, lane), except that a step along the vector axis is left to `extra`. */
  private sum(startKey: string, start: Code | undefined, index: NormalIndex, scale: number, group: number, lane: number): { code: Code; extra: number } {
    const byScope = new Map<Scope, typeof index.terms[number][]>();
    for (const term of index.terms) {
      const home = this.home(term.atom.depends);
      byScope.set(home, [...(byScope.get(home) ?? []), term]);
    }
    let key = `+${startKey}*${scale}`, code: Code | undefined = start, extra = 0, depends = 0, irregular = false;
    const constant = index.base * scale;
    if (constant !== 0) {
      key += `+${constant}`;
      const before = code;
      code = before ? this.remember(key, 0, 'i32', () => add(before, int(constant))) : int(constant);
    }
    for (const scope of this.scopes) {
      const terms = byScope.get(scope);
      if (!terms) continue;
      const parts: Code[] = [];
      for (const { atom, factor } of terms) {
        key += `+${factor}a${atom.id}`;
        depends |= atom.depends;
        const m = factor * scale;
        if (atom.what.kind === 'loop' && atom.what.axis === this.vectorAxis) {
          extra += m * (4 * group + lane);
          const bytes = get(this.vectorBytes!);
          parts.push(m % 4 === 0 ? scaled(bytes, m / 4) : m === 2 ? op('i32.shr_u', bytes, int(1)) : scaled(op('i32.shr_u', bytes, int(2)), m));
        } else {
          if (this.varies(atom.depends)) irregular = true;
          parts.push(scaled(this.atomValue(atom, group, lane), m));
        }
      }
      const before = code;
      const total = parts.reduce((sum, part) => add(sum, part));
      code = this.remember(irregular ? `${key}@${group},${lane}` : key, depends, 'i32', () => (before ? add(before, total) : total));
    }
    return { code: code ?? int(0), extra };
  }

  /** The value of an index as i32, at one lane. */
  integer(index: NormalIndex, group = 0, lane = 0): Code {
    const { code, extra } = this.sum('', undefined, index, 1, group, lane);
    return extra ? add(code, int(extra)) : code;
  }

  private indexVector(index: NormalIndex, group: number, out: Segment): Code {
    const stride = strideAlong(index, this.vectorAxis, this.varyingBits());
    if (stride === 'irregular') {
      let vector: Code = op('i32x4.splat', this.integer(index, group, 0));
      for (let lane = 1; lane < 4; lane++) {
        const before = named(this.f, 'v128', out, vector);
        vector = onLane('i32x4.replace_lane', lane, before, this.integer(index, group, lane));
      }
      return vector;
    }
    const first = op('i32x4.splat', this.integer(index, group, 0));
    if (stride === 0) return first;
    const steps = get(this.f.shared(`steps${stride}`, 'v128', () => vectorConstant([0, stride, 2 * stride, 3 * stride])));
    return op('i32x4.add', first, steps);
  }

  private varyingBits(): number { return (this.reducedVaries ? onReduced : 0) | onAccumulator; }

  /** Address of an element; the offset is static where it may be. */
  private address(slot: number, index: NormalIndex, bytes: number, group: number, lane: number, mayWrap: boolean): { at: Code; offset: number } {
    const { code, extra } = this.sum(`@${slot}`, get(this.slots[slot]!), index, bytes, group, lane);
    if (extra === 0) return { at: code, offset: 0 };
    return extra > 0 && !mayWrap ? { at: code, offset: extra } : { at: add(code, int(extra)), offset: 0 };
  }

  private load(node: Node & { kind: 'load' }, group: number): Code {
    const { stored, index, guard, slot } = node, bytes = elementBytes(stored), { f } = this;
    const guarded = guard !== undefined;
    const mask = guard && this.value(guard, group);
    const guardVaries = guard !== undefined && this.varies(guard.depends);
    const stride = this.vectorAxis < 0 ? 0 : strideAlong(index, this.vectorAxis, this.varyingBits());
    const inside: Segment = [];
    const convert = (raw: Code): Code => {
      if (stored === 'f16') return halfToFloat(f, inside, raw);
      return stored === 'bool' ? op('i32x4.ne', raw, splatInt(f, 0)) : raw;
    };
    const zero = splatInt(f, 0);
    if (stride === 0) {
      const { at, offset } = this.address(slot, index, bytes, group, 0, guarded);
      const splatted = stored === 'f16' ? op('i32x4.splat', access('i32.load16_u', [at], offset)) : access('v128.load32_splat', [at], offset);
      const value = convert(splatted);
      if (!mask) return [inside, value];
      if (!guardVaries) return choose('v128', onLane('i32x4.extract_lane', 0, mask), [inside, value], zero);
      return choose('v128', op('v128.any_true', mask), [inside, op('v128.and', value, mask)], zero);
    }
    if (stride === 1) {
      const { at, offset } = this.address(slot, index, bytes, group, 0, guarded);
      const raw = stored === 'f16' ? op('i32x4.extend_low_i16x8_u', access('v128.load64_zero', [at], offset)) : access('v128.load', [at], offset);
      const value = convert(raw);
      if (!mask) return [inside, value];
      if (!guardVaries) return choose('v128', onLane('i32x4.extract_lane', 0, mask), [inside, value], zero);
      return choose('v128', op('v128.any_true', mask), [inside, op('v128.and', value, mask)], zero);
    }
    const gathered = f.local('v128');
    const lanes: Segment = [set(gathered, zero)];
    for (let lane = 0; lane < this.lanes; lane++) {
      const { at, offset } = this.address(slot, index, bytes, group, lane, guarded);
      const loaded = stored === 'f16'
        ? onLane('i32x4.replace_lane', lane, get(gathered), access('i32.load16_u', [at], offset))
        : accessLane('v128.load32_lane', at, get(gathered), lane, offset);
      const step = set(gathered, loaded);
      lanes.push(mask ? when(onLane('i32x4.extract_lane', guardVaries ? lane : 0, mask), step) : step);
    }
    const value = convert(get(gathered));
    return [lanes, inside, value];
  }

  /** Writes `value` (of the node's dtype) where the store says, in the current scope. */
  store(store: NormalStore, group: number, value: Code): void {
    const { stored, index, slot } = store, bytes = elementBytes(stored), { f } = this;
    const out = this.segment;
    const ready = named(f, 'v128', out, stored === 'f16' ? floatToHalf(f, out, value) : stored === 'bool' ? op('v128.and', value, splatInt(f, 1)) : value);
    const stride = this.vectorAxis < 0 ? 0 : strideAlong(index, this.vectorAxis, this.varyingBits());
    if (stride === 1) {
      const { at, offset } = this.address(slot, index, bytes, group, 0, false);
      if (this.lanes === 4) {
        out.push(stored === 'f16' ? accessLane('v128.store64_lane', at, ready, 0, offset) : access('v128.store', [at, ready], offset));
        return;
      }
      if (stored !== 'f16' && this.lanes >= 2) {
        out.push(accessLane('v128.store64_lane', at, ready, 0, offset));
        if (this.lanes === 3) out.push(accessLane('v128.store32_lane', at, ready, 2, offset + 8));
        return;
      }
    }
    const lanes = stride === 0 ? 1 : this.lanes;
    for (let lane = 0; lane < lanes; lane++) {
      const { at, offset } = this.address(slot, index, bytes, group, lane, false);
      out.push(accessLane(stored === 'f16' ? 'v128.store16_lane' : 'v128.store32_lane', at, ready, lane, offset));
    }
  }
}

/** A small encoder of WebAssembly modules: functions whose bodies are trees of bytes, one imported memory. */
import { unsigned } from './opcodes.js';

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** Instructions: bytes, nested as it suits the generator. A segment may grow until the module is encoded. */
export type Code = readonly (number | Code)[];
export type Segment = (number | Code)[];

/** A local variable of a function. */
export interface Local { readonly index: number; readonly type: ValueType }

const typeCode: Record<ValueType, number> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** One function under construction. `prologue` runs before `body`: constants that the whole function shares live there. */
export class FunctionBuilder {
  readonly params: readonly Local[];
  readonly prologue: Segment = [];
  readonly body: Segment = [];
  readonly locals: ValueType[] = [];
  private readonly splats = new Map<string, Local>();

  constructor(
    readonly index: number,
    readonly name: string,
    readonly parameterTypes: readonly ValueType[],
    readonly results: readonly ValueType[],
    readonly fusedMultiplyAdd: boolean,
  ) {
    this.params = parameterTypes.map((type, i) => ({ index: i, type }));
  }

  /** Parameter number `i`. */
  param(i: number): Local {
    const found = this.params[i];
    if (!found) throw new RangeError(`${this.name}: has ${this.params.length} parameters, asked for number ${i}`);
    return found;
  }

  /** A fresh local variable, zero at the start of a call. */
  local(type: ValueType): Local {
    this.locals.push(type);
    return { index: this.params.length + this.locals.length - 1, type };
  }

  /** A local that holds the same value from the prologue on; `key` says which. */
  shared(key: string, type: ValueType, code: () => Code): Local {
    let local = this.splats.get(key);
    if (!local) {
      local = this.local(type);
      this.prologue.push(code(), 0x21, unsigned(local.index));
      this.splats.set(key, local);
    }
    return local;
  }
}

/** A module with one imported memory (`env.memory`). */
export class ModuleBuilder {
  private readonly types: { key: string; bytes: number[] }[] = [];
  private readonly functions: FunctionBuilder[] = [];
  private readonly exports: { name: string; index: number }[] = [];
  private readonly named = new Map<string, FunctionBuilder>();

  constructor(readonly options: { readonly sharedMemory: boolean; readonly maximumPages: number; readonly fusedMultiplyAdd: boolean }) {}

  /** A new function, whose body `build` writes. */
  define(name: string, parameters: readonly ValueType[], results: readonly ValueType[], build: (f: FunctionBuilder) => void): FunctionBuilder {
    const f = new FunctionBuilder(this.functions.length, name, parameters, results, this.options.fusedMultiplyAdd);
    this.functions.push(f);
    build(f);
    return f;
  }

  /** The function of this key; it is defined on the first call. */
  once(key: string, define: () => FunctionBuilder): FunctionBuilder {
    let f = this.named.get(key);
    if (!f) { f = define(); this.named.set(key, f); }
    return f;
  }

  export(name: string, f: FunctionBuilder): void { this.exports.push({ name, index: f.index }); }

  /** Number of functions so far. */
  get size(): number { return this.functions.length; }

  private typeIndex(f: FunctionBuilder): number {
    const key = `${f.parameterTypes.join()}>${f.results.join()}`;
    let index = this.types.findIndex((type) => type.key === key);
    if (index < 0) {
      index = this.types.length;
      this.types.push({ key, bytes: [0x60, ...vector(f.parameterTypes.map((type) => [typeCode[type]])), ...vector(f.results.map((type) => [typeCode[type]]))] });
    }
    return index;
  }

  /** The module's binary form. */
  encode(): Uint8Array<ArrayBuffer> {
    const indices = this.functions.map((f) => this.typeIndex(f));
    const { sharedMemory, maximumPages } = this.options;
    const limits = [sharedMemory ? 3 : 1, ...unsigned(1), ...unsigned(maximumPages)];
    const out: number[] = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    section(out, 1, vector(this.types.map((type) => type.bytes)));
    section(out, 2, vector([[...text('env'), ...text('memory'), 2, ...limits]]));
    section(out, 3, vector(indices.map(unsigned)));
    section(out, 7, vector(this.exports.map(({ name, index }) => [...text(name), 0, ...unsigned(index)])));
    section(out, 10, vector(this.functions.map(functionBody)));
    const names = vector(this.functions.map((f) => [...unsigned(f.index), ...text(f.name)]));
    section(out, 0, [...text('name'), 1, ...unsigned(names.length), ...names]);
    return Uint8Array.from(out);
  }
}

function section(out: number[], id: number, content: readonly number[]): void {
  out.push(id, ...unsigned(content.length));
  append(out, content);
}

function vector(items: readonly (readonly number[])[]): number[] {
  const out = unsigned(items.length);
  for (const item of items) append(out, item);
  return out;
}

const text = (value: string): number[] => {
  const bytes = new TextEncoder().encode(value);
  return [...unsigned(bytes.length), ...bytes];
};

function append(out: number[], code: Code): void {
  for (const item of code) if (typeof item === 'number') out.push(item); else append(out, item);
}

function functionBody(f: FunctionBuilder): number[] {
  const runs: [number, ValueType][] = [];
  for (const type of f.locals) {
    const last = runs[runs.length - 1];
    if (last && last[1] === type) last[0]++; else runs.push([1, type]);
  }
  const body = vector(runs.map(([count, type]) => [...unsigned(count), typeCode[type]]));
  append(body, f.prologue);
  append(body, f.body);
  body.push(0x0b);
  const out = unsigned(body.length);
  append(out, body);
  return out;
}

/** `testAttention`: everything that an attention variant must get right, as one call. */
import { afterAll, beforeAll, describe, test } from 'vitest';
import { Variable, arange, gradients, jit, read, tensor, type Device, type MaskMod, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { Module, normalInitializer, training, type Attention, type AttentionInput, type AttentionSite, type AttentionVariant, type CacheState, type LayerCache, type PositionalEncoding } from '@ashlar/nn';
import { input, numbers } from './data.js';

/** Rows of one batch entry, [T][C]. */
export type Rows = readonly (readonly number[])[];

/** What a reference is given: one batch entry, and the part's parameters by their paths, row-major. */
export interface AttentionReferenceInput {
  readonly x: Rows;
  /** For cross attention: the other sequence. */
  readonly context: Rows;
  readonly weights: ReadonlyMap<string, ArrayLike<number>>;
}

export interface TestAttentionOptions {
  /** The same attention in plain f64 loops, of one batch entry, sharing no code with the variant: its rows [T][C]. */
  reference(input: AttentionReferenceInput): Rows;
  /** Variants that each differ from the tested one in one option, by its name: each must change the output. */
  readonly changed?: Readonly<Record<string, AttentionVariant>>;
  /** Devices to run on, by name; default: the f64 reference alone. */
  readonly devices?: Readonly<Record<string, () => Device | Promise<Device>>>;
  /** C; default 12. */
  readonly width?: number;
  /** Whether the site asks for biases. Default true. */
  readonly bias?: boolean;
  /** A positional encoding for the site; default: one without hooks. */
  readonly positional?: PositionalEncoding;
  /** Sequence lengths; default 1, 7, 63, 65. */
  readonly lengths?: readonly number[];
  /** Largest |got − expected| / (1 + |expected|); default 1e-4. */
  readonly tolerance?: number;
  /** Standard deviation of the weights, with which scores differ enough to tell keys apart. Default 0.4. */
  readonly std?: number;
}

/** One check of the kit: it throws where the variant is wrong. */
export interface AttentionCheck { readonly name: string; run(device: Device): Promise<void> }

class NoPositions extends Module implements PositionalEncoding {}

const batch = 2, contextLength = 5;

/** Numbers about N(0, 1) that are the same each time. */
function normal(count: number, seed: number): Float32Array {
  const next = numbers(seed);
  return Float32Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
}

/** A cache of the kit's own. */
class KitCache {
  readonly #variables = new Map<string, Variable>();
  constructor(readonly capacity: number) {}
  at(start: Tensor): LayerCache {
    return {
      start, capacity: this.capacity, has: (name: string) => this.#variables.has(name),
      state: (name: string, asked?: CacheState): Variable => {
        let variable = this.#variables.get(name);
        if (!variable) {
          if (!asked) throw new Error(`the cache has no ${name}`);
          this.#variables.set(name, (variable = new Variable(asked.shape, asked.dtype, undefined, { name })));
        }
        return variable;
      },
    };
  }
}

/** Every check, so that the kit can be run without a test runner (and be tested itself). */
export function attentionChecks(variant: AttentionVariant, options: TestAttentionOptions): AttentionCheck[] {
  const { width = 12, bias = true, tolerance = 1e-4, std = 0.4, lengths = [1, 7, 63, 65] } = options, { capabilities } = variant, checks: AttentionCheck[] = [];
  const contextWidth = capabilities.cross ? width + 2 : width;
  const weight = normalInitializer(std), initializers = { weight, value: weight, residual: weight };
  const site = (dropout = 0): AttentionSite => ({ width, contextWidth, bias, dropout: { attention: dropout, residual: 0 }, positional: options.positional ?? new NoPositions(), initializers });
  /** The part, with weights that depend on their names and shapes alone. */
  const built = (of: AttentionVariant = variant, dropout = 0): Attention => {
    const part = of.build(site(dropout));
    part.initialize(0);
    for (const [name, parameter] of part.namedParameters()) {
      const drawn = normal(parameter.size, [...name].reduce((sum, letter) => (Math.imul(sum, 31) + letter.codePointAt(0)!) >>> 0, parameter.size));
      parameter.write(drawn.map((value) => std * value + (parameter.shape.length === 1 && /gain/i.test(name) ? 1 : 0)));
    }
    return part;
  };
  const xOf = (T: number): Float32Array => normal(batch * T * width, T), contextData = normal(batch * contextLength * contextWidth, 777);
  const context = (): Partial<AttentionInput> => (capabilities.cross ? { context: tensor(contextData, { shape: [batch, contextLength, contextWidth] }) } : {});
  const asX = (data: Float32Array, B = batch): Tensor => tensor(data, { shape: [B, data.length / width / B, width] });
  const rowsOf = (data: ArrayLike<number>, size: number): number[][] => Array.from({ length: data.length / size }, (_, r) => Array.from({ length: size }, (__, c) => data[r * size + c]!));
  const run = async (part: Attention, x: Float32Array, device: Device, more: Partial<AttentionInput> = {}, B = batch): Promise<ArrayLike<number>> => {
    const result = await part.forward({ x: asX(x, B), positions: 0, ...context(), ...more }).data(device);
    await part.toHost();
    return result;
  };

  const expectedOf = (x: ArrayLike<number>, weights: ReadonlyMap<string, ArrayLike<number>>): number[] => {
    const T = x.length / width / batch, rows = rowsOf(x, width), contexts = rowsOf(contextData, contextWidth);
    return Array.from({ length: batch }, (_, b) => options.reference({ x: rows.slice(b * T, (b + 1) * T), context: contexts.slice(b * contextLength, (b + 1) * contextLength), weights })).flat(2);
  };
  const weightsOf = async (part: Attention): Promise<Map<string, Float64Array>> =>
    new Map(await Promise.all([...part.namedParameters()].map(async ([name, one]) => [name, Float64Array.from(await one.values())] as const)));

  for (const T of lengths) {
    checks.push({ name: `values of the reference at length ${T}`, run: async (device) => {
      const part = built(), x = xOf(T);
      expectNear(await run(part, x, device), expectedOf(x, await weightsOf(part)), tolerance, 'output');
    } });
    checks.push({ name: `gradients of the reference at length ${T}`, run: async (device) => {
      const part = built(), x = xOf(T), weights = await weightsOf(part), pulled = normal(batch * T * width, 31);
      const parameters = [...part.namedParameters()];
      const slopes = jit((given: Tensor) => gradients(part.forward({ x: given, positions: 0, ...context() }).mul(asX(pulled)).sum(), [given, ...parameters.map(([, one]) => read(one))]), { device })(asX(x));
      const analytic = await Promise.all(slopes.map((slope) => slope.data()));
      await part.toHost();
      const loss = (at: Float64Array, of: ReadonlyMap<string, ArrayLike<number>>): number => expectedOf(at, of).reduce((sum, value, i) => sum + value * pulled[i]!, 0);
      for (const [i, name] of ['x', ...parameters.map(([path]) => path)].entries()) for (let k = 0; k < 2; k++) {
        const value = i === 0 ? Float64Array.from(x) : weights.get(name)!, direction = normal(value.length, 97 * i + k), step = 1e-5;
        const moved = (by: number): number => {
          const shifted = value.map((v, j) => v + by * direction[j]!);
          return i === 0 ? loss(shifted, weights) : loss(Float64Array.from(x), new Map(weights).set(name, shifted));
        };
        const numeric = (moved(step) - moved(-step)) / (2 * step), slopesAt = Float64Array.from(analytic[i]!), got = slopesAt.reduce((sum, slope, j) => sum + slope * direction[j]!, 0);
        const size = Math.sqrt(slopesAt.reduce((sum, slope, j) => sum + (slope * direction[j]!) ** 2, 0));
        if (!(Math.abs(got - numeric) <= tolerance * 10 * (size + Math.abs(numeric) + 0.1))) throw new Error(`gradient of ${name}: ${got}, by differences of the reference ${numeric}`);
      }
    } });
  }

  if (capabilities.causal) checks.push({ name: 'a token does not depend on those after it', run: async (device) => {
    const T = 9, part = built(), x = xOf(T), before = await run(part, x, device);
    for (const t of [1, 4, T - 1]) {
      const changed = x.slice();
      for (let b = 0; b < batch; b++) for (let c = 0; c < width; c++) changed[(b * T + t) * width + c]! += 3;
      const after = await run(part, changed, device);
      for (let b = 0; b < batch; b++) for (let s = 0; s < T; s++) {
        const difference = Math.max(...Array.from({ length: width }, (_, c) => Math.abs(after[(b * T + s) * width + c]! - before[(b * T + s) * width + c]!)));
        if (s < t && difference > 1e-6) throw new Error(`token ${s} depends on token ${t}, which stands after it`);
        if (s === t && difference < 1e-6) throw new Error(`token ${t} does not depend on itself`);
      }
    }
  } });

  if (capabilities.cache) checks.push({ name: 'the cached output is the whole one', run: async (device) => {
    const T = 13, x = xOf(T), capacity = 16;
    const whole = await run(built(), x, device);
    for (const pieces of [[5, 1, 1, 1, 3, 1, 1], Array.from({ length: T }, () => 1), [T]]) {
      const part = built(), cache = new KitCache(capacity);
      const step = jit((piece: Tensor, start: Tensor, first: boolean) => part.forward({ x: piece, positions: start.add(arange(piece.shape[1]!)), cache: cache.at(start), ...(first ? context() : {}) }), { device });
      let at = 0;
      for (const count of pieces) {
        const rows = Float32Array.from({ length: batch * count * width }, (_, i) => x[(Math.floor(i / (count * width)) * T + at) * width + (i % (count * width))]!);
        const got = await step(asX(rows), tensor(Int32Array.of(at), { shape: [] }), at === 0).data();
        const expected = Float32Array.from({ length: got.length }, (_, i) => whole[(Math.floor(i / (count * width)) * T + at) * width + (i % (count * width))]!);
        expectNear(got, expected, tolerance, `tokens from ${at}, in pieces of ${pieces.join(', ')}`);
        at += count;
      }
      step.release();
    }
  } });

  for (const [name, other] of Object.entries(options.changed ?? {})) checks.push({ name: `the option ${name} changes the output`, run: async (device) => {
    const x = xOf(9), base = await run(built(), x, device), changed = await run(built(other), x, device);
    if (Array.from(base).every((value, i) => Math.abs(value - changed[i]!) < 1e-6)) throw new Error(`${name} is accepted and then ignored`);
  } });

  const uses: readonly [keyof AttentionInput, boolean, () => Partial<AttentionInput>][] = [
    ['context', capabilities.cross, () => ({ context: asX(xOf(4)) })],
    ['mask', capabilities.arbitraryMask, () => ({ mask: ({ q, k }) => k.le(q) })],
    ['keyPadding', capabilities.keyPadding ?? false, () => ({ keyPadding: input([batch, 4], 'bool', new Uint8Array(batch * 4)) })],
    ['segments', capabilities.packing, () => ({ segments: tensor(new Int32Array(batch * 4), { shape: [batch, 4] }) })],
    ['prefix', capabilities.prefix ?? false, () => ({ prefix: tensor(Int32Array.from({ length: batch }, () => 2), { shape: [batch] }) })],
    ['cache', capabilities.cache, () => ({ cache: new KitCache(8).at(tensor(Int32Array.of(0), { shape: [] })) })],
  ];
  for (const [use, declared, given] of uses) if (!declared) checks.push({ name: `${use} is not declared, and refused`, run: async () => {
    try { jit(() => built().forward({ x: asX(xOf(4)), positions: 0, ...context(), ...given() }), { device: reference() })(); } catch { return; }
    throw new Error(`${use} is not declared, yet taken`);
  } });

  if (capabilities.arbitraryMask) checks.push({ name: 'a mask hides keys', run: async (device) => {
    const T = 8, S = capabilities.cross ? contextLength : T, hidden = 1, mask: MaskMod = ({ k }) => k.ne(hidden);
    await hides(async (changed) => run(built(), changed.x, device, { mask, ...changed.context }), T, (s) => s === hidden, S);
  } });
  if (capabilities.keyPadding) checks.push({ name: 'keys that are padding are not seen', run: async (device) => {
    const T = 8, S = capabilities.cross ? contextLength : T, padded = (s: number): boolean => s === 2 || s === S - 1;
    const keyPadding = input([batch, S], 'bool', Uint8Array.from({ length: batch * S }, (_, i) => Number(padded(i % S))));
    await hides(async (changed) => run(built(), changed.x, device, { keyPadding, ...changed.context }), T, padded, S);
  } });
  if (capabilities.packing) checks.push({ name: 'documents of one row give what each gives alone', run: async (device) => {
    const lengths = [3, 1, 70, 66], T = 140, x = xOf(T), starts = lengths.map((_, d) => lengths.slice(0, d).reduce((sum, length) => sum + length, 0));
    const segments = tensor(Int32Array.from({ length: batch * T }, (_, i) => 7 - starts.filter((start) => start <= i % T).length), { shape: [batch, T] });
    const packed = await run(built(), x, device, { segments });
    for (const [d, start] of starts.entries()) {
      const size = lengths[d]! * width, part = (of: ArrayLike<number>, b: number): number[] => Array.from({ length: size }, (_, i) => of[(b * T + start) * width + i]!);
      const rows = Array.from({ length: batch }, (_, b) => part(x, b)).flat();
      expectNear(Array.from({ length: batch }, (_, b) => part(packed, b)).flat(), Array.from(await run(built(), Float32Array.from(rows), device)), tolerance, `document ${d}, of ${lengths[d]} tokens`);
    }
  } });
  if (capabilities.prefix) checks.push({ name: 'tokens of a prefix see ahead in it, the others what stands before', run: async (device) => {
    const T = 8, prefixes = [5, 2], x = xOf(T), prefix = tensor(Int32Array.from(prefixes), { shape: [batch] }), before = await run(built(), x, device, { prefix });
    let ahead = 0;
    for (let at = 0; at < T; at++) {
      const changed = x.slice();
      for (let b = 0; b < batch; b++) changed.fill(2, (b * T + at) * width, (b * T + at + 1) * width);
      const after = await run(built(), changed, device, { prefix });
      for (let b = 0; b < batch; b++) for (let t = 0; t < T; t++) {
        const moved = Array.from({ length: width }, (_, c) => Math.abs(after[(b * T + t) * width + c]! - before[(b * T + t) * width + c]!)).some((difference) => difference > 1e-6);
        if (moved && at > t && at >= prefixes[b]!) throw new Error(`token ${t} sees token ${at}, which stands after it, with a prefix of ${prefixes[b]}`);
        if (moved && at > t) ahead++;
      }
    }
    if (ahead === 0) throw new Error('no token of the prefix sees one that stands after it');
  } });

  /** Changes hidden keys alone: rows of other queries must stay; then a seen key, and some must change. */
  async function hides(compute: (changed: { x: Float32Array; context: Partial<AttentionInput> }) => Promise<ArrayLike<number>>, T: number, hidden: (s: number) => boolean, S: number): Promise<void> {
    const size = capabilities.cross ? contextWidth : width, data = capabilities.cross ? contextData : xOf(T);
    const at = async (change: (s: number) => boolean): Promise<ArrayLike<number>> => {
      const moved = data.map((value, i) => value + (change(Math.floor(i / size) % S) ? 2 : 0));
      return compute(capabilities.cross ? { x: xOf(T), context: { context: tensor(moved, { shape: [batch, S, size] }) } } : { x: moved, context: {} });
    };
    const base = await at(() => false), other = await at(hidden), seen = await at((s) => !hidden(s));
    const differs = (got: ArrayLike<number>, row: number): boolean => Array.from({ length: width }, (_, c) => Math.abs(got[row * width + c]! - base[row * width + c]!)).some((difference) => difference > 1e-6);
    const rows = Array.from({ length: batch * T }, (_, r) => r).filter((r) => capabilities.cross || !hidden(r % T));
    for (const row of rows) if (differs(other, row)) throw new Error(`query ${row % T} depends on a hidden key`);
    if (!rows.some((row) => differs(seen, row))) throw new Error('no query depends on a key that is not hidden');
  }

  if (!capabilities.weightDropout) checks.push({ name: 'attention weights are not there to be dropped, and dropout of them is refused', run: async () => {
    try { built(variant, 0.5); } catch { return; }
    throw new Error('dropout of attention weights is not declared, yet taken');
  } });
  else checks.push({ name: 'attention weights are dropped in training alone', run: async (device) => {
    const T = 6, part = built(variant, 0.5), x = xOf(T), plain = await run(built(), x, device);
    expectNear(await run(part, x, device), plain, 1e-6, 'outside of training');
    const dropped = await jit((key: Tensor) => training({ key }, () => part.forward({ x: asX(x), positions: 0, ...context() })), { device })(tensor(Uint32Array.of(1, 2))).data();
    await part.toHost();
    if (Array.from(plain).every((value, i) => Math.abs(value - dropped[i]!) < 1e-6)) throw new Error('dropout of the attention weights is accepted and then ignored');
  } });
  return checks;
}

function expectNear(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  if (got.length !== expected.length) throw new Error(`${what}: ${got.length} elements, expected ${expected.length}`);
  for (let i = 0; i < got.length; i++) if (!(Math.abs(got[i]! - expected[i]!) <= tolerance * (1 + Math.abs(expected[i]!)))) throw new Error(`${what}: element ${i} is ${got[i]}, expected ${expected[i]} (tolerance ${tolerance})`);
}

/** Runs the whole kit on a variant, on each device. */
export function testAttention(name: string, variant: AttentionVariant, options: TestAttentionOptions): void {
  const devices = options.devices ?? { reference };
  describe(`${name} conforms`, () => {
    for (const [where, open] of Object.entries(devices)) describe(`on ${where}`, () => {
      let device: Device;
      beforeAll(async () => { device = await open(); });
      afterAll(async () => { await device?.close(); });
      for (const check of attentionChecks(variant, options)) test(check.name, () => check.run(device));
    });
  });
}

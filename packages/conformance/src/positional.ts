/** `testPositional`: everything that a positional encoding must get right, as one call. */
import { attention, gradients, jit, read, tensor, type Tensor } from '@ashlar/tensor';
import type { PositionalEncoding, PositionalSite, PositionalVariant } from '@ashlar/nn';
import { compareWithLoops, computed, expectChange, expectNear, fill, kitInitializers, normals, rowsOf, testChecks, type KitDevices, type PartCheck, type Weights } from './part-checks.js';

/** A score, before the softmax. */
export interface ScorePoint {
  /** scale · q·k */
  readonly score: number;
  readonly head: number;
  readonly heads: number;
  /** Positions of the query and the key. */
  readonly q: number;
  readonly k: number;
  /** The query's row, [D], and the factor of products. */
  readonly query: readonly number[];
  readonly scale: number;
  readonly causal: boolean;
  readonly weights: Weights;
}

/** What each hook computes, in plain f64 loops that share no code with the variant; one for each hook it has. */
export interface PositionalReference {
  /** One token's embedding [C] → [C]. */
  embed?(row: readonly number[], position: number, weights: Weights): readonly number[];
  /** One head's query or key [D] → [D]. */
  rotate?(row: readonly number[], position: number, of: 'query' | 'key'): readonly number[];
  score?(point: ScorePoint): number;
}

export interface TestPositionalOptions {
  readonly reference: PositionalReference;
  /** Variants that each differ from the tested one in one option, by its name: each must change the output. */
  readonly changed?: Readonly<Record<string, PositionalVariant>>;
  /** Default: the f64 reference alone. */
  readonly devices?: KitDevices;
  /** Sequence lengths; default 1, 7, 63, 65. */
  readonly lengths?: readonly number[];
  /** H; default 3. */
  readonly heads?: number;
  /** Largest |got − expected| / (1 + |expected|); default 1e-4. */
  readonly tolerance?: number;
}

const [B, D, C, maxLength] = [2, 8, 6, 128] as const;

/** Every check, so that the kit can be run without a test runner (and be tested itself). */
export function positionalChecks(variant: PositionalVariant, { reference, changed = {}, lengths = [1, 7, 63, 65], heads: H = 3, tolerance = 1e-4 }: TestPositionalOptions): PartCheck[] {
  const { capabilities } = variant, scale = 0.4, checks: PartCheck[] = [];
  const site = (causal: boolean): PositionalSite => ({ width: C, maxLength, heads: { count: H, width: D }, causal, initializers: kitInitializers });
  const built = (causal = true, of = variant): PositionalEncoding => fill(of.build(site(causal)));
  const embedded = (T: number): Tensor => tensor(normals(B * T * C, T), { shape: [B, T, C] }), queries = (T: number, seed = T): Tensor => tensor(normals(B * H * T * D, seed), { shape: [B, H, T, D] });
  /** Positions of a packed batch: each row begins anew somewhere. */
  const packed = (T: number): Int32Array => Int32Array.from({ length: B * T }, (_, i) => (i % T >= 3 + Math.floor(i / T) ? (i % T) - 3 - Math.floor(i / T) : i % T));

  checks.push({ name: 'it has the hooks that it declares', run: async () => {
    const part = built();
    for (const hook of ['embed', 'rotate', 'scoreMod'] as const) if (capabilities[hook] !== (part[hook] !== undefined)) throw new Error(capabilities[hook] ? `${hook} is declared, and there is none` : `${hook} is not declared, yet there is one`);
    for (const [hook, loops] of [['embed', reference.embed], ['rotate', reference.rotate], ['scoreMod', reference.score]] as const) if (capabilities[hook] !== (loops !== undefined)) throw new Error(`the reference must have loops for just the hooks of the variant; ${hook} ${loops ? 'has loops and is no hook' : 'has none'}`);
  } });

  if (capabilities.embed) for (const T of lengths) checks.push({ name: `embeddings of the reference at length ${T}`, run: async (device) => {
    const part = built(), own = packed(T);
    for (const [positions, at] of [[0, (i: number) => i % T], [9, (i: number) => 9 + (i % T)], [tensor(own, { shape: [B, T] }), (i: number) => own[i]!], [tensor(own.slice(0, T)), (i: number) => own[i % T]!]] as const) {
      await compareWithLoops({
        part, device, tolerance, inputs: [{ shape: [B, T, C], data: normals(B * T * C, T) }], forward: (x) => part.embed!(x!, positions),
        loops: ([x], weights) => rowsOf(x!, C).flatMap((row, i) => reference.embed!(row, at(i), weights)),
      });
    }
  } });

  if (capabilities.rotate) for (const T of lengths) for (const of of ['query', 'key'] as const) checks.push({ name: `${of} rows of the reference at length ${T}`, run: async (device) => {
    const part = built(), own = packed(T);
    part.checkHeadWidth?.(D);
    for (const [positions, at] of [[0, (i: number) => i % T], [1000, (i: number) => 1000 + (i % T)], [tensor(own, { shape: [B, T] }), (i: number) => own[Math.floor(i / (H * T)) * T + (i % T)]!], [tensor(own.slice(0, T)), (i: number) => own[i % T]!]] as const) {
      await compareWithLoops({
        part, device, tolerance, inputs: [{ shape: [B, H, T, D], data: normals(B * H * T * D, T) }], forward: (x) => part.rotate!(x!, positions, of),
        loops: ([x]) => rowsOf(x!, D).flatMap((row, i) => reference.rotate!(row, at(i), of)),
      });
    }
  } });

  const causalities = capabilities.bidirectional ? [true, false] : [true];
  /** Attention with changed scores in loops: q, k, v [B, H, T|S, D] flat, values [B, H, T, D]. */
  const attentionLoops = (q: readonly number[], k: readonly number[], v: readonly number[], T: number, S: number, causal: boolean, weights: Weights): number[] => {
    const [qs, ks, vs] = [rowsOf(q, D), rowsOf(k, D), rowsOf(v, D)];
    return qs.flatMap((query, row) => {
      const t = (row % T) + S - T, bh = Math.floor(row / T), head = bh % H;
      const scores = Array.from({ length: S }, (_, s) => (causal && s > t ? -Infinity : reference.score!({
        score: scale * ks[bh * S + s]!.reduce((sum, value, d) => sum + value * query[d]!, 0), head, heads: H, q: t, k: s, query, scale, causal, weights,
      })));
      const peak = Math.max(...scores), shares = scores.map((score) => Math.exp(score - peak)), total = shares.reduce((sum, share) => sum + share, 0);
      return Array.from({ length: D }, (_, d) => shares.reduce((sum, share, s) => sum + (share / total) * vs[bh * S + s]![d]!, 0));
    });
  };
  if (capabilities.scoreMod) for (const causal of causalities) for (const T of lengths) checks.push({ name: `scores of the reference at length ${T}, ${causal ? 'causal' : 'bidirectional'}`, run: async (device) => {
    const part = built(causal), shape = [B, H, T, D];
    await compareWithLoops({
      part, device, tolerance, inputs: [1, 2, 3].map((seed) => ({ shape, data: normals(B * H * T * D, 10 * T + seed) })),
      forward: (q, k, v) => attention(q!, k!, v!, { scale, causal, score: part.scoreMod!({ queries: q!, scale, firstQuery: 0 }) }),
      loops: ([q, k, v], weights) => attentionLoops(q!, k!, v!, T, T, causal, weights),
    });
  } });
  if (capabilities.scoreMod) checks.push({ name: 'queries that stand at the end of the keys', run: async (device) => {
    const [T, S] = [3, 11], part = built();
    await compareWithLoops({
      part, device, tolerance, inputs: [{ shape: [B, H, T, D], data: normals(B * H * T * D, 1) }, ...[2, 3].map((seed) => ({ shape: [B, H, S, D], data: normals(B * H * S * D, seed) }))],
      forward: (q, k, v) => attention(q!, k!, v!, { scale, causal: true, score: part.scoreMod!({ queries: q!, scale, firstQuery: S - T }) }),
      loops: ([q, k, v], weights) => attentionLoops(q!, k!, v!, T, S, true, weights),
    });
  } });
  if (capabilities.scoreMod) checks.push({ name: 'its tables are trained through the scores', run: async (device) => {
    const part = built(), parameters = part.parameters(), T = 9;
    if (parameters.length === 0) return;
    const run = jit(() => gradients(attention(queries(T, 1), queries(T, 2), queries(T, 3), { scale, causal: true, score: part.scoreMod!({ queries: queries(T, 1), scale, firstQuery: 0 }) }).square().sum(), parameters.map(read)), { device });
    const slopes = await Promise.all(run().map((slope) => slope.data()));
    run.release();
    await part.toHost();
    slopes.forEach((slope, i) => { if (!Array.from(slope).some((one) => one !== 0)) throw new Error(`${parameters[i]!.name} gets no gradient`); });
  } });

  const everything = (part: PositionalEncoding, T: number): Tensor => {
    if (capabilities.embed) return part.embed!(embedded(T), 2);
    const [q, k] = [queries(T, 1), queries(T, 2)].map((one, i) => part.rotate?.(one, 2, i === 0 ? 'query' : 'key') ?? one) as [Tensor, Tensor];
    return attention(q, k, queries(T, 3), { scale, causal: true, ...(part.scoreMod ? { score: part.scoreMod({ queries: q, scale, firstQuery: 0 }) } : {}) });
  };
  for (const [option, other] of Object.entries(changed)) checks.push({ name: `the option ${option} changes the output`, run: async (device) => {
    const [a, b] = [built(), built(true, other)];
    expectChange(await computed(a, () => everything(a, 40), device), await computed(b, () => everything(b, 40), device), `${option} is accepted and then ignored`);
  } });
  checks.push({ name: 'the same twice', run: async (device) => {
    const part = built(), once = await computed(part, () => everything(part, 7), device);
    expectNear(await computed(part, () => everything(part, 7), device), once, 0, 'second time');
  } });
  return checks;
}

/** Runs the whole kit on a positional encoding, on each device. */
export const testPositional = (name: string, variant: PositionalVariant, options: TestPositionalOptions): void => testChecks(name, positionalChecks(variant, options), options.devices);

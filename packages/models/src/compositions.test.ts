// Every pair of parts that the catalogue has, in small models: those that go together run, the others are refused with both names.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { training } from '@ashlar/nn';
import { gradients, jit, read, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { CombinationError, build, catalogue, pairProblems, type DecoderConfigInput, type PartKind } from './index.js';

const kinds = Object.keys(catalogue) as PartKind[];
type Row = Readonly<Record<PartKind, string>>;
/** Stands for a model without norms. */
const noNorm = 'no norm';
const namesOf = (kind: PartKind): string[] => [...Object.keys(catalogue[kind]), ...(kind === 'norm' ? [noNorm] : [])];
const exampleOf = (kind: PartKind, type: string): object => ({ type, ...(catalogue[kind] as Record<string, { example: object }>)[type]!.example });
const usesNorms = (residual: string): boolean => residual !== 'reZero';

const problems = pairProblems();
const problemOf = (a: PartKind, one: string, b: PartKind, other: string): string | undefined => {
  if (a === 'norm' && b === 'residual') return (one === noNorm) === usesNorms(other) ? `${other} with ${one}` : undefined;
  return problems.find(({ first, second }) => (first.kind === a && first.name === one && second.kind === b && second.name === other) || (first.kind === b && first.name === other && second.kind === a && second.name === one))?.problem;
};
const decoderAttentions = namesOf('attention').filter((name) => (catalogue.attention as unknown as Record<string, { example: object; create(options: object): { capabilities: { causal: boolean } } }>)[name]!.create(exampleOf('attention', name)).capabilities.causal);
const listOf = (kind: PartKind): string[] => (kind === 'attention' ? decoderAttentions : namesOf(kind));
const ordered = (a: PartKind, b: PartKind): [PartKind, PartKind] => (kinds.indexOf(a) < kinds.indexOf(b) ? [a, b] : [b, a]);
const pairs = kinds.flatMap((a, i) => kinds.slice(i + 1).map((b) => [a, b] as const));
const works = (row: Partial<Row>): boolean => pairs.every(([a, b]) => row[a] === undefined || row[b] === undefined || problemOf(a, row[a], b, row[b]) === undefined);

/** Rows in which every pair that works stands at least once, as few as a greedy choice finds. */
function coveringRows(): Row[] {
  const key = (a: PartKind, one: string, b: PartKind, other: string): string => `${a} ${one} ${b} ${other}`;
  const open = new Map<string, readonly [PartKind, string, PartKind, string]>();
  for (const [a, b] of pairs) for (const one of listOf(a)) for (const other of listOf(b)) if (problemOf(a, one, b, other) === undefined) open.set(key(a, one, b, other), [a, one, b, other]);
  const rows: Row[] = [];
  for (let next = open.values().next().value; next; next = open.values().next().value) {
    const [a, one, b, other] = next, rest = kinds.filter((kind) => kind !== a && kind !== b);
    let best: Row | undefined, most = -1;
    const choose = (i: number, row: Partial<Row>): void => {
      if (!works(row)) return;
      if (i < rest.length) { for (const name of listOf(rest[i]!)) choose(i + 1, { ...row, [rest[i]!]: name }); return; }
      const whole = row as Row, fresh = pairs.filter(([x, y]) => open.has(key(x, whole[x], y, whole[y]))).length;
      if (fresh > most) [best, most] = [whole, fresh];
    };
    choose(0, { [a]: one, [b]: other });
    if (!best) throw new Error(`${one} and ${other} go together, but in no model`);
    for (const [x, y] of pairs) open.delete(key(x, best[x], y, best[y]));
    rows.push(best);
  }
  return rows;
}

const configOf = (row: Row): DecoderConfigInput => ({
  modelType: 'decoder', vocabulary: 11, width: 16, depth: 2, maxLength: 8, bias: true, initialisation: { std: 0.3 },
  ...Object.fromEntries(kinds.filter((kind) => row[kind] !== noNorm).map((kind) => [kind, exampleOf(kind, row[kind])])),
} as unknown as DecoderConfigInput);

const rows = coveringRows();
describe('models of parts that go together', () => {
  let device: Device;
  beforeAll(async () => { device = await wasm(); });
  afterAll(async () => { await device.close(); });
  // No token stands twice in a row: equal keys would be a tie for attentions that choose keys.
  const [B, T] = [2, 7], shape = [B, T], tokens = Int32Array.from({ length: B * T }, (_, i) => (i < T ? 3 * i + 2 : 4 * (i - T) + 1) % 11), targets = tokens.map((token, i) => (i % 5 === 3 ? -1 : (token + 4) % 11));

  test.each(rows.map((row) => [kinds.map((kind) => row[kind]).join(' · '), row] as const))('%s', async (_, row) => {
    const model = build(configOf(row), { seed: 5 }), key = tensor(Uint32Array.of(1, 2));
    // α of ReZero begins at 0, where nothing could be seen of the sublayers.
    for (const [name, parameter] of model.namedParameters()) if (/residual\.gains/.test(name)) parameter.write(new Float32Array(parameter.size).fill(0.6));
    const given = [tensor(tokens, { shape }), tensor(targets, { shape })] as const, results: { loss: number; norms: number[] }[] = [];
    for (const where of [reference(), device]) {
      const run = jit((x: Tensor, y: Tensor) => training({ key }, () => {
        const loss = model.loss(x, y);
        return { loss, norms: gradients(loss, model.parameters().map(read)).map((slope) => slope.square().sum().sqrt()) };
      }), { device: where });
      const { loss, norms } = run(...given);
      results.push({ loss: await loss.item(), norms: await Promise.all(norms.map((norm) => norm.item())) });
      run.release();
      await model.toHost();
    }
    const [expected, got] = results as [typeof results[0], typeof results[0]];
    expect(Math.abs(got.loss - expected.loss) / expected.loss).toBeLessThan(1e-4);
    const names = [...model.namedParameters().keys()], whole = Math.hypot(...expected.norms);
    expect(whole).toBeGreaterThan(0.01);
    expected.norms.forEach((norm, i) => expect(Math.abs(got.norms[i]! - norm) / (norm + 1e-2 * whole), names[i]!).toBeLessThan(2e-3));
    if (!(catalogue.attention as unknown as Record<string, { create(options: object): { capabilities: { cache: boolean } } }>)[row.attention]!.create(exampleOf('attention', row.attention)).capabilities.cache) return;

    const all = await model.logits(given[0]).data(device), cache = model.cache({ capacity: 8 });
    const step = jit((x: Tensor, start: Tensor) => model.cachedLogits(x, cache, start), { device });
    for (const [first, count] of [[0, 5], [5, 1], [6, 1]] as const) {
      const piece = Int32Array.from({ length: B * count }, (__, i) => tokens[Math.floor(i / count) * T + first + (i % count)]!);
      const logits = await step(tensor(piece, { shape: [B, count] }), cache.extend(count)).data();
      logits.forEach((value, i) => expect(Math.abs(value - all[(Math.floor(i / (count * 11)) * T + first) * 11 + (i % (count * 11))]!) / (1 + Math.abs(value)), `cached, from token ${first}`).toBeLessThan(1e-3));
    }
    step.release();
    await model.toHost();
  });

  test('every pair stands in a row or is refused', () => {
    for (const [a, b] of pairs) for (const one of listOf(a)) for (const other of listOf(b)) {
      const stands = rows.some((row) => row[a] === one && row[b] === other);
      expect(stands || problemOf(a, one, b, other) !== undefined, `${one} with ${other}`).toBe(true);
    }
  });
});

describe('models of parts that do not go together', () => {
  const plain: Row = { attention: 'multiHead', positional: 'learned', norm: 'rmsNorm', residual: 'preNorm', feedForward: 'mlp' };
  const refused = problems.filter(({ first }) => first.kind !== 'attention' || decoderAttentions.includes(first.name));
  test.each(refused.map(({ first, second, problem }) => [`${first.name} · ${second.name}`, first, second, problem] as const))('%s', (_, first, second, problem) => {
    const [a, b] = ordered(first.kind, second.kind), row = { ...plain, [a]: first.kind === a ? first.name : second.name, [b]: second.kind === b ? second.name : first.name };
    expect(() => build(configOf(row))).toThrow(CombinationError);
    expect(() => build(configOf(row))).toThrow(problem);
    expect(problem).toContain(first.name);
    expect(problem).toContain(second.name);
    expect(problem).toMatch(/; (use|leave out) /);
  });
  test.each(namesOf('attention').filter((name) => !decoderAttentions.includes(name)))('%s attention in a decoder', (attention) => {
    expect(() => build(configOf({ ...plain, attention }))).toThrow(new RegExp(`${attention} attention that is not causal`));
  });
  test('norms and schemes that have none, or need one', () => {
    expect(() => build(configOf({ ...plain, residual: 'reZero' }))).toThrow('reZero residuals do not go with rmsNorm norms: they have none; leave out the norm, or use preNorm');
    expect(() => build(configOf({ ...plain, norm: noNorm }))).toThrow('preNorm residuals need a norm; give one, such as rmsNorm, or use reZero');
  });
  test('a beginning of weights that two options set', () => {
    for (const residual of ['deepNorm', 'subNorm']) expect(() => build({ ...configOf({ ...plain, residual }), initialisation: { scaledResidual: true } })).toThrow(`initialisation.scaledResidual does not go with ${residual} residuals`);
  });
});

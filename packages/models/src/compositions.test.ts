// Every cell of topology × attention × positions × norm, in models of one layer: those that go together run forward,
// backward and, where they decode, from a cache, on the reference; some on wasm too; the others are refused. What goes
// together is said here once more.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crossEntropy, training } from '@ashlar/nn';
import { gradients, jit, read, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { CombinationError, Decoder, Encoder, build, catalogue, pairProblems, topologyProblems, type Model, type ModelConfigInput, type PartKind } from './index.js';

const width = 8, V = 7, B = 2, T = 4;
const attentions: Readonly<Record<string, { readonly options: object; readonly places: readonly ('encoder' | 'decoder')[]; readonly takes: readonly ('rotate' | 'scoreMod')[] }>> = {
  multiHead: { options: { heads: 2 }, places: ['encoder', 'decoder'], takes: ['rotate', 'scoreMod'] },
  grouped: { options: { heads: 4, kvHeads: 2 }, places: ['encoder', 'decoder'], takes: ['rotate', 'scoreMod'] },
  latent: { options: { heads: 2, kvRank: 3, rotatedWidth: 2 }, places: ['encoder', 'decoder'], takes: ['rotate', 'scoreMod'] },
  topK: { options: { heads: 2, keys: 2 }, places: ['encoder', 'decoder'], takes: ['rotate', 'scoreMod'] },
  longformer: { options: { heads: 2, windowKeys: 3, globalTokens: 1 }, places: ['encoder'], takes: ['rotate', 'scoreMod'] },
  bigBird: { options: { heads: 2, seed: 1 }, places: ['encoder'], takes: ['rotate', 'scoreMod'] },
  cross: { options: { heads: 2 }, places: [], takes: [] },
  linearAttention: { options: { heads: 2 }, places: ['encoder', 'decoder'], takes: [] },
  retention: { options: { heads: 2 }, places: ['decoder'], takes: ['rotate'] },
  gatedLinear: { options: { heads: 2, gateRank: 2 }, places: ['decoder'], takes: [] },
  deltaRule: { options: { heads: 2 }, places: ['decoder'], takes: [] },
  gatedDeltaRule: { options: { heads: 2 }, places: ['decoder'], takes: [] },
  mamba2: { options: { heads: 2, stateWidth: 3 }, places: ['decoder'], takes: [] },
  perLayer: { options: { order: 'L', variants: { L: { type: 'multiHead', heads: 2 } } }, places: ['encoder', 'decoder'], takes: ['rotate', 'scoreMod'] },
};
/** What each asks of attention; `causal`: that it is. */
const positions: Readonly<Record<string, readonly ('rotate' | 'scoreMod' | 'causal')[]>> = {
  none: [], learned: [], sinusoidal: [], rotary: ['rotate'], xPos: ['rotate', 'causal'], alibi: ['scoreMod'], t5Bias: ['scoreMod'], shaw: ['scoreMod'], perLayer: ['rotate'],
};
const noNorm = 'no norm', norms = [...Object.keys(catalogue.norm), noNorm], schemes = Object.keys(catalogue.residual).filter((name) => name !== 'reZero');
const exampleOf = (kind: PartKind, type: string): object => ({ type, ...(catalogue[kind] as Readonly<Record<string, { readonly example: object }>>)[type]!.example });

/** Residual scheme and feed-forward differ from cell to cell. */
function partsOf(attention: string, positional: string, norm: string): object {
  const number = Object.keys(attentions).indexOf(attention) + 2 * Object.keys(positions).indexOf(positional) + 3 * norms.indexOf(norm), feedForwards = ['mlp', 'swiglu', 'mixtureOfExperts', 'geglu', 'perLayer'];
  const residual = norm === noNorm ? 'reZero' : schemes[number % schemes.length]!, feedForward = residual === 'subNorm' ? 'mlp' : feedForwards[number % feedForwards.length]!;
  return { positional: exampleOf('positional', positional), residual: exampleOf('residual', residual), feedForward: exampleOf('feedForward', feedForward), ...(norm === noNorm ? {} : { norm: exampleOf('norm', norm) }) };
}

const device = reference();
afterAll(() => device.close());
// No token stands twice in a row: equal keys would be a tie for attention that chooses keys.
const data = { source: [3, 5, 1, 0, 2, 4, 6, 1], tokens: [1, 4, 2, 5, 6, 0, 3, 2], targets: [4, 2, 5, -1, 0, 3, 2, 6], padding: [0, 0, 0, 1, 0, 0, 0, 1] };
const rows = (of: keyof typeof data, from = 0, to = T): Tensor => tensor(Int32Array.from({ length: B * (to - from) }, (_, i) => data[of][Math.floor(i / (to - from)) * T + from + (i % (to - from))]!), { shape: [B, to - from] });
const padding = rows('padding').ne(0);

const pair = { source: { padding } };
const logitsOf = (model: Model): Tensor => (model instanceof Decoder ? model.logits(rows('tokens')) : model instanceof Encoder ? model.logits(rows('tokens'), { padding }) : model.logits(rows('source'), rows('tokens'), pair));
const lossOf = (model: Model): Tensor => (model instanceof Decoder ? model.loss(rows('tokens'), rows('targets')) : model instanceof Encoder ? model.loss(rows('tokens'), rows('targets'), undefined, { padding })
  : model.loss(rows('source'), rows('tokens'), rows('targets'), undefined, pair));

const near = (got: number, expected: number, what: string): void => { if (!(Math.abs(got - expected) <= 1e-5 + 1e-5 * Math.abs(expected))) throw new Error(`${what} is ${got}, expected ${expected}`); };
/** Logits of a part of the rows' tokens, from one token to another, against those of all. */
const partOf = (got: ArrayLike<number>, whole: ArrayLike<number>, from: number, to: number): void => {
  const size = (to - from) * V;
  for (let i = 0; i < got.length; i++) near(got[i]!, whole[(Math.floor(i / size) * T + from) * V + (i % size)]!, `logit ${i} from token ${from}`);
};

/** Forward and backward: the cross-entropy of the logits changes along the gradient of the loss as fast as that says. Gives the logits. */
async function trains(model: Model): Promise<ArrayLike<number>> {
  const named = [...model.namedParameters()], parameters = named.map(([, parameter]) => parameter), run = jit(() => { const logits = logitsOf(model); return { logits, loss: crossEntropy(logits, rows('targets')) }; }, { device });
  const slopes = await Promise.all(jit(() => gradients(lossOf(model), parameters.map(read)), { device })().map((slope) => slope.data()));
  const length = Math.hypot(...slopes.map((slope) => Math.hypot(...slope)));
  slopes.forEach((slope, i) => { if (!slope.every(Number.isFinite)) throw new Error(`the gradient of ${named[i]![0]} is not finite`); });
  const before = await Promise.all(parameters.map((parameter) => parameter.values()));
  const at = (step: number): ReturnType<typeof run> => {
    parameters.forEach((parameter, i) => parameter.write(Float32Array.from(before[i]!, (value, k) => value + (step * slopes[i]![k]!) / length)));
    return run();
  };
  const step = 8e-5, [up, down] = [await at(step).loss.item(), await at(-step).loss.item()], found = (up - down) / (2 * step);
  if (!(length > 1e-2 && Math.abs(found - length) / length < 5e-2)) throw new Error(`the loss changes by ${found} a step along its gradient, of length ${length}`);
  return at(0).logits.data();
}

/** Cached logits are those of the whole text. */
async function decodes(model: Exclude<Model, Encoder>, whole: ArrayLike<number>): Promise<void> {
  const cache = model.cache({ capacity: T }), next = (tokens: Tensor, start: Tensor): Tensor => model.cachedLogits(tokens, cache, start);
  const begin = model instanceof Decoder ? next : (tokens: Tensor, start: Tensor): Tensor => model.cachedLogits(tokens, cache, start, { encoded: model.encode(rows('source'), { padding }), sourcePadding: padding });
  partOf(await jit(begin, { device })(rows('tokens', 0, 3), cache.extend(3)).data(), whole, 0, 3);
  partOf(await jit(next, { device })(rows('tokens', 3, 4), cache.extend(1)).data(), whole, 3, 4);
}

/** Rows with padding at their end give what they give without it. */
const ignoresPadding = async (model: Encoder, whole: ArrayLike<number>): Promise<void> => partOf(await jit(() => model.logits(rows('tokens', 0, 3)), { device })().data(), whole, 0, 3);

const base = { vocabulary: V, width, depth: 1, maxLength: T, bias: true, initialisation: { std: 0.4 } };
const configOf = (topology: 'decoder' | 'encoder' | 'encoderDecoder', attention: string, parts: object): ModelConfigInput => {
  const own = { type: attention, ...attentions[attention]!.options }, other = { type: 'multiHead', heads: 2 }, in_ = (place: 'encoder' | 'decoder'): object => (attentions[attention]!.places.includes(place) ? own : other);
  if (topology === 'encoderDecoder') return { modelType: topology, ...base, ...parts, crossAttention: { type: 'cross', heads: 2 }, encoder: { attention: in_('encoder') }, decoder: { attention: in_('decoder') } } as ModelConfigInput;
  return { modelType: topology, ...base, ...parts, attention: own, ...(topology === 'encoder' ? { head: { type: 'language' } } : {}) } as ModelConfigInput;
};

function built(config: ModelConfigInput): Model {
  const model = build(config, { seed: 3 });
  // α of ReZero begins at 0, where nothing could be seen of the sublayers.
  for (const [name, parameter] of model.namedParameters()) if (/residual\.gains/.test(name)) parameter.write(new Float32Array(parameter.size).fill(0.6));
  return model;
}

/** What keeps attention and positions from going together in a topology, in a word of the message. */
function refusal(topology: 'decoder' | 'encoder' | 'encoderDecoder', attention: string, positional: string): RegExp | undefined {
  const { places, takes } = attentions[attention]!, needs = positions[positional]!, stands = topology === 'encoderDecoder' ? places.length > 0 : places.includes(topology);
  if (!stands) return new RegExp(attention);
  if (topology === 'encoderDecoder' && needs.includes('causal') && !places.includes('encoder')) return /multiHead attention that is not causal/; // the encoder's
  if (needs.some((need) => need !== 'causal' && !takes.includes(need))) return new RegExp(`positions do not go with ${attention} attention`);
  return needs.includes('causal') && topology !== 'decoder' ? /that is not causal/ : undefined;
}

const topologies = ['decoder', 'encoder', 'encoderDecoder'] as const;
/** Attention and positions; in an encoder-decoder, attention that can stand in one of its stacks. */
const cells = (topology: typeof topologies[number]): (readonly [string, string])[] => Object.entries(attentions).filter(([, { places }]) => topology !== 'encoderDecoder' || places.length > 0)
  .flatMap(([attention]) => Object.keys(positions).map((positional) => [attention, positional] as const));

test('the tables above have every part', () => {
  expect(Object.keys(attentions).sort()).toEqual(Object.keys(catalogue.attention).sort());
  expect(Object.keys(positions).sort()).toEqual(Object.keys(catalogue.positional).sort());
});

describe.each(topologies)('%s', (topology) => {
  test.each(cells(topology).filter(([attention, positional]) => !refusal(topology, attention, positional)))('%s · %s, with every norm', async (attention, positional) => {
    for (const norm of norms) {
      const config = configOf(topology, attention, partsOf(attention, positional, norm)), model = built(config);
      try {
        const logits = await trains(model);
        await (model instanceof Encoder ? ignoresPadding(model, logits) : decodes(model, logits));
      } catch (error) {
        throw new Error(`${norm} in ${JSON.stringify(config)}: ${(error as Error).message}`, { cause: error });
      }
    }
  });
  test.each(cells(topology).filter(([attention, positional]) => refusal(topology, attention, positional)))('%s · %s is refused, with every norm', (attention, positional) => {
    for (const norm of norms) {
      const config = configOf(topology, attention, partsOf(attention, positional, norm));
      expect(() => build(config)).toThrow(CombinationError);
      expect(() => build(config)).toThrow(refusal(topology, attention, positional));
    }
  });
});

describe('on wasm as on the reference, in training', () => {
  /** Each attention in each topology, with one encoding or another. */
  const some = topologies.flatMap((topology, t) => Object.keys(attentions).flatMap((attention, a) => {
    const accepted = cells(topology).filter(([one, positional]) => one === attention && !refusal(topology, one, positional));
    return accepted.length > 0 ? [[topology, attention, accepted[(a + t) % accepted.length]![1]] as const] : [];
  }));
  let fast: Device;
  beforeAll(async () => { fast = await wasm(); });
  afterAll(() => fast.close());
  test('with every encoding', () => { expect(new Set(some.map(([,, positional]) => positional))).toEqual(new Set(Object.keys(positions))); });
  test.each(some)('%s · %s · %s', async (topology, attention, positional) => {
    const model = built({ ...configOf(topology, attention, partsOf(attention, positional, norms[(attention.length + positional.length) % norms.length]!)), depth: 2 }), names = [...model.namedParameters().keys()], key = tensor(Uint32Array.of(1, 2));
    const [expected, got] = await [device, fast].reduce(async (before: Promise<{ loss: number; slopes: number[] }[]>, where) => {
      const results = await before, run = jit(() => training({ key }, () => {
        const loss = lossOf(model);
        return { loss, slopes: gradients(loss, model.parameters().map(read)).map((slope) => slope.square().sum().sqrt()) };
      }), { device: where }), { loss, slopes } = run();
      results.push({ loss: await loss.item(), slopes: await Promise.all(slopes.map((slope) => slope.item())) });
      run.release();
      await model.toHost();
      return results;
    }, Promise.resolve([])) as [{ loss: number; slopes: number[] }, { loss: number; slopes: number[] }], whole = Math.hypot(...expected.slopes);
    expect(Math.abs(got.loss - expected.loss) / expected.loss).toBeLessThan(1e-4);
    expected.slopes.forEach((slope, i) => expect(Math.abs(got.slopes[i]! - slope) / (slope + 1e-2 * whole), names[i]!).toBeLessThan(2e-3));
  });
});

describe('what is refused is said with both names and what would work', () => {
  test.each(pairProblems().map(({ first, second, problem }) => [first.name, second.name, problem] as const))('%s · %s', (first, second, problem) => {
    expect(problem).toContain(first);
    expect(problem).toContain(second);
    expect(problem).toMatch(/; (use|leave out) /);
  });
  test.each(topologyProblems().map(({ name, place, problem }) => [name, place, problem] as const))('%s in %s', (name, place, problem) => {
    expect(problem).toContain(name);
    expect(problem).toContain(place);
    expect(problem).toMatch(/; (use|leave out) /);
  });
  const plain = configOf('decoder', 'multiHead', partsOf('multiHead', 'learned', 'rmsNorm'));
  test('norms and schemes that have none, or need one', () => {
    expect(() => build({ ...plain, residual: 'reZero' })).toThrow('reZero residuals do not go with rmsNorm norms: they have none; leave out the norm, or use preNorm');
    expect(() => build({ ...plain, residual: 'preNorm', norm: undefined })).toThrow('preNorm residuals need a norm; give one, such as rmsNorm, or use reZero');
    expect(() => build({ ...plain, residual: 'reZero', norm: undefined, embeddingNorm: true })).toThrow('embeddingNorm needs a norm, and the model has none');
  });
  test('a beginning of weights that two options set', () => {
    for (const residual of ['deepNorm', 'subNorm'] as const) expect(() => build({ ...plain, residual, feedForward: 'mlp', initialisation: { scaledResidual: true } })).toThrow(`initialisation.scaledResidual does not go with ${residual} residuals`);
  });
});

import { defineBenchmark } from '@ashlar/conformance/benchmark';
import { build, catalogue, CombinationError, type Model, type ModelConfigInput, type PartKind } from '@ashlar/models';
import { trainingCase, vocabulary } from './training-case.js';

const width = 64, depth = 2, batch = 4, length = 128;

type Parts = Readonly<Partial<Record<PartKind | 'crossAttention', unknown>>>;
const sizes = { vocabulary, width, depth, maxLength: length, bias: true };
const plain: Parts = { attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', residual: 'preNorm', feedForward: 'swiglu' };

/** Models that a part may stand in, from the plainest: the first that takes it is measured. */
const surroundings: readonly Parts[] = [{}, { positional: 'learned' }, { norm: undefined }, { attention: { type: 'linearAttention', heads: 2 } }];

/** The model with a part of the catalogue in it: a decoder; where the part looks ahead, an encoder; where it looks at another sequence, an encoder-decoder. */
function modelWith(kind: PartKind, name: string): Model {
  const entry = { type: name, ...(catalogue[kind] as Readonly<Record<string, { readonly example: object }>>)[name]!.example };
  let problem: unknown;
  for (const modelType of ['decoder', 'encoder', 'encoderDecoder'] as const) for (const around of surroundings) {
    const parts = Object.fromEntries(Object.entries({ ...plain, ...around, [modelType === 'encoderDecoder' && kind === 'attention' ? 'crossAttention' : kind]: entry }).filter(([, part]) => part !== undefined));
    try {
      const model = build({ modelType, ...sizes, ...parts } as ModelConfigInput, { seed: 5 });
      // α of ReZero begins at 0, where nothing could be seen of the sublayers.
      for (const [path, parameter] of model.namedParameters()) if (/residual\.gains/.test(path)) parameter.write(new Float32Array(parameter.size).fill(0.6));
      return model;
    } catch (error) {
      if (!(error instanceof CombinationError)) throw error;
      problem ??= error;
    }
  }
  throw problem;
}

export const benchmarks = (Object.keys(catalogue) as PartKind[]).map((kind) => defineBenchmark({
  suite: 'variants', name: `${kind}Variants`, description: `Forward and backward of a model of ${depth} layers of width ${width}, ${batch} × ${length} tokens, f32, with each ${kind} of the catalogue; the rest is ${Object.entries(plain).filter(([other]) => other !== kind).map(([, part]) => (typeof part === 'string' ? part : (part as { type: string }).type)).join(', ')}, or as near as the part allows.`,
  parameters: { [kind]: Object.keys(catalogue[kind]) },
  prepare: async (parameters, place) => trainingCase(modelWith(kind, parameters[kind]!), await place.device(), batch, length),
}));

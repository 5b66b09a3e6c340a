/** Small models with each part of the catalogue, and what to feed them. */
import { CombinationError, build, catalogue, type Decoder, type DecoderConfigInput, type PartKind } from '@ashlar/models';
import type { RuntimeInput } from './run-onnx.js';

export const vocabulary = 11;

const base = { attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', residual: 'preNorm', feedForward: 'swiglu' };
export const partOf = (kind: PartKind, type: string): object => ({ type, ...(catalogue[kind] as Record<string, { example: object }>)[type]!.example });
export const configOf = (parts: object): DecoderConfigInput => ({ modelType: 'decoder', vocabulary, width: 16, depth: 2, maxLength: 40, bias: true, initialisation: { std: 0.3 }, ...base, ...parts } as unknown as DecoderConfigInput);

/** A decoder with a part, beside the first of the usual parts that it goes with. */
function decoderWith(kind: PartKind, type: string): Decoder | undefined {
  const part = partOf(kind, type), others = [{}, { positional: 'learned' }, { positional: 'learned', feedForward: 'mlp' }, { norm: undefined }, { attention: { type: 'grouped', heads: 2, kvHeads: 1 } }];
  const free = kind === 'residual' ? others.map((other) => (type === 'deepNorm' || type === 'subNorm' ? { ...other, initialisation: { std: 0.3 } } : other)) : others;
  for (const other of free) {
    try {
      const model = build(configOf({ ...other, [kind]: part }), { seed: 3 }) as Decoder;
      for (const [name, parameter] of model.namedParameters()) if (/residual\.gains/.test(name)) parameter.write(new Float32Array(parameter.size).fill(0.6));
      return model;
    } catch (error) { if (!(error instanceof CombinationError)) throw error; }
  }
  return undefined;
}

export const kinds = Object.keys(catalogue) as PartKind[];
/** Decoders with each part of a kind, by its name; undefined where no decoder has it. */
export const decodersOf = (kind: PartKind): (readonly [string, Decoder | undefined])[] => Object.keys(catalogue[kind]).map((type) => [type, decoderWith(kind, type)] as const);
/** Names of parts whose graph is another at each number of tokens. */
export const needSizes: Readonly<Partial<Record<PartKind, readonly string[]>>> = { attention: ['linearAttention', 'retention', 'gatedLinear', 'deltaRule', 'gatedDeltaRule', 'mamba2'], feedForward: ['mixtureOfExperts', 'perLayer'] };

export const tokenIds = (count: number, seed: number): Int32Array => Int32Array.from({ length: count }, (_, i) => (i * 7 + (i >> 2) * 3 + seed) % vocabulary);
export const tokensOf = (shape: readonly [number, number], seed = 1): RuntimeInput => ({ data: tokenIds(shape[0] * shape[1], seed), shape, type: 'int64' });
/** A mask of which the last tokens of the first row are 0. */
export const maskOf = ([B, T]: readonly [number, number], padded = 0): RuntimeInput => ({ data: Int32Array.from({ length: B * T }, (_, i) => Number(i >= T || i < T - padded)), shape: [B, T], type: 'int64' });

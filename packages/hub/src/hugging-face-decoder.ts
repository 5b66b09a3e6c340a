import { build, type Decoder, type DecoderConfigInput } from '@ashlar/models';
import type { DecoderDescription } from './hugging-face-config.js';
import type { TensorRole } from './hugging-face-tensors.js';
import type { HostTensor } from './safetensors-format.js';

/** The config of this project for a model that Hugging Face describes. */
export function decoderConfig(description: DecoderDescription): DecoderConfigInput {
  const { vocabulary, width, depth, context, attention, feedForward, norm, positional, tiedHead, dropout, initializerRange } = description;
  const { heads, kvHeads, headWidth, bias } = attention, ownHeadWidth = headWidth * heads === width ? {} : { headWidth };
  return {
    modelType: 'decoder', vocabulary, width, depth, maxLength: context,
    attention: packed(description) ? { type: 'multiHead', heads, ...ownHeadWidth, bias } : { type: 'grouped', heads, kvHeads, ...ownHeadWidth, bias },
    positional: positional.type === 'learned' ? { type: 'learned' } : { type: 'rotary', base: positional.base, layout: 'halfSplit' },
    norm: norm.type === 'layer' ? { type: 'layerNorm', epsilon: norm.epsilon, bias: true } : { type: 'rmsNorm', epsilon: norm.epsilon },
    feedForward: feedForwardConfig(feedForward),
    tiedHead, dropout,
    initialisation: { std: initializerRange, scaledResidual: description.family === 'gpt2' },
  };
}

function feedForwardConfig({ type, width: hidden, activation, bias }: DecoderDescription['feedForward']): DecoderConfigInput['feedForward'] {
  if (type === 'mlp') return { type: 'mlp', hidden, activation, bias };
  if (activation === 'silu') return { type: 'swiglu', hidden, bias };
  const types = { silu: 'swiglu', gelu: 'geglu', geluTanh: 'gegluTanh', relu: 'reglu' } as const;
  if (!(activation in types)) throw new Error(`a gated feed-forward by ${activation} is not in this project: it has ${Object.keys(types).join(', ')}`);
  return { type: types[activation as keyof typeof types], hidden, bias };
}

/** Whether queries, keys and values are one matrix, as in GPT-2. */
const packed = ({ family }: DecoderDescription): boolean => family === 'gpt2';

/** The parameter that holds a role's tensor and, where it holds several, at which element this one begins. */
export interface ParameterPlace { readonly parameter: string; readonly start: number }

/** Where each role's tensor stands in a model that `decoderConfig` describes. */
export function parameterPlace(description: DecoderDescription, role: TensorRole): ParameterPlace {
  const { width: C, attention: { heads, headWidth } } = description;
  const [, layer, part, kind] = /^layers\.(\d+)\.attention\.(query|key|value)\.(weight|bias)$/.exec(role) ?? [];
  if (layer !== undefined && packed(description)) {
    const rows = heads * headWidth * ['query', 'key', 'value'].indexOf(part!);
    return { parameter: `layers.${layer}.attention.qkv.${kind}`, start: kind === 'weight' ? rows * C : rows };
  }
  const parameter = role
    .replace(/^positions\./, 'positional.')
    .replace(/attentionNorm\./, 'residual.norms.0.').replace(/feedForwardNorm\./, 'residual.norms.1.').replace(/(norms\.\d)\.weight$/, '$1.gain')
    .replace(/^finalNorm\.weight$/, 'finalNorm.gain');
  return { parameter, start: 0 };
}

/** Tensors by role, put together as the parameters of the model that `decoderConfig` describes. */
export function parametersOf(description: DecoderDescription, tensors: ReadonlyMap<TensorRole, HostTensor>): Map<string, Float32Array> {
  const placed = [...tensors].map(([role, { data }]) => ({ ...parameterPlace(description, role), data: data as Float32Array }));
  const sizes = new Map<string, number>();
  for (const { parameter, start, data } of placed) sizes.set(parameter, Math.max(sizes.get(parameter) ?? 0, start + data.length));
  const parameters = new Map([...sizes].map(([parameter, size]) => [parameter, new Float32Array(size)]));
  for (const { parameter, start, data } of placed) parameters.get(parameter)!.set(data, start);
  return parameters;
}

/**
 * The model of a description with its weights by role. Its dropout, which acts in training alone, is that of the config.
 * @throws {Error} on a part that this project does not have.
 */
export function decoderFromHuggingFace(description: DecoderDescription, weights: ReadonlyMap<TensorRole, HostTensor>): Decoder {
  const model = build(decoderConfig(description), { seed: 'none' });
  model.load(parametersOf(description, weights));
  return model;
}

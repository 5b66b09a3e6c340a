/** Parts of configs that several families share, from one side to the other. */
import { HuggingFaceConfigError, type ConfigKeys } from '../config-keys.js';
import type { ParameterShapes } from '../tensor-table.js';

/** Hugging Face's names of activations. */
export const activations = { gelu: 'gelu', gelu_new: 'geluTanh', gelu_pytorch_tanh: 'geluTanh', relu: 'relu', relu2: 'reluSquared', silu: 'silu', swish: 'silu' } as const;

/** The name that Hugging Face has for an activation of ours. */
export const activationNames = { gelu: 'gelu', geluTanh: 'gelu_new', relu: 'relu', reluSquared: 'relu2', silu: 'silu' } as const;

/** Gated feed-forwards by the activation of their gate, and back. */
export const gatedTypes = { silu: 'swiglu', swish: 'swiglu', gelu: 'geglu', gelu_new: 'gegluTanh', gelu_pytorch_tanh: 'gegluTanh', relu: 'reglu' } as const;
export const gateNames = { swiglu: 'silu', geglu: 'gelu', gegluTanh: 'gelu_pytorch_tanh', reglu: 'relu' } as const;

/** F, of the first layer: all layers have it. */
export const hiddenOf = (parameters: ParameterShapes, up = 'layers.0.feedForward.up.weight'): number => parameters.get(up)!.shape[0]!;

/** What families have alike: layers in pre-norm order, a table of the model's width, no limit but maxLength. */
export function plainStack(model: ConfigKeys): void {
  model.inside('residual').only('type', ['preNorm'], undefined);
  model.only('embeddingWidth', [undefined], undefined);
}

/** Rates of dropout of ours, each with a default of 0. They act in training alone: a family writes those that it has. */
export function dropoutOf(model: ConfigKeys): { readonly embedding: number; readonly attention: number; readonly residual: number } {
  const given = model.take('dropout') as number | { readonly embedding?: number; readonly attention?: number; readonly residual?: number } | undefined;
  return typeof given === 'object' ? { embedding: 0, attention: 0, residual: 0, ...given } : { embedding: given ?? 0, attention: given ?? 0, residual: given ?? 0 };
}

/** The standard deviation of first weights. How the last weights of a sublayer began is not told to others. */
export const initialStd = (model: ConfigKeys): number => (model.take('initialisation') as { readonly std?: number } | undefined)?.std ?? 0.02;

/** T5's factor of first weights. How the weights of others began is not told. */
export function initialFactor(model: ConfigKeys): number {
  const { scheme, std = 1 } = (model.take('initialisation') ?? {}) as { readonly scheme?: string; readonly std?: number };
  return scheme === 'perMatrix' ? std : 1;
}

/** The longest sequence, which Hugging Face's configs must tell. */
export function contextOf(model: ConfigKeys): number {
  const context = model.optionalCount('maxLength');
  if (context === undefined) throw new HuggingFaceConfigError(`${model.source}: maxLength must be given: the files must tell the longest sequence`);
  return context;
}

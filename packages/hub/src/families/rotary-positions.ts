/** Rotary angles in Hugging Face's configs: `rope_parameters`, or in older files `rope_theta` and `rope_scaling`. */
import type { PartConfig } from '@ashlar/models';
import type { ConfigKeys } from '../config-keys.js';

type RotaryConfig = Extract<PartConfig<'positional'>, { readonly type: 'rotary' }>;

/** @param context The longest sequence of the model. */
export function readRotary(keys: ConfigKeys, context: number): RotaryConfig {
  const theta = keys.number('rope_theta', 10000), name = keys.optional('rope_parameters') === undefined ? 'rope_scaling' : 'rope_parameters';
  keys.only('partial_rotary_factor', [1, null], 1);
  if (name === 'rope_parameters') keys.only('rope_scaling', [null], null);
  if (keys.optional(name) === undefined) return { type: 'rotary', base: theta, layout: 'halfSplit' };
  const inner = keys.inside(name), base = inner.number('rope_theta', theta);
  inner.only('partial_rotary_factor', [1], 1);
  const scaling = readScaling(inner, context);
  return { type: 'rotary', base, layout: 'halfSplit', ...(scaling ? { scaling } : {}) };
}

function readScaling(keys: ConfigKeys, context: number): RotaryConfig['scaling'] {
  const old = keys.optional('type'), type = keys.only('rope_type', ['default', 'linear', 'llama3', 'yarn'], (old ?? 'default') as 'default');
  if (type === 'default') return undefined;
  const factor = keys.number('factor', NaN);
  if (type === 'linear') return { type, factor };
  const originalLength = keys.count('original_max_position_embeddings', type === 'yarn' ? context : undefined);
  if (type === 'llama3') return { type, factor, originalLength, lowFrequencyFactor: keys.number('low_freq_factor', NaN), highFrequencyFactor: keys.number('high_freq_factor', NaN) };
  keys.only('truncate', [true], true);
  const attention = keys.optional('attention_factor');
  return {
    type: 'yarn', factor, originalLength, fastTurns: keys.number('beta_fast', 32), slowTurns: keys.number('beta_slow', 1),
    ...(attention === undefined ? {} : { attentionFactor: keys.number('attention_factor', 1) }),
  };
}

/** In the form that both old and new versions read. */
export function writeRotary(positional: ConfigKeys): { readonly rope_theta: number; readonly rope_scaling: Readonly<Record<string, unknown>> | null } {
  positional.only('type', ['rotary'], undefined);
  positional.only('layout', ['halfSplit'], 'halfSplit');
  positional.only('dimensions', [undefined], undefined);
  const rope_theta = positional.number('base', 10000);
  if (positional.optional('scaling') === undefined) return { rope_theta, rope_scaling: null };
  const scaling = positional.inside('scaling'), type = scaling.only('type', ['linear', 'llama3', 'yarn'], undefined), factor = scaling.number('factor', NaN);
  const original = (): object => ({ original_max_position_embeddings: scaling.count('originalLength') });
  const rest = {
    linear: () => ({}),
    llama3: () => ({ ...original(), low_freq_factor: scaling.number('lowFrequencyFactor', 1), high_freq_factor: scaling.number('highFrequencyFactor', 4) }),
    yarn: () => ({
      ...original(), beta_fast: scaling.number('fastTurns', 32), beta_slow: scaling.number('slowTurns', 1),
      ...(scaling.optional('attentionFactor') === undefined ? {} : { attention_factor: scaling.number('attentionFactor', 1) }),
    }),
  };
  return { rope_theta, rope_scaling: { rope_type: type, factor, ...rest[type]() } };
}

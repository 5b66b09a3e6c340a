import type { ConfigKeys } from '../config-keys.js';
import type { ModulePair } from '../tensor-table.js';

/** The two stacks of an encoder-decoder; config.json says most things of both at once. */
export interface Stacks { readonly encoder: ConfigKeys; readonly decoder: ConfigKeys }

export const stacksOf = (model: ConfigKeys): Stacks => ({ encoder: model.inside('encoder'), decoder: model.inside('decoder') });

/** What `read` finds in both stacks. @throws {HuggingFaceConfigError} where they differ. */
export function alike<Value>({ encoder, decoder }: Stacks, read: (stack: ConfigKeys) => Value, what: string): Value {
  const [first, second] = [read(encoder), read(decoder)];
  if (JSON.stringify(first) !== JSON.stringify(second)) throw decoder.wrong(what, `as in the encoder, ${JSON.stringify(first)}`, second);
  return first;
}

/** A part of both stacks. */
export const partOf = ({ encoder, decoder }: Stacks, key: string): Stacks => ({ encoder: encoder.inside(key), decoder: decoder.inside(key) });

/** Attention of each layer, to its own sequence or to the encoder's states: names of files (query, key, value, output) and ours. */
export const attentionPairs = (stored: string, ours: string, names: readonly [string, string, string, string]): readonly ModulePair[] =>
  (['query', 'key', 'value', 'output'] as const).map((part, i): ModulePair => [`${stored}.${names[i]!}`, `${ours}.${part}`]);

import type { Module } from '@ashlar/nn';

/** Numbers of parameters by part of a model; a tied head is in `embedding`. */
export type ParameterCounts = Readonly<Record<'embedding' | 'positional' | 'attention' | 'feedForward' | 'norm' | 'head', number>>;

/** The parts of a model's parameters, by what their paths begin with. */
const parts: readonly (readonly [RegExp, keyof ParameterCounts])[] = [
  [/^(tokens|embeddingProjection|tokenTypes)\./, 'embedding'], [/^positional\./, 'positional'], [/^head/, 'head'],
  [/^layers\.\d+\.(attention|crossAttention)\./, 'attention'], [/^layers\.\d+\.feedForward\./, 'feedForward'],
];

/** Parameters by part. The sum is `parameterCount`. A model that is built with seed `none` takes no memory for them. */
export function parameterCountsOf(model: Module): ParameterCounts {
  const counts = { embedding: 0, positional: 0, attention: 0, feedForward: 0, norm: 0, head: 0 };
  for (const [name, { size }] of model.namedParameters()) {
    const path = name.replace(/^(encoder|decoder)\./, '');
    counts[parts.find(([pattern]) => pattern.test(path))?.[1] ?? 'norm'] += size;
  }
  return counts;
}

/** A parameter, as far as a summary needs it. */
export interface ParameterFact {
  readonly name: string;
  readonly shape: readonly number[];
  readonly size: number;
}

/** Parameters that play the same part in every layer, summed up. */
export interface ParameterPart {
  /** The path, with `*` for the number of a layer. */
  readonly part: string;
  /** The shape of one. */
  readonly shape: string;
  readonly count: number;
  readonly size: number;
}

/** Sums parameters up by part, in their order. */
export function parameterParts(parameters: readonly ParameterFact[]): ParameterPart[] {
  const parts = new Map<string, ParameterPart>();
  for (const { name, shape, size } of parameters) {
    const part = name.replace(/\.\d+(?=\.|$)/g, '.*'), text = shape.length === 0 ? 'scalar' : shape.join(' × ');
    const key = `${part} ${text}`, sum = parts.get(key);
    parts.set(key, { part, shape: text, count: (sum?.count ?? 0) + 1, size: (sum?.size ?? 0) + size });
  }
  return [...parts.values()];
}

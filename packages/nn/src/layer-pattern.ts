export interface LayerPatternOptions<V> {
  /** A letter a layer, from the first: `LLLG`. */
  readonly order: string;
  /** What the letters stand for. */
  readonly variants: Readonly<Record<string, V>>;
  /** Letters of single layers, by their number from 0, instead of what the order says. */
  readonly overrides?: Readonly<Record<number, string>> | undefined;
  /** Whether the order begins again where it ends; else it must have a letter for every layer. Default true. */
  readonly repeat?: boolean | undefined;
}

/**
 * What each layer has, by a pattern of letters. Gives a function of the layer's number, from 0.
 * @throws {Error} where a letter has no variant, or a variant no letter; in use, where the order ends before the layers do.
 */
export function layerPattern<V>({ order, variants, overrides = {}, repeat = true }: LayerPatternOptions<V>): (layer: number) => V {
  const letters = Object.keys(variants), used = new Set([...order, ...Object.values(overrides)]);
  if (order === '') throw new Error('perLayer: order must have a letter at least');
  for (const letter of letters) if (letter.length !== 1) throw new Error(`perLayer: variants are named by one letter each, got ${JSON.stringify(letter)}`);
  for (const letter of used) if (!letters.includes(letter)) throw new Error(`perLayer: ${JSON.stringify(letter)} has no variant; there are ${letters.join(', ') || 'none'}`);
  for (const letter of letters) if (!used.has(letter)) throw new Error(`perLayer: the variant ${letter} is used by no layer; the order is ${order}`);
  for (const layer of Object.keys(overrides)) if (!/^(0|[1-9]\d*)$/.test(layer)) throw new Error(`perLayer: overrides are by the number of a layer, from 0, got ${JSON.stringify(layer)}`);
  return (layer) => {
    if (!repeat && layer >= order.length && overrides[layer] === undefined) throw new Error(`perLayer: the order ${order} has ${order.length} letters, and the model a layer ${layer}; write one a layer, or let it repeat`);
    return variants[overrides[layer] ?? order[layer % order.length]!]!;
  };
}

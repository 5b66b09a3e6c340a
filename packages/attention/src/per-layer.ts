import type { AttentionCapabilities, AttentionVariant } from '@ashlar/nn';

export interface PerLayerOptions {
  /** A letter a layer, from the first: `LLLG`. */
  readonly order: string;
  /** What the letters stand for. */
  readonly variants: Readonly<Record<string, AttentionVariant>>;
  /** Letters of single layers, by their number from 0, instead of what the order says. */
  readonly overrides?: Readonly<Record<number, string>> | undefined;
  /** Whether the order begins again where it ends; else it must have a letter for every layer. Default true. */
  readonly repeat?: boolean | undefined;
}

/** What all of them can do. Positions act in those layers that can take them. */
function meet(all: readonly AttentionCapabilities[]): AttentionCapabilities {
  const every = (able: (one: AttentionCapabilities) => boolean | undefined): boolean => all.every((one) => able(one) ?? false), some = (able: (one: AttentionCapabilities) => boolean): boolean => all.some(able);
  const lengths = all.flatMap(({ maxLength }) => (maxLength === undefined ? [] : [maxLength]));
  return {
    causal: every((one) => one.causal), bidirectional: every((one) => one.bidirectional), cross: every((one) => one.cross), cache: every((one) => one.cache), rotate: some((one) => one.rotate), scoreMod: some((one) => one.scoreMod),
    arbitraryMask: every((one) => one.arbitraryMask), packing: every((one) => one.packing), keyPadding: every((one) => one.keyPadding), innerNorm: every((one) => one.innerNorm), weightDropout: every((one) => one.weightDropout),
    ...(lengths.length > 0 ? { maxLength: Math.min(...lengths) } : {}),
  };
}

/**
 * Another attention for each layer, by a pattern: `perLayer({ order: 'LLLG', variants: { L: …, G: … } })` is three local
 * layers and a global one, again and again. It can do what all its variants can; a positional encoding that turns queries
 * and keys, or changes scores, acts in the layers that have them, which is how attention and recurrent mixers are mixed.
 * @throws {Error} where a letter has no variant, or a variant no letter; in use, where the order ends before the layers do.
 */
export function perLayer({ order, variants, overrides = {}, repeat = true }: PerLayerOptions): AttentionVariant {
  const letters = Object.keys(variants), used = new Set([...order, ...Object.values(overrides)]);
  if (order === '') throw new Error('perLayer: order must have a letter at least');
  for (const letter of letters) if (letter.length !== 1) throw new Error(`perLayer: variants are named by one letter each, got ${JSON.stringify(letter)}`);
  for (const letter of used) if (!letters.includes(letter)) throw new Error(`perLayer: ${JSON.stringify(letter)} has no variant; there are ${letters.join(', ') || 'none'}`);
  for (const letter of letters) if (!used.has(letter)) throw new Error(`perLayer: the variant ${letter} is used by no layer; the order is ${order}`);
  for (const layer of Object.keys(overrides)) if (!/^(0|[1-9]\d*)$/.test(layer)) throw new Error(`perLayer: overrides are by the number of a layer, from 0, got ${JSON.stringify(layer)}`);
  const all = Object.values(variants), contexts = new Set(all.map(({ capabilities: { cross } }) => cross));
  if (contexts.size > 1) throw new Error(`perLayer: ${all.map(({ name }) => name).join(' and ')} do not go together: some attend to another sequence, some to their own`);
  const shapes = (width: number) => all.map(({ heads }) => heads?.(width)), capabilities = meet(all.map((variant) => variant.capabilities));
  return {
    contract: 'attention/1', name: `perLayer(${all.map(({ name }) => name).join(', ')})`, capabilities,
    heads: (width) => { const given = shapes(width).filter((shape) => shape !== undefined), [first] = given; return first && given.every(({ count, width: D }) => count === first.count && D === first.width) ? first : undefined; },
    build: (site) => {
      const layer = site.layer ?? 0;
      if (!repeat && layer >= order.length && overrides[layer] === undefined) throw new Error(`perLayer: the order ${order} has ${order.length} letters, and the model a layer ${layer}; write one a layer, or let it repeat`);
      return variants[overrides[layer] ?? order[layer % order.length]!]!.build(site);
    },
  };
}

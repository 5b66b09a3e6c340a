import { layerPattern, type AttentionCapabilities, type AttentionVariant, type LayerPatternOptions } from '@ashlar/nn';

export type PerLayerOptions = LayerPatternOptions<AttentionVariant>;

/** What all of them can do. Positions act in those layers that can take them. */
function meet(all: readonly AttentionCapabilities[]): AttentionCapabilities {
  const every = (able: (one: AttentionCapabilities) => boolean | undefined): boolean => all.every((one) => able(one) ?? false), some = (able: (one: AttentionCapabilities) => boolean): boolean => all.some(able);
  const lengths = all.flatMap(({ maxLength }) => (maxLength === undefined ? [] : [maxLength]));
  return {
    causal: every((one) => one.causal), bidirectional: every((one) => one.bidirectional), cross: every((one) => one.cross), cache: every((one) => one.cache), rotate: some((one) => one.rotate), scoreMod: some((one) => one.scoreMod),
    arbitraryMask: every((one) => one.arbitraryMask), packing: every((one) => one.packing), prefix: every((one) => one.prefix), keyPadding: every((one) => one.keyPadding), innerNorm: every((one) => one.innerNorm), weightDropout: every((one) => one.weightDropout),
    ...(lengths.length > 0 ? { maxLength: Math.min(...lengths) } : {}),
  };
}

/**
 * Another attention for each layer, by a pattern: `perLayer({ order: 'LLLG', variants: { L: …, G: … } })` is three local
 * layers and a global one, again and again. It can do what all its variants can; a positional encoding that turns queries
 * and keys, or changes scores, acts in the layers that have them, which is how attention and recurrent mixers are mixed.
 * @throws {Error} where a letter has no variant, or a variant no letter; in use, where the order ends before the layers do.
 */
export function perLayer(options: PerLayerOptions): AttentionVariant {
  const ofLayer = layerPattern(options), all = Object.values(options.variants), contexts = new Set(all.map(({ capabilities: { cross } }) => cross));
  if (contexts.size > 1) throw new Error(`perLayer: ${all.map(({ name }) => name).join(' and ')} do not go together: some attend to another sequence, some to their own`);
  const shapes = (width: number) => all.map(({ heads }) => heads?.(width)), capabilities = meet(all.map((variant) => variant.capabilities));
  return {
    contract: 'attention/1', name: `perLayer(${all.map(({ name }) => name).join(', ')})`, capabilities,
    heads: (width) => { const given = shapes(width).filter((shape) => shape !== undefined), [first] = given; return first && given.every(({ count, width: D }) => count === first.count && D === first.width) ? first : undefined; },
    build: (site) => ofLayer(site.layer ?? 0).build(site),
  };
}

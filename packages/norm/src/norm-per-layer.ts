import { layerPattern, type LayerPatternOptions, type NormVariant } from '@ashlar/nn';

/**
 * Another norm for each layer, by a pattern: `normPerLayer({ order: 'R', variants: { L: layerNorm(), R: rmsNorm() },
 * overrides: { 0: 'L' } })`. The norm of the embeddings is that of the first layer, the one before the head that of the last.
 * @throws {Error} where a letter has no variant, or a variant no letter; in use, where the order ends before the layers do.
 */
export function normPerLayer(options: LayerPatternOptions<NormVariant>): NormVariant {
  const ofLayer = layerPattern(options);
  return { contract: 'norm/1', name: `perLayer(${Object.values(options.variants).map(({ name }) => name).join(', ')})`, build: (site) => ofLayer(site.layer ?? 0).build(site) };
}

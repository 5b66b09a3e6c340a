import type { FeedForwardVariant } from './contracts.js';
import { layerPattern, type LayerPatternOptions } from './layer-pattern.js';

/**
 * Another feed-forward for each layer, by a pattern: `feedForwardPerLayer({ order: 'DM', variants: { D: swiglu(), M:
 * mixtureOfExperts({ experts: 8 }) } })` has experts in every second layer. Lepikhin et al. 2020, arXiv 2006.16668.
 * @throws {Error} where a letter has no variant, or a variant no letter; in use, where the order ends before the layers do.
 */
export function feedForwardPerLayer(options: LayerPatternOptions<FeedForwardVariant>): FeedForwardVariant {
  const ofLayer = layerPattern(options), all = Object.values(options.variants);
  return {
    contract: 'feedForward/1', name: `perLayer(${all.map(({ name }) => name).join(', ')})`,
    capabilities: { innerNorm: all.every(({ capabilities }) => capabilities.innerNorm), auxiliaryLoss: all.some(({ capabilities }) => capabilities.auxiliaryLoss) },
    build: (site) => ofLayer(site.layer ?? 0).build(site),
  };
}

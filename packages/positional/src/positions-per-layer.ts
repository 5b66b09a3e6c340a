import { Module, layerPattern, type LayerPatternOptions, type PositionalEncoding, type PositionalSite, type PositionalVariant } from '@ashlar/nn';

class PositionsPerLayer extends Module implements PositionalEncoding {
  /** One a letter of the pattern, which the layers of that letter share. */
  readonly encodings: readonly PositionalEncoding[];
  readonly maxLength?: number;
  readonly #ofLayer: (layer: number) => PositionalEncoding;

  constructor(site: PositionalSite, { variants, ...pattern }: LayerPatternOptions<PositionalVariant>) {
    super();
    const built = Object.fromEntries(Object.entries(variants).map(([letter, variant]) => [letter, variant.build(site)]));
    this.encodings = Object.values(built);
    this.#ofLayer = layerPattern({ ...pattern, variants: built });
    const lengths = this.encodings.flatMap(({ maxLength }) => (maxLength === undefined ? [] : [maxLength]));
    if (lengths.length > 0) this.maxLength = Math.min(...lengths);
  }

  ofLayer(layer: number): PositionalEncoding { return this.#ofLayer(layer); }
}

/**
 * Another encoding for each layer, by a pattern: `positionsPerLayer({ order: 'LLLLLG', variants: { L: rotary(), G: rotary({
 * base: 1e6 }) } })` turns by other angles in the global layers, as Gemma 3 (arXiv 2503.19786); with `noPositions()` some
 * layers have none. Layers of a letter share its tables. Encodings that are added to the embeddings act once, before all
 * layers, and cannot be in a pattern.
 * @throws {Error} where one is such, where a letter has no variant, or a variant no letter; in use, where the order ends
 *   before the layers do.
 */
export function positionsPerLayer(options: LayerPatternOptions<PositionalVariant>): PositionalVariant {
  layerPattern(options);
  const all = Object.values(options.variants), added = all.find(({ capabilities }) => capabilities.embed);
  if (added) throw new Error(`perLayer: ${added.name} positions are added to the embeddings, before all layers; use encodings that act in a layer, such as rotary and none`);
  const some = (of: 'rotate' | 'scoreMod'): boolean => all.some(({ capabilities }) => capabilities[of]);
  return {
    contract: 'positional/1', name: `perLayer(${all.map(({ name }) => name).join(', ')})`,
    capabilities: { embed: false, rotate: some('rotate'), scoreMod: some('scoreMod'), bidirectional: all.every(({ capabilities }) => capabilities.bidirectional) },
    build: (site) => new PositionsPerLayer(site, options),
  };
}

import { layerPattern, type LayerPatternOptions, type ResidualVariant } from '@ashlar/nn';

/**
 * Another residual scheme for each layer, by a pattern: `residualPerLayer({ order: 'P', variants: { P: preNorm(), F:
 * preNorm({ firstNorm: false }) }, overrides: { 0: 'F' } })`. All must agree in what they ask of the model: norms, inner
 * norms and one more norm before the head; none may have a beginning of its own.
 * @throws {Error} where they do not, where a letter has no variant, or a variant no letter; in use, where the order ends
 *   before the layers do.
 */
export function residualPerLayer(options: LayerPatternOptions<ResidualVariant>): ResidualVariant {
  const ofLayer = layerPattern(options), all = Object.values(options.variants), [first] = all as [ResidualVariant, ...ResidualVariant[]];
  for (const other of all) {
    if (other.initializers) throw new Error(`perLayer: ${other.name} says how all layers begin, and cannot be that of some; use it for all, or leave it out`);
    for (const what of ['finalNorm', 'norms', 'innerNorm'] as const) {
      if (other[what] !== first[what]) throw new Error(`perLayer: ${first.name} and ${other.name} do not go together: ${(first[what] ? first : other).name} has ${what} and the other has not; use schemes that agree, such as preNorm and sandwichNorm`);
    }
  }
  const { finalNorm, norms, innerNorm } = first;
  return { contract: 'residual/1', name: `perLayer(${all.map(({ name }) => name).join(', ')})`, finalNorm, norms, innerNorm, build: (site) => ofLayer(site.layer ?? 0).build(site) };
}

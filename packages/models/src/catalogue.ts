/** Every part that a config can name: its options' schema and its factory. A variant is one line in its family's file. */
import { perLayer } from '@ashlar/attention';
import { feedForwardPerLayer, type AttentionVariant, type FeedForwardVariant, type NormVariant, type PositionalVariant, type ResidualVariant } from '@ashlar/nn';
import { normPerLayer, residualPerLayer } from '@ashlar/norm';
import { positionsPerLayer } from '@ashlar/positional';
import { attentions } from './catalogue/attention.js';
import type { AnyEntry } from './catalogue/entry.js';
import { feedForwards } from './catalogue/feed-forward.js';
import { norms } from './catalogue/norm.js';
import { withPerLayer } from './catalogue/per-layer.js';
import { positionals } from './catalogue/positional.js';
import { residuals } from './catalogue/residual.js';

export { entriesOf, type AnyEntry, type CatalogueEntry } from './catalogue/entry.js';

interface Variants { attention: AttentionVariant; positional: PositionalVariant; norm: NormVariant; residual: ResidualVariant; feedForward: FeedForwardVariant }

const catalogueOf = ({ attention, positional, norm, residual, feedForward }: OwnParts) => ({
  attention: withPerLayer({ ...attentions, ...attention } as typeof attentions, {
    what: 'attention', paper: 'arXiv 2004.05150', create: perLayer,
    example: { order: 'LG', variants: { L: { type: 'multiHead', heads: 2, mask: { type: 'slidingWindow', windowKeys: 2 } }, G: { type: 'multiHead', heads: 2 } } },
  }),
  positional: withPerLayer({ ...positionals, ...positional } as typeof positionals, {
    what: 'encoding, of those that act in a layer,', paper: 'arXiv 2503.19786', create: positionsPerLayer, example: { order: 'LG', variants: { L: { type: 'rotary', base: 100 }, G: { type: 'rotary' } } },
  }),
  norm: withPerLayer({ ...norms, ...norm } as typeof norms, { what: 'norm', paper: 'arXiv 1910.07467', create: normPerLayer, example: { order: 'LR', variants: { L: { type: 'layerNorm' }, R: { type: 'rmsNorm' } } } }),
  residual: withPerLayer({ ...residuals, ...residual } as typeof residuals, {
    what: 'residual scheme', paper: 'arXiv 2412.13663', create: residualPerLayer, example: { order: 'FP', variants: { F: { type: 'preNorm', firstNorm: false }, P: { type: 'preNorm' } } },
  }),
  feedForward: withPerLayer({ ...feedForwards, ...feedForward } as typeof feedForwards, {
    what: 'feed-forward', paper: 'arXiv 2006.16668', create: feedForwardPerLayer, example: { order: 'DM', variants: { D: { type: 'mlp' }, M: { type: 'mixtureOfExperts', experts: 4 } } },
  }),
});

export type Catalogue = ReturnType<typeof catalogueOf>;
export type PartKind = keyof Variants;

/** Parts that the catalogue does not have, by family and by the name that a config gives them. */
export type OwnParts = { readonly [Kind in PartKind]?: Readonly<Record<string, AnyEntry<Variants[Kind]>>> };

export const catalogue: Catalogue = catalogueOf({});

/** The catalogue with parts of one's own. @throws {Error} where a name or a family is not to be had. */
export function catalogueWith(parts: OwnParts): Catalogue {
  for (const [kind, entries] of Object.entries(parts)) {
    if (!Object.hasOwn(catalogue, kind)) throw new Error(`parts: there is no family ${JSON.stringify(kind)}; the families are ${Object.keys(catalogue).join(', ')}`);
    for (const name of Object.keys(entries ?? {})) if (Object.hasOwn(catalogue[kind as PartKind], name)) throw new Error(`parts: the catalogue has ${kind} ${name} already; give yours another name`);
  }
  return catalogueOf(parts);
}

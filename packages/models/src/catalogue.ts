/** Every part that a config can name: its options' schema and its factory. A variant is one line in its family's file. */
import type { AttentionVariant, FeedForwardVariant, NormVariant, PositionalVariant, ResidualVariant } from '@ashlar/nn';
import { attentionsWith } from './catalogue/attention.js';
import type { AnyEntry } from './catalogue/entry.js';
import { feedForwards } from './catalogue/feed-forward.js';
import { norms } from './catalogue/norm.js';
import { positionals } from './catalogue/positional.js';
import { residuals } from './catalogue/residual.js';

export { entriesOf, type AnyEntry, type CatalogueEntry } from './catalogue/entry.js';

export const catalogue = { attention: attentionsWith({}), positional: positionals, norm: norms, residual: residuals, feedForward: feedForwards } as const;

export type Catalogue = typeof catalogue;
export type PartKind = keyof Catalogue;

interface Variants { attention: AttentionVariant; positional: PositionalVariant; norm: NormVariant; residual: ResidualVariant; feedForward: FeedForwardVariant }

/** Parts that the catalogue does not have, by family and by the name that a config gives them. */
export type OwnParts = { readonly [Kind in PartKind]?: Readonly<Record<string, AnyEntry<Variants[Kind]>>> };

/** The catalogue with parts of one's own. @throws {Error} where a name or a family is not to be had. */
export function catalogueWith(parts: OwnParts): Catalogue {
  for (const [kind, entries] of Object.entries(parts)) {
    if (!Object.hasOwn(catalogue, kind)) throw new Error(`parts: there is no family ${JSON.stringify(kind)}; the families are ${Object.keys(catalogue).join(', ')}`);
    for (const name of Object.keys(entries ?? {})) if (Object.hasOwn(catalogue[kind as PartKind], name)) throw new Error(`parts: the catalogue has ${kind} ${name} already; give yours another name`);
  }
  const { attention, positional, norm, residual, feedForward } = parts;
  return {
    attention: attentionsWith(attention ?? {}), positional: { ...positionals, ...positional }, norm: { ...norms, ...norm }, residual: { ...residuals, ...residual }, feedForward: { ...feedForwards, ...feedForward },
  };
}

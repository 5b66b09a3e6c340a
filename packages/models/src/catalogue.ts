/** Every part that a config can name: its options' schema and its factory. A variant is one line in its family's file. */
import { attentions } from './catalogue/attention.js';
import { feedForwards } from './catalogue/feed-forward.js';
import { norms } from './catalogue/norm.js';
import { positionals } from './catalogue/positional.js';
import { residuals } from './catalogue/residual.js';

export type { CatalogueEntry } from './catalogue/entry.js';

export const catalogue = { attention: attentions, positional: positionals, norm: norms, residual: residuals, feedForward: feedForwards } as const;

export type PartKind = keyof typeof catalogue;

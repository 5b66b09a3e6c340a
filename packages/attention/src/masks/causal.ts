import { reaching, relative } from './mask.js';

/** A query sees itself and what stands before it: k ≤ q. */
export const causal = relative(reaching(Infinity, ({ q, k }) => k.le(q)));

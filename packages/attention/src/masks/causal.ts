import { reaching } from './mask.js';

/** A query sees itself and what stands before it: k ≤ q. */
export const causal = reaching(Infinity, ({ q, k }) => k.le(q));

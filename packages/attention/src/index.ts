export { multiHead, type MultiHeadOptions } from './multi-head.js';
export { grouped, type GroupedOptions } from './grouped.js';

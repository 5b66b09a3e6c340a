export { myAttention, type MyAttentionOptions } from './my-attention.js';
export { parts } from './parts.js';

import { requireCount, type AttentionVariant } from '@ashlar/nn';
import { Grouped, type GroupedOptions } from './grouped.js';
import { headShape } from './head-width.js';
import { checkHeads, checkSoftmaxOptions, softmaxCapabilities } from './softmax-options.js';

export interface TopKOptions extends Omit<GroupedOptions, 'kvHeads'> {
  /** G, a divisor of heads; default heads. */
  readonly kvHeads?: number | undefined;
  /** How many keys of each query count: those with the greatest scores. Keys that tie with the last of them count too. */
  readonly keys: number;
}

/**
 * softmax(scale · Q Kᵀ, over the greatest scores of each query) V: grouped attention in which only the `keys` greatest
 * scores of each query count, found exactly: all scores are computed and stored, T × T a head. x [B, T, C] → [B, T, C].
 * Zhao et al. 2019, arXiv 1912.11637.
 * @throws {RangeError} where kvHeads does not divide heads, or an option cannot be.
 */
export function topK(options: TopKOptions): AttentionVariant {
  const kvHeads = options.kvHeads ?? options.heads;
  checkHeads('topK', options.heads, kvHeads);
  requireCount('topK', 'keys', options.keys);
  checkSoftmaxOptions('topK', options);
  const capabilities = softmaxCapabilities(options), heads = (width: number) => headShape('topK', width, options.heads, options.headWidth);
  return {
    contract: 'attention/1', name: 'topK', capabilities, heads,
    build: (site) => new Grouped(site, { name: 'topK', capabilities, heads: options.heads, kvHeads, headWidth: heads(site.width).width, strongest: options.keys }, { ...options, kvHeads }),
  };
}

import { requireCount, type AttentionCapabilities } from '@ashlar/nn';
import type { ScoreMod } from '@ashlar/tensor';
import type { Mask } from './masks/mask.js';

/** What every attention over a softmax of scores takes. */
export interface SoftmaxOptions {
  /** Of all projections; default: that of the model. */
  readonly bias?: boolean | undefined;
  /** Of the output projection, where it differs from the others, as in Qwen 2. Default: as theirs. */
  readonly outputBias?: boolean | undefined;
  /** Whether a token sees only itself and those before it, beside what the mask says. Default true. */
  readonly causal?: boolean | undefined;
  /** Which scores count: `slidingWindow(64)`, `or(slidingWindow(64), globalTokens(2))`, or a function of one's own. */
  readonly mask?: Mask | undefined;
  /** Changes a score by where it is, after the soft cap and before a positional encoding does: `({ score, q, k }) => …`. Default: none. */
  readonly score?: (ScoreMod & { readonly relative?: boolean }) | undefined;
  /** Factor of the products q·k; default 1/√D. */
  readonly scale?: number | undefined;
  /** No scaled product beyond ±softcap: softcap · tanh(score / softcap). Gemma 2, arXiv 2408.00118. Default: none. */
  readonly softcap?: number | undefined;
  /** A learned score a head for a key of value 0, so that a head may look nowhere. gpt-oss; arXiv 2309.17453. Default false. */
  readonly sinks?: boolean | undefined;
  /**
   * Root-mean-square norm of queries and keys, before they turn, with a gain: of each head (gain [D], as Qwen3), or of all
   * heads of a token at once (gain [H D] and [G D], as OLMo 2). Henry et al. 2020, arXiv 2010.04245. Default: none.
   */
  readonly queryKeyNorm?: 'perHead' | 'fullWidth' | undefined;
  /** ε of the queryKeyNorm; default 1e-6. */
  readonly normEpsilon?: number | undefined;
  /**
   * What the heads give, times sigmoid(x Wᵍ): a number a head, or an element. Qiu et al. 2025, arXiv 2505.06708. Default: none.
   */
  readonly gate?: 'perHead' | 'perElement' | undefined;
}

/** @throws {RangeError} naming the option that cannot be. */
export function checkSoftmaxOptions(owner: string, { scale, softcap, queryKeyNorm, normEpsilon, gate }: SoftmaxOptions): void {
  if (scale !== undefined && !(scale > 0 && Number.isFinite(scale))) throw new RangeError(`${owner}: scale must be greater than 0, got ${scale}`);
  if (softcap !== undefined && !(softcap > 0 && Number.isFinite(softcap))) throw new RangeError(`${owner}: softcap must be greater than 0, got ${softcap}`);
  if (queryKeyNorm !== undefined && queryKeyNorm !== 'perHead' && queryKeyNorm !== 'fullWidth') throw new RangeError(`${owner}: queryKeyNorm must be perHead or fullWidth, got ${JSON.stringify(queryKeyNorm)}`);
  if (gate !== undefined && gate !== 'perHead' && gate !== 'perElement') throw new RangeError(`${owner}: gate must be perHead or perElement, got ${JSON.stringify(gate)}`);
  if (normEpsilon !== undefined && !(normEpsilon > 0)) throw new RangeError(`${owner}: normEpsilon must be greater than 0, got ${normEpsilon}`);
  if (normEpsilon !== undefined && queryKeyNorm === undefined) throw new RangeError(`${owner}: normEpsilon is of the queryKeyNorm; give queryKeyNorm too`);
}

/** @throws {RangeError} where kvHeads does not divide heads. */
export function checkHeads(owner: string, heads: number, kvHeads: number): void {
  requireCount(owner, 'heads', heads);
  requireCount(owner, 'kvHeads', kvHeads);
  if (heads % kvHeads !== 0) throw new RangeError(`${owner}: kvHeads must divide heads (${heads}), got ${kvHeads}`);
}

/**
 * What attention over the softmax of all scores can do: where it is causal, it can be cached, and if its mask does not
 * promise that no key after the query is seen, it can have a prefix; where mask and score depend on q − k alone, documents
 * may share a row.
 */
export function softmaxCapabilities({ causal = true, mask, score }: SoftmaxOptions): AttentionCapabilities {
  const backward = causal || mask?.reach !== undefined, prefix = causal && mask?.reach === undefined, packing = [mask, score].every((mod) => mod?.relative ?? mod === undefined);
  return {
    causal: backward, bidirectional: !backward, cross: false, cache: backward, rotate: true, scoreMod: true, arbitraryMask: true, packing, prefix, keyPadding: true, innerNorm: true, weightDropout: true,
  };
}

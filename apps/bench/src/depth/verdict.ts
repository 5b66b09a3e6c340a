import { chainEntropy, uniformEntropy } from './chain.js';

export type DepthVerdict = 'trained' | 'stalled' | 'diverged';

/** The mean of the last losses, and what it means: trained where it is nearer to the chain's entropy than to that of guessing. */
export function judgeDepth(losses: readonly number[], last = 20): { readonly verdict: DepthVerdict; readonly final: number } {
  const end = losses.slice(-last), final = end.reduce((sum, loss) => sum + loss, 0) / end.length;
  if (!losses.every(Number.isFinite) || final > 2 * uniformEntropy) return { verdict: 'diverged', final };
  return { verdict: final < (chainEntropy + uniformEntropy) / 2 ? 'trained' : 'stalled', final };
}

import type { AttentionVariant, FeedForwardVariant, NormVariant, PositionalVariant, ResidualVariant } from '@ashlar/nn';

/** Two options that cannot work together. */
export class CombinationError extends Error {
  override readonly name = 'CombinationError';
}

/** Parts of a model; what is absent is not checked. */
export interface Combination {
  readonly attention?: AttentionVariant | undefined;
  readonly positional?: PositionalVariant | undefined;
  readonly norm?: NormVariant | undefined;
  readonly residual?: ResidualVariant | undefined;
  readonly feedForward?: FeedForwardVariant | undefined;
  readonly maxLength?: number | undefined;
  /** Rates of dropout. */
  readonly dropout?: { readonly attention: number; readonly embedding: number; readonly residual: number } | undefined;
}

/** What is wrong with two parts together, by what they declare; undefined where nothing is. */
type Rule = (parts: Combination) => string | undefined;

const rules: readonly Rule[] = [
  ({ attention, maxLength }) => {
    const most = attention?.capabilities.maxLength;
    if (most !== undefined && maxLength !== undefined && maxLength > most) return `maxLength ${maxLength} does not go with ${attention!.name} attention, which takes up to ${most} tokens; use a maxLength up to that`;
    return undefined;
  },
  ({ attention, positional }) => {
    if (!attention || !positional) return undefined;
    const { capabilities: able } = attention, { capabilities: needs } = positional, pair = `${positional.name} positions do not go with ${attention.name} attention`;
    if (needs.rotate && !able.rotate) return `${pair}, which cannot rotate queries and keys; use positions that are added to the embeddings, such as learned`;
    if (needs.scoreMod && !able.scoreMod) return `${pair}, which has no scores that could be changed; use positions that are added to the embeddings, such as learned, or softmax attention, such as multiHead`;
    if (!needs.bidirectional && !able.causal) return `${pair} that is not causal: they only make sense for keys that stand before the query; use rotary, or causal attention`;
    return undefined;
  },
  ({ attention, dropout }) => (dropout && dropout.attention > 0 && attention && !attention.capabilities.weightDropout
    ? `dropout.attention does not go with ${attention.name} attention, which has no attention weights that could be dropped; give the others alone: { "embedding": ${dropout.embedding}, "residual": ${dropout.residual} }` : undefined),
  ({ attention, residual }) => (residual?.innerNorm && attention && !attention.capabilities.innerNorm
    ? `${residual.name} residuals do not go with ${attention.name} attention, which cannot normalize what goes into its last projection; use preNorm, or an attention such as multiHead` : undefined),
  ({ feedForward, residual }) => (residual?.innerNorm && feedForward && !feedForward.capabilities.innerNorm
    ? `${residual.name} residuals do not go with ${feedForward.name} feed-forward, which cannot normalize what goes into its last projection; use preNorm, or a feed-forward such as mlp` : undefined),
  ({ norm, residual }) => (norm && residual && !residual.norms ? `${residual.name} residuals do not go with ${norm.name} norms: they have none; leave out the norm, or use preNorm` : undefined),
];

/** What is wrong with these parts together: a message that names both and says what would work; undefined where nothing is. */
export function combinationProblem(parts: Combination): string | undefined {
  for (const rule of rules) {
    const problem = rule(parts);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/**
 * Checks what no part of a decoder can see alone, by what the parts declare.
 * @throws {CombinationError} naming both options and what would work.
 */
export function checkDecoderCombination(parts: Combination & { readonly attention: AttentionVariant; readonly residual: ResidualVariant }): void {
  if (!parts.attention.capabilities.causal) {
    throw new CombinationError(`a decoder cannot work with ${parts.attention.name} attention that is not causal: a token would see the one it must predict; leave out causal: false, or use attention that is causal, such as multiHead`);
  }
  if (!parts.norm && parts.residual.norms) throw new CombinationError(`${parts.residual.name} residuals need a norm; give one, such as rmsNorm, or use reZero`);
  const problem = combinationProblem(parts);
  if (problem !== undefined) throw new CombinationError(problem);
}

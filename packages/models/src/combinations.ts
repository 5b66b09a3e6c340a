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
  readonly embeddingNorm?: boolean | undefined;
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
  ({ norm, residual, embeddingNorm }) => (norm && residual && !residual.norms && !embeddingNorm ? `${residual.name} residuals do not go with ${norm.name} norms: they have none; leave out the norm, or use preNorm` : undefined),
];

/** What is wrong with these parts together: a message that names both and says what would work; undefined where nothing is. */
export function combinationProblem(parts: Combination): string | undefined {
  for (const rule of rules) {
    const problem = rule(parts);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** A stack of layers by how its tokens see each other. */
export type Topology = 'encoder' | 'decoder';

/** What is wrong with an attention in a topology: a message that names both and says what would work; undefined where nothing is. */
export function topologyProblem(topology: Topology | 'crossAttention', { name, capabilities: { causal, bidirectional, cross } }: AttentionVariant): string | undefined {
  if (topology === 'crossAttention') return cross ? undefined : `crossAttention cannot work with ${name} attention, which attends to its own sequence; use cross`;
  if (cross) return `${name} attention does not go with the own sequence of ${topology === 'encoder' ? 'an' : 'a'} ${topology}: it attends to another one; use attention such as multiHead, and give this one as crossAttention`;
  if (topology === 'decoder' && !causal) return `a decoder cannot work with ${name} attention that is not causal: a token would see the one it must predict; leave out causal: false, or use attention that is causal, such as multiHead`;
  if (topology === 'encoder' && !bidirectional) return `an encoder cannot work with ${name} attention that is causal: its tokens see each other both ways; use attention that can do that, such as multiHead with causal: false and a mask that looks ahead`;
  return undefined;
}

/**
 * Checks what no part of a stack can see alone, by what the parts declare.
 * @throws {CombinationError} naming both options and what would work.
 */
export function checkCombination(topology: Topology, { crossAttention, ...parts }: Combination & {
  readonly attention: AttentionVariant; readonly residual: ResidualVariant; readonly crossAttention?: AttentionVariant | undefined;
}): void {
  const crossProblem = crossAttention && (topologyProblem('crossAttention', crossAttention) ?? combinationProblem({ attention: crossAttention, residual: parts.residual, dropout: parts.dropout }));
  const problem = topologyProblem(topology, parts.attention) ?? crossProblem
    ?? (parts.norm ? undefined : parts.residual.norms ? `${parts.residual.name} residuals need a norm; give one, such as rmsNorm, or use reZero` : parts.embeddingNorm ? 'embeddingNorm needs a norm, and the model has none; give one, such as layerNorm, or leave out embeddingNorm' : undefined)
    ?? combinationProblem(parts);
  if (problem !== undefined) throw new CombinationError(problem);
}

import { deltaRule, gatedDeltaRule, gatedLinear, linearAttention, mamba2, retention } from '@ashlar/attention';
import type { AttentionVariant } from '@ashlar/nn';
import { z } from 'zod';
import { bias, count, entriesOf } from './entry.js';

const mixer = entriesOf<AttentionVariant>();

const heads = { heads: count().describe('H.'), headWidth: count().optional().describe('D, of queries and keys; default width / heads.'), bias };
const valueWidth = (otherwise: string) => count().optional().describe(`E, of values; default ${otherwise}.`);
const convolution = count().optional().describe('How many tokens the convolution before queries, keys and values sees; 1: there is none. Default 4.');

/** Mixers that keep a state of fixed size instead of all keys and values. */
export const mixers = {
  linearAttention: mixer({
    summary: 'Scores are products of features, so that sums over keys are a state; linear in time', formula: 'oₜ = Sₜᵀ φ(qₜ) / (φ(qₜ)·zₜ), with Sₜ = Σ φ(k) vᵀ, zₜ = Σ φ(k)', paper: 'arXiv 2006.16236',
    options: {
      ...heads, causal: z.boolean().optional().describe('Whether a token sees only itself and those before it; default: true in decoders, false in encoders.'),
      featureMap: z.enum(['eluPlusOne', 'reluSquared', 'focused', 'hedgehog']).optional().describe('Features of queries and keys; default eluPlusOne.'),
      normalizer: z.enum(['sum', 'headNorm', 'none']).optional().describe('Division by the sum of the scores, a norm of each head, or nothing; default sum.'),
    },
    example: { heads: 2 }, create: (options) => linearAttention(options),
  }),
  retention: mixer({
    summary: 'A state a head that fades at a fixed rate, with an output gate', formula: 'oₜ = Sₜᵀ qₜ, with Sₜ = γ Sₜ₋₁ + kₜ vₜᵀ / √D, γₕ = 1 − 2^(−5−h)', paper: 'arXiv 2307.08621',
    options: { ...heads, valueWidth: valueWidth('2 headWidth') }, example: { heads: 2 }, create: (options) => retention(options),
  }),
  gatedLinear: mixer({
    summary: 'A state each of whose rows fades as the token says, with an output gate', formula: 'oₜ = Sₜᵀ qₜ / √D, with Sₜ = diag(aₜ) Sₜ₋₁ + kₜ vₜᵀ, a = max(σ(x W₁ W₂ + b)^(1/τ), e⁻⁴)', paper: 'arXiv 2312.06635',
    options: {
      heads: heads.heads, keyWidth: count().optional().describe('D, of queries and keys; default width / (2 heads).'), valueWidth: valueWidth('width / heads'), bias,
      gateRank: count().optional().describe('Width between the two products that give the decay; default 16.'), temperature: z.number().gt(0).optional().describe('τ: the decay is σ(logit)^(1/τ); default 16.'),
    },
    example: { heads: 2 }, create: (options) => gatedLinear(options),
  }),
  deltaRule: mixer({
    summary: 'A state that replaces what it has under a key', formula: 'oₜ = Sₜᵀ qₜ, with Sₜ = (I − βₜ kₜ kₜᵀ) Sₜ₋₁ + βₜ kₜ vₜᵀ, β = σ(x Wᵝ)', paper: 'arXiv 2406.06484',
    options: { ...heads, valueWidth: valueWidth('headWidth'), convolution }, example: { heads: 2 }, create: (options) => deltaRule(options),
  }),
  gatedDeltaRule: mixer({
    summary: 'A state that replaces what it has under a key, and fades, with an output gate', formula: 'oₜ = Sₜᵀ qₜ, with Sₜ = aₜ (I − βₜ kₜ kₜᵀ) Sₜ₋₁ + βₜ kₜ vₜᵀ, a = exp(−exp(rate) softplus(x Wᵃ + offset))', paper: 'arXiv 2412.06464',
    options: { ...heads, valueWidth: valueWidth('2 headWidth'), convolution }, example: { heads: 2 }, create: (options) => gatedDeltaRule(options),
  }),
  mamba2: mixer({
    summary: 'A state space whose heads fade by one factor each (Mamba-2)', formula: 'yₜ = Sₜᵀ Cₜ + skip · xₜ, with Sₜ = aₜ Sₜ₋₁ + Δₜ Bₜ xₜᵀ, Δ = softplus(δ + offset), a = exp(−exp(rate) Δ)', paper: 'arXiv 2405.21060',
    options: {
      heads: heads.heads, expand: z.number().gt(0).optional().describe('All heads together are expand · width wide; default 2.'), stateWidth: count().optional().describe("D, rows of a head's state; default 64."),
      groups: count().optional().describe('G, a divisor of heads: how many groups share their B and C; default 1.'), convolution: z.int().min(2).optional().describe('How many tokens the convolution sees; default 4.'), bias,
    },
    example: { heads: 2, stateWidth: 8 }, create: (options) => mamba2(options),
  }),
} as const;

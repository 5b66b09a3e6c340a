export { Module } from './module.js';
export { Parameter, initialize, type ParameterOptions } from './parameter.js';
export { normalInitializer, onesInitializer, perInputInitializer, stackedInitializer, truncatedNormalInitializer, xavierInitializer, zerosInitializer, type Initializer } from './initializers.js';
export { Linear, type LinearOptions } from './linear.js';
export { Embedding } from './embedding.js';
export { checkRate, dropout } from './dropout.js';
export { dropPath } from './drop-path.js';
export { isTraining, nextKey, recomputed, training, type TrainingOptions } from './training-scope.js';
export { activationNames, activationOf, activations, gelu, geluTanh, relu, reluSquared, silu, tanh, type ActivationName } from './activations.js';
export { mlp, type MlpOptions } from './mlp.js';
export { bilinearGlu, geglu, gegluTanh, glu, reglu, swiglu, type GatedOptions } from './gated.js';
export { feedForwardPerLayer } from './feed-forward-per-layer.js';
export { mixtureOfExperts, type MixtureOfExpertsOptions } from './mixture-of-experts.js';
export { crossEntropy } from './loss.js';
export { layerPattern, type LayerPatternOptions } from './layer-pattern.js';
export { requireCount } from './require-count.js';
export { checkAttentionInput } from './check-attention-input.js';
export type {
  Attention, AttentionCapabilities, AttentionInput, AttentionSite, AttentionVariant, Cache, CacheState, FeedForward, FeedForwardSite, FeedForwardVariant,
  HeadShape, LayerCache, Norm, NormSite, NormVariant, PositionalEncoding, PositionalSite, PositionalVariant, Positions, Residual, ResidualInitializers, ResidualSite,
  ResidualVariant, ScoreModInput, SiteInitializers, Stack, Sublayer, Variant,
} from './contracts.js';

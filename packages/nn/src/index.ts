export { Module } from './module.js';
export { Parameter, initialize, type ParameterOptions } from './parameter.js';
export { normalInitializer, onesInitializer, stackedInitializer, truncatedNormalInitializer, xavierInitializer, zerosInitializer, type Initializer } from './initializers.js';
export { Linear, type LinearOptions } from './linear.js';
export { Embedding } from './embedding.js';
export { checkRate, dropout } from './dropout.js';
export { isTraining, nextKey, recomputed, training, type TrainingOptions } from './training-scope.js';
export { activationNames, activationOf, activations, gelu, geluTanh, relu, silu, type ActivationName } from './activations.js';
export { mlp, type MlpOptions } from './mlp.js';
export { geglu, swiglu, type GatedOptions } from './swiglu.js';
export { crossEntropy } from './loss.js';
export { requireCount } from './require-count.js';
export type {
  Attention, AttentionCapabilities, AttentionInput, AttentionSite, AttentionVariant, Cache, FeedForward, FeedForwardSite, FeedForwardVariant,
  HeadShape, Norm, NormSite, NormVariant, PositionalEncoding, PositionalSite, PositionalVariant, Positions, Residual, ResidualInitializers, ResidualSite,
  ResidualVariant, ScoreModInput, SiteInitializers, Stack, Sublayer, Variant,
} from './contracts.js';

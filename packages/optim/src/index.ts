export { adamW, type AdamWOptions } from './adam-w.js';
export { clipByGlobalNorm, globalNorm } from './clip.js';
export type { AttachedOptimizer, Optimizer } from './optimizer.js';
export { constant, cosine, cosineRestarts, inverseSquareRoot, linear, polynomial, type CosineOptions, type Schedule, type WarmupDecayOptions } from './schedule.js';

export { layerNorm, type LayerNormOptions } from './layer-norm.js';
export { rmsNorm, type RmsNormOptions } from './rms-norm.js';
export { preNorm } from './pre-norm.js';
export { postNorm } from './post-norm.js';

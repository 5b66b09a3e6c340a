export { learned, type LearnedOptions } from './learned.js';
export { rotary, type RotaryLayout, type RotaryOptions } from './rotary.js';

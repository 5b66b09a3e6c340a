/** Initial values of R0, by a formula that is the same few lines in every language. */
import { type R0Parameter } from './definition.js';
/**
 * A hash of two 32-bit integers: h = (stream · 0x9E3779B1 + index) mod 2³², then twice "xor with itself shifted right,
 * multiply", then a last xor-shift (shifts 16, 13, 16; multipliers 0x85EBCA6B, 0xC2B2AE35). Returns an unsigned 32-bit integer.
 */
export declare function hash(stream: number, index: number): number;
/** Half the range of the uniform distribution whose standard deviation is about 0.02. */
export declare const weightRange = 0.035;
/**
 * Initial values of the parameter at `place` in the list: 1 for gains (one-dimensional), else
 * weightRange · (⌊hash(place + 1, i) / 2⁸⌋ / 2²³ − 1) for the element with flat index i, rounded to f32.
 */
export declare function initialValues({ shape }: R0Parameter, place: number): Float32Array;
/** Initial values of all parameters by name, in the order of `r0Parameters`. */
export declare const r0Weights: () => Map<string, Float32Array>;

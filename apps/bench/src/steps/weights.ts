/** Initial values of the training steps, by a formula that is the same few lines in every language. */
import { stepParameters, type StepDefinition, type StepParameter } from './definition.js';

/**
 * A hash of two 32-bit integers: h = (stream · 0x9E3779B1 + index) mod 2³², then twice "xor with itself shifted right,
 * multiply", then a last xor-shift (shifts 16, 13, 16; multipliers 0x85EBCA6B, 0xC2B2AE35). Returns an unsigned 32-bit integer.
 */
export function hash(stream: number, index: number): number {
  let h = (Math.imul(stream, 0x9e3779b1) + index) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Half the range of the uniform distribution whose standard deviation is about 0.02. */
export const weightRange = 0.035;

/**
 * Initial values of the parameter at `place` in the list: 1 for gains (one-dimensional), else
 * weightRange · (⌊hash(place + 1, i) / 2⁸⌋ / 2²³ − 1) for the element with flat index i, rounded to f32.
 */
function initialValues({ shape }: StepParameter, place: number): Float32Array {
  const values = new Float32Array(shape.reduce((product, extent) => product * extent, 1));
  if (shape.length === 1) return values.fill(1);
  for (let i = 0; i < values.length; i++) values[i] = weightRange * ((hash(place + 1, i) >>> 8) / 8388608 - 1);
  return values;
}

/** Initial values of all parameters by name, in the order of `stepParameters`. */
export const stepWeights = (step: StepDefinition): Map<string, Float32Array> =>
  new Map(stepParameters(step).map((parameter, place) => [parameter.name, initialValues(parameter, place)]));

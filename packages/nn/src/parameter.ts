import { Variable, hostRandom, randomKey, threefry, type DType, type Shape } from '@ashlar/tensor';
import type { Initializer } from './initializers.js';

export interface ParameterOptions {
  /** How it begins; `initialize` runs it. */
  readonly initializer: Initializer;
  /** Whether a training step changes it. Default true. */
  readonly trainable?: boolean;
  /** Default f32. */
  readonly dtype?: Extract<DType, 'f32'>;
}

/** A tensor that a model learns. It gets its name, its path in the model, when the model is initialized. */
export class Parameter extends Variable {
  readonly initializer: Initializer;
  readonly trainable: boolean;

  constructor(shape: Shape, { initializer, trainable = true, dtype = 'f32' }: ParameterOptions) {
    super(shape, dtype);
    this.initializer = initializer;
    this.trainable = trainable;
  }
}

/**
 * Names parameters and fills them by their initializers. The random numbers of each come from (seed, name) alone, so
 * that adding a layer changes no other layer's beginning.
 */
export function initialize(parameters: ReadonlyMap<string, Parameter>, seed: number): void {
  for (const [name, parameter] of parameters) {
    parameter.name = name;
    parameter.write(parameter.initializer(parameter.shape, hostRandom(namedKey(seed, name))));
  }
}

/** A random key for (seed, name): the seed's key, folded with each character in turn. */
function namedKey(seed: number, name: string): readonly [number, number] {
  let key: readonly [number, number] = randomKey(seed);
  for (let i = 0; i < name.length; i++) key = threefry(key[0], key[1], name.charCodeAt(i), i);
  return key;
}

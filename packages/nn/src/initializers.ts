import { sizeOf, type Shape } from '@ashlar/tensor';

/** The first values of a parameter. `random` gives numbers uniform on [0, 1). */
export type Initializer = (shape: Shape, random: () => number) => Float32Array;

export const zerosInitializer: Initializer = (shape) => new Float32Array(sizeOf(shape));

export const onesInitializer: Initializer = (shape) => new Float32Array(sizeOf(shape)).fill(1);

/** N(0, std²). @throws {RangeError} where std is negative. */
export function normalInitializer(std: number): Initializer {
  checkDeviation('normalInitializer', std);
  return (shape, random) => filled(sizeOf(shape), standardNormal(random, std));
}

/** N(0, std²), drawn again where |x| > limit · std. `std` is that of the untruncated distribution. */
export function truncatedNormalInitializer(std: number, limit = 2): Initializer {
  checkDeviation('truncatedNormalInitializer', std);
  if (!(limit > 0)) throw new RangeError(`truncatedNormalInitializer: limit must be greater than 0, got ${limit}`);
  return (shape, random) => {
    const next = standardNormal(random, 1);
    return filled(sizeOf(shape), () => {
      for (;;) {
        const value = next();
        if (Math.abs(value) <= limit) return std * value;
      }
    });
  };
}

/**
 * N(0, gain² / in) for a weight [out, in]: its products are as large as what they are of. LeCun et al. 1998, "Efficient
 * BackProp".
 * @throws {RangeError} where gain is negative, or on a shape that is not a matrix.
 */
export function perInputInitializer(gain = 1): Initializer {
  checkDeviation('perInputInitializer', gain);
  return (shape, random) => {
    const [, inputs] = shape;
    if (shape.length !== 2 || inputs === undefined) throw new RangeError(`perInputInitializer: takes a weight [out, in], got [${shape.join(', ')}]`);
    return normalInitializer(gain / Math.sqrt(inputs))(shape, random);
  };
}

/**
 * U(−a, a) with a = gain · √(6 / (in + out)) for a weight [out, in]. Glorot and Bengio 2010.
 * @throws {RangeError} on a shape that is not a matrix.
 */
export function xavierInitializer(gain = 1): Initializer {
  return (shape, random) => {
    const [out, inputs] = shape;
    if (shape.length !== 2 || out === undefined || inputs === undefined) throw new RangeError(`xavierInitializer: takes a weight [out, in], got [${shape.join(', ')}]`);
    const bound = gain * Math.sqrt(6 / (inputs + out));
    return filled(out * inputs, () => (2 * random() - 1) * bound);
  };
}

/**
 * Blocks of rows, each begun by its own initializer: [rows, initializer] from the first row on. One initializer for all
 * blocks is that initializer.
 * @throws {RangeError} where the rows do not add up to the first axis.
 */
export function stackedInitializer(blocks: readonly (readonly [number, Initializer])[]): Initializer {
  const [first] = blocks;
  if (first && blocks.every(([, initializer]) => initializer === first[1])) return first[1];
  return (shape, random) => {
    const [total, ...row] = shape, sum = blocks.reduce((rows, [count]) => rows + count, 0);
    if (sum !== total) throw new RangeError(`stackedInitializer: the blocks have ${sum} rows, the tensor [${shape.join(', ')}] has ${total ?? 'none'}`);
    const result = new Float32Array(sizeOf(shape));
    let at = 0;
    for (const [count, initializer] of blocks) {
      result.set(initializer([count, ...row], random), at);
      at += sizeOf([count, ...row]);
    }
    return result;
  };
}

/** A plain loop: `Float32Array.from` with a function costs some 50 ns an element more. */
function filled(size: number, next: () => number): Float32Array {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = next();
  return values;
}

/** Normal numbers by the Box–Muller transform, both of each pair. */
function standardNormal(random: () => number, std: number): () => number {
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return std * value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random())), angle = 2 * Math.PI * random();
    spare = radius * Math.sin(angle);
    return std * radius * Math.cos(angle);
  };
}

function checkDeviation(name: string, std: number): void {
  if (!(std >= 0) || !Number.isFinite(std)) throw new RangeError(`${name}: std must be a number from 0, got ${std}`);
}

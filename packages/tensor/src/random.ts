/**
 * Counter-based random bits: Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC11). Element i of a random tensor is the first word of the block with counter (i, 0); a key is made from
 * (seed, step, operation), so that recomputation, resumed runs and workers agree.
 */
import { random } from './node.js';
import { Tensor, tensor } from './tensor.js';

export const rotations = [13, 15, 26, 6, 17, 29, 16, 24] as const;
/** The parity word of the key schedule. */
export const parity = 0x1bd11bda;

/** The block of a counter (x0, x1) under a key, as two u32. */
export function threefry(key0: number, key1: number, x0: number, x1: number): [number, number] {
  const keys = [key0 >>> 0, key1 >>> 0, (key0 ^ key1 ^ parity) >>> 0];
  let a = (x0 + keys[0]!) >>> 0, b = (x1 + keys[1]!) >>> 0;
  for (let round = 0; round < 20; round++) {
    a = (a + b) >>> 0;
    const turn = rotations[round % 8]!;
    b = ((b << turn) | (b >>> (32 - turn))) >>> 0;
    b = (b ^ a) >>> 0;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      a = (a + keys[injection % 3]!) >>> 0;
      b = (b + keys[(injection + 1) % 3]! + injection) >>> 0;
    }
  }
  return [a, b];
}

/** A key of its own for operation number `operation` of a step: fold (step, operation) into the seed's key. */
export function foldKey(key: readonly [number, number], data: number): [number, number] {
  return threefry(key[0], key[1], data >>> 0, 0x9e3779b9);
}

/** A key from a seed: an integer from 0 to 2⁵³−1. */
export function randomKey(seed: number): [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`randomKey: the seed must be an integer from 0 to 2^53-1, got ${seed}`);
  return [Math.floor(seed / 2 ** 32), seed >>> 0];
}

/** Random u32 bits of a shape under a key tensor [2], u32. */
export const randomBits = (key: Tensor, shape: readonly number[]): Tensor => new Tensor(random(key.node, shape));

/** Uniform on [0, 1) with 24 bits of resolution. */
export const randomUniform = (key: Tensor, shape: readonly number[]): Tensor =>
  randomBits(key, shape).shiftRight(8).cast('f32').mul(2 ** -24);

/** Standard normal by the Box–Muller transform; element i uses the bits of its own counter under two keys. */
export function randomNormal(key: Tensor, shape: readonly number[]): Tensor {
  const other = key.xor(tensor(new Uint32Array([0x85ebca6b, 0xc2b2ae35])));
  const radius = randomUniform(key, shape).mul(-1).add(1).log().mul(-2).sqrt();
  return radius.mul(randomUniform(other, shape).mul(2 * Math.PI).cos());
}

/** A host generator over the same bits: numbers uniform on [0, 1) with 53 bits, for initialisation and shuffling. */
export function hostRandom(key: readonly [number, number]): () => number {
  let counter = 0;
  return () => {
    const [high, low] = threefry(key[0], key[1], counter >>> 0, Math.floor(counter / 2 ** 32));
    counter++;
    return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
  };
}

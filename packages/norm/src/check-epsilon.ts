/** Throws a RangeError unless epsilon is absent or a positive number. */
export function checkEpsilon(owner: string, epsilon: number | undefined): void {
  if (epsilon !== undefined && !(epsilon > 0 && Number.isFinite(epsilon))) throw new RangeError(`${owner}: epsilon must be greater than 0, got ${epsilon}`);
}

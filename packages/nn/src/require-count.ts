/** Throws a RangeError unless `value` is a whole number from `least`. */
export function requireCount(owner: string, name: string, value: number, least = 1): void {
  if (!Number.isSafeInteger(value) || value < least) throw new RangeError(`${owner}: ${name} must be a whole number from ${least}, got ${value}`);
}

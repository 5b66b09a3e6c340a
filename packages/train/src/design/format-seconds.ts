const units = [['days', 86400], ['h', 3600], ['min', 60], ['s', 1], ['ms', 1e-3]] as const;

/** `3.2 ms`, `42 s`, `12 min`, `3.5 h`, `2.1 days`: a length of time of which two digits are known; from two of a unit on it is counted in that, seconds from one. */
export function formatSeconds(seconds: number): string {
  const [unit, size] = units.find(([, length]) => seconds >= (length > 1 ? 2 * length : length)) ?? units.at(-1)!, value = seconds / size;
  return `${value >= 10 ? Math.round(value) : Number(value.toPrecision(2))} ${unit}`;
}

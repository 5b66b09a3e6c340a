/** `3.2 ms`, `42 s`, `12 min`, `3.5 h`, `2.1 days`: a length of time of which two digits are known. */
export function formatSeconds(seconds: number): string {
  const [unit, size] = ([['days', 86400 * 2], ['h', 3600 * 2], ['min', 120], ['s', 1], ['ms', 0]] as const).find(([, least]) => seconds >= least)!;
  const value = seconds / { days: 86400, h: 3600, min: 60, s: 1, ms: 1e-3 }[unit];
  return `${value >= 10 ? Math.round(value) : Number(value.toPrecision(2))} ${unit}`;
}

/** `1 h 02 min`, `3 min 05 s`, `42 s`: a length of time for people. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const two = (value: number): string => String(value).padStart(2, '0');
  if (hours > 0) return `${hours} h ${two(minutes)} min`;
  return minutes > 0 ? `${minutes} min ${two(whole % 60)} s` : `${whole} s`;
}

/** `12,345`. */
export const formatCount = (value: number): string => Math.round(value).toLocaleString('en-US');

/** `804,096`, `10.8 M`, `1.24 B`: a number of parameters or tokens. */
export function formatLarge(value: number): string {
  for (const [unit, size] of [['T', 1e12], ['B', 1e9], ['M', 1e6]] as const) if (value >= size) return `${(value / size).toPrecision(3)} ${unit}`;
  return formatCount(value);
}

/** `64 tokens`, `1 token`. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${formatCount(count)} ${count === 1 ? one : many}`;

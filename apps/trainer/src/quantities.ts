/** Quantities as people write them. */

const byteUnits: Readonly<Record<string, number>> = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, KIB: 2 ** 10, MIB: 2 ** 20, GIB: 2 ** 30, TIB: 2 ** 40 };
const secondUnits: Readonly<Record<string, number>> = { MS: 1e-3, S: 1, MIN: 60, H: 3600, DAY: 86400, DAYS: 86400 };

function parsed(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number, unit] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text) ?? [], size = units[unit?.toUpperCase() ?? 'none'];
  return number === undefined || size === undefined || Number(number) <= 0 ? undefined : Number(number) * size;
}

/** Bytes of a size such as 8GB or 512MiB; undefined where it is none. */
export const parseBytes = (text: string): number | undefined => parsed(text, byteUnits);

/** Seconds of a length of time such as 20ms, 90s, 30min, 2h or 3days; undefined where it is none. */
export const parseSeconds = (text: string): number | undefined => parsed(text, secondUnits);

import type { Choice, Contradiction } from '@ashlar/train';

const indent = 25, width = 72;

/** Text in lines that end at words, all but the first moved in. */
const wrapped = (text: string, by: number): string => text.replaceAll(new RegExp(`(.{1,${width}})(?: +|$)`, 'g'), `$1\n${' '.repeat(by)}`).trimEnd();

/** A value on one line: parts by their name and options, patterns by their order. */
function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { type, ...rest } = value as { type?: string };
  const options = Object.entries(rest).map(([key, inner]) => `${key} ${typeof inner === 'object' ? `(${shown(inner)})` : String(inner)}`).join(', ');
  return [type, options].filter(Boolean).join(': ');
}

/** Every choice with why, its cost and its source. */
export const describeChoices = (choices: readonly Choice[]): string => choices.map(({ key, value, reason, cost, source }) => [
  `${key.padEnd(indent - 1)} ${wrapped(shown(value), indent)}`,
  ...([['why', reason], ['cost', cost], ['from', source]] as const).map(([what, text]) => `${what.padStart(indent - 2)}  ${wrapped(text, indent)}`), '',
].join('\n')).join('\n');

export const describeContradictions = (contradictions: readonly Contradiction[]): string =>
  contradictions.map(({ problem, ways }) => `${problem}. What would have to give: ${ways.map(({ text }) => text).join('; or ')}`).join('\n');


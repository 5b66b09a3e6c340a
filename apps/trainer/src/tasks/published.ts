import type { PublishedConfig, TaskName } from '../config/sections.js';

/** What may be published of a task, and how it is called here. */
const measures = {
  accuracy: { task: 'classification', name: 'accuracy' },
  tokenErrorRate: { task: 'sequenceToSequence', name: 'token errors' },
  sequenceErrorRate: { task: 'sequenceToSequence', name: 'targets wrong' },
} as const satisfies Record<string, { readonly task: TaskName; readonly name: string }>;

type Figures = { readonly [Name in keyof typeof measures]?: number | undefined };

const figuresOf = ({ source: _, ...figures }: { readonly source: string } & Figures) =>
  Object.entries(figures).filter(([, value]) => value !== undefined) as [keyof typeof measures, number][];

/** What is wrong with published figures beside a run of that task; undefined where nothing is. */
export function publishedProblem({ results }: PublishedConfig, task: TaskName): string | undefined {
  for (const result of results) {
    const names = figuresOf(result).map(([name]) => name), other = names.find((name) => measures[name].task !== task);
    if (other) return `published: ${other} is of ${measures[other].task}, and this is ${task}; leave it out`;
    if (names.length === 0) return `published: ${result.source} must have a figure, one of ${Object.keys(measures).join(', ')}`;
  }
  return undefined;
}

/** A line for each published result, and what to know of it. */
export const publishedLines = ({ results, note }: PublishedConfig): [name: string, value: string][] => [
  ...results.map((result): [string, string] => ['published', `${figuresOf(result).map(([name, value]) => `${measures[name].name} ${(100 * value).toFixed(2)} %`).join(', ')}: ${result.source}`]),
  ...(note === undefined ? [] : [['note', note] as [string, string]]),
];

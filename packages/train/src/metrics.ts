/** What is known of one logged step. A line of `metrics.jsonl` is such a row. */
export interface MetricsRow {
  /** Number of updates so far, from 1. */
  readonly step: number;
  /** Training loss of this step's batch before its update, in nats a token. */
  readonly loss: number;
  /** Mean loss over the held-out part after this step's update, in nats a token. */
  readonly valLoss?: number;
  /** Learning rate of this step's update. */
  readonly learningRate: number;
  /** Global L2 norm of the gradient before clipping. */
  readonly gradNorm: number;
  /** Tokens trained on a second since the row before: of batches as they are, padding included. */
  readonly tokensPerSecond: number;
  /** Seconds of training since the row before, without those of evaluations and checkpoints. */
  readonly seconds: number;
}

const required = ['step', 'loss', 'learningRate', 'gradNorm', 'tokensPerSecond', 'seconds'] as const satisfies readonly (keyof MetricsRow)[];

/** The row that one line of JSON holds, or undefined where it holds none. */
export function parseMetricsRow(line: string): MetricsRow | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const row = value as Partial<Record<keyof MetricsRow, unknown>>;
  if (required.some((key) => typeof row[key] !== 'number')) return undefined;
  if (row.valLoss !== undefined && typeof row.valLoss !== 'number') return undefined;
  return Number.isSafeInteger(row.step) && (row.step as number) >= 1 ? value as MetricsRow : undefined;
}

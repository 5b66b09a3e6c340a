import type { MetricsRow } from '@ashlar/train';
import { RemainingTime } from './estimate.js';
import { formatCount, formatDuration } from './format.js';

/** What the progress is written to. */
export interface Terminal {
  write(text: string): void;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Tells how a training goes on. */
export interface Progress {
  row(row: MetricsRow): void;
  /** Something to do beside the steps is under way, such as an evaluation. */
  busy(what: string): void;
  /** A line that stays. */
  note(text: string): void;
  /** Leaves the terminal as a following line wants it. */
  end(): void;
}

export interface ProgressOptions {
  readonly steps: number;
  /** The step that it begins after. */
  readonly from: number;
  readonly terminal: Terminal;
  /** A clock, in seconds. */
  readonly now?: () => number;
}

const clock = (): number => performance.now() / 1000;

/** One line that is rewritten on a terminal; elsewhere a plain line now and then. */
export function progress(options: ProgressOptions): Progress {
  return options.terminal.isTTY ? liveLine(options) : plainLines(options);
}

/** Prints each row as a line of JSON and nothing else. */
export function jsonRows(terminal: Terminal): Progress {
  return { row: (row) => terminal.write(`${JSON.stringify(row)}\n`), busy: () => {}, note: () => {}, end: () => {} };
}

/** `step 250/2,000 · loss 2.41 · validation 2.38 · 9,812 tokens/s · 3 min 05 s left` */
export function progressText(row: MetricsRow, steps: number, valLoss: number | undefined, remaining: number | undefined): string {
  const parts = [`step ${formatCount(row.step).padStart(formatCount(steps).length)}/${formatCount(steps)}`, `loss ${row.loss.toFixed(4)}`];
  if (valLoss !== undefined) parts.push(`validation ${valLoss.toFixed(4)}`);
  parts.push(`${formatCount(row.tokensPerSecond)} tokens/s`);
  if (row.step < steps && remaining !== undefined) parts.push(`${formatDuration(remaining)} left`);
  return parts.join(' · ');
}

function liveLine({ steps, from, terminal, now = clock }: ProgressOptions): Progress {
  const time = new RemainingTime(steps, from, now);
  let valLoss: number | undefined, text = '';
  const rewrite = (line: string): void => terminal.write(`\r\u001B[2K${clipped(line, (terminal.columns || 80) - 1)}`);
  return {
    row(row) {
      const remaining = time.reached(row.step);
      valLoss = row.valLoss ?? valLoss;
      text = progressText(row, steps, valLoss, remaining);
      if (row.valLoss !== undefined) terminal.write(`\r\u001B[2K${progressText(row, steps, row.valLoss, undefined)}\n`);
      rewrite(text);
    },
    busy(what) { rewrite(text === '' ? what : `${text} · ${what}`); },
    note(line) {
      terminal.write(`\r\u001B[2K${line}\n`);
      if (text !== '') rewrite(text);
    },
    end() { if (text !== '') terminal.write('\r\u001B[2K'); },
  };
}

const secondsBetweenLines = 10;

function plainLines({ steps, from, terminal, now = clock }: ProgressOptions): Progress {
  const time = new RemainingTime(steps, from, now);
  let valLoss: number | undefined, written = now();
  return {
    row(row) {
      const remaining = time.reached(row.step);
      valLoss = row.valLoss ?? valLoss;
      if (row.valLoss === undefined && now() - written < secondsBetweenLines) return;
      written = now();
      terminal.write(`${progressText(row, steps, valLoss, remaining)}\n`);
    },
    busy: () => {},
    note(line) { terminal.write(`${line}\n`); },
    end: () => {},
  };
}

/** At most `width` columns. */
const clipped = (line: string, width: number): string => (line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`);

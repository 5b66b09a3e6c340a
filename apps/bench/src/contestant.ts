/**
 * What takes part in a race in a training step, and what harness and contestant say to each other (`harness/conversation.ts`).
 *
 * It first trains `gateSteps` steps from its initial weights and reports what it got (`ready`); then it waits for
 * commands: `{ command: 'time', steps }` → `timed`, `{ command: 'finish' }` → `finished`, after which it ends by itself.
 */

import type { Launch } from './harness/conversation.js';
import type { TimedProcess } from './harness/timed-process.js';

/** Steps trained and compared before any time is taken; they are the warm-up as well. */
export const gateSteps = 5;

/** Distinct batches that contestants cycle through. */
export const distinctBatches = 16;

export type About = Readonly<Record<string, string | number | boolean>>;

/** What a contestant has to show before its time counts. */
export interface Evidence {
  /** Loss of each gate step, before its update. */
  readonly losses: readonly number[];
  /** Global gradient norm of each gate step, before clipping. */
  readonly gradientNorms: readonly number[];
  /** Euclidean norm of all parameters after the last gate step. */
  readonly parameterNorm: number;
}

export interface ReadyMessage extends Evidence {
  readonly event: 'ready';
  /** From the call of the first step until its loss and its update are there: tracing, compilation and one step. */
  readonly firstStepMs: number;
  readonly about: About;
}

/** `ms` is for all steps of the round, ended by waiting for the last update. */
export interface TimedMessage { readonly event: 'timed'; readonly ms: number; readonly loss: number }

export interface FinishedMessage {
  readonly event: 'finished';
  readonly peakRssBytes: number;
  /** What only some contestants can tell: planned bytes, kernels, submits a step. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** A round: steps timed together. */
export interface RoundOrder { readonly steps: number }
export type Command = { readonly command: 'time' } & RoundOrder | { readonly command: 'finish' };

/** A contestant that is running. */
export type Contestant = TimedProcess<ReadyMessage, RoundOrder, FinishedMessage>;

/** A contestant and the ways to start it; where there are several, the fastest one is timed and the others are named. */
export interface Entrant {
  /** Stable identifier, as in `--peers`. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly launches: readonly Launch[];
}

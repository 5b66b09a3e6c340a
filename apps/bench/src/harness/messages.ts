/** What the harness and a worker say to each other: a worker is a process that holds the cases of one benchmark. */
import type { CaseParameters, CaseWork } from '@ashlar/conformance/benchmark';
import type { DeviceOptions } from '../own/device-options.js';

/** What a worker is started with, as JSON. */
export interface WorkerOrder {
  readonly file: string;
  readonly benchmark: string;
  readonly cases: readonly CaseParameters[];
  readonly device: DeviceOptions;
  /** For how long a case runs before it is timed. */
  readonly warmUpMs: number;
}

/** A case after its check and warm-up. */
export type CaseState =
  | { readonly status: 'ready'; readonly callMs: number; readonly work: CaseWork }
  | { readonly status: 'wrong' | 'failed'; readonly reason: string };

export interface ReadyMessage { readonly event: 'ready'; readonly cases: readonly CaseState[] }
export interface TimedMessage { readonly event: 'timed'; readonly ms: number }
export interface FinishedMessage {
  readonly event: 'finished';
  /** What the device says of itself; absent where none was opened. */
  readonly device?: string;
  readonly peakRssBytes: number;
  /** Of each case, in order; empty of those that were not ready. */
  readonly figures: readonly Readonly<Record<string, number>>[];
}

/** Some calls of a case. */
export interface TimeOrder { readonly case: number; readonly calls: number }
export type WorkerCommand = { readonly command: 'time' } & TimeOrder | { readonly command: 'finish' };

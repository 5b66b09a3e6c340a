/** Measuring one benchmark: its cases are checked, then timed in turns, so that they meet the same machine. */
import type { CaseParameters, CaseWork, Judgement } from '@ashlar/conformance/benchmark';
import type { DeviceOptions } from '../own/device-options.js';
import { failure } from './conversation.js';
import type { FoundBenchmark } from './discover.js';
import { summarize, type Summary } from './summary.js';
import { startWorker, type Worker } from './worker-process.js';

export interface MeasureOptions {
  readonly device: DeviceOptions;
  /** Timed rounds of each case, at least 2. */
  readonly rounds: number;
  /** Wanted length of a round; a round has at least one call. */
  readonly roundMs: number;
  readonly warmUpMs: number;
  /** A case's rounds are cut (never below 2) when they would take longer than this. */
  readonly budgetMs: number;
  /** How long a worker may be silent. */
  readonly timeoutMs: number;
  /** Told what happens, for a progress line. */
  onProgress?(line: string): void;
}

export type CaseResult =
  | {
    readonly status: 'timed';
    readonly parameters: CaseParameters;
    /** Milliseconds of one call, over the rounds. */
    readonly ms: Summary;
    readonly callsPerRound: number;
    readonly work: CaseWork;
    readonly figures: Readonly<Record<string, number>>;
  }
  | {
    /** `wrong`: its result was refused. `failed`: it could not run. */
    readonly status: 'wrong' | 'failed';
    readonly parameters: CaseParameters;
    readonly reason: string;
  };

export interface BenchmarkResult {
  readonly suite: string;
  readonly name: string;
  readonly description: string;
  /** What the device says of itself; absent where none was opened. */
  readonly device?: string;
  readonly peakRssBytes?: number;
  readonly cases: readonly CaseResult[];
  readonly judgements: readonly Judgement[];
}

/** How often a case is called in a round, and how many rounds there are. */
export const roundsFor = (callMs: number, { rounds, roundMs, budgetMs }: Pick<MeasureOptions, 'rounds' | 'roundMs' | 'budgetMs'>): { calls: number; rounds: number } => {
  const calls = Math.max(1, Math.round(roundMs / callMs));
  return { calls, rounds: Math.max(2, Math.min(rounds, Math.floor(budgetMs / (calls * callMs)))) };
};

/** Measures the cases. A benchmark whose process ends, or cannot be loaded, gives a result in which every case failed. */
export async function measure({ benchmark, file }: FoundBenchmark, cases: readonly CaseParameters[], options: MeasureOptions): Promise<BenchmarkResult> {
  const { suite, name, description } = benchmark, about = { suite, name, description };
  let worker: Worker | undefined;
  try {
    options.onProgress?.(`${name}: checking ${cases.length} case${cases.length === 1 ? '' : 's'}`);
    worker = await startWorker({ file, benchmark: name, cases, device: options.device, warmUpMs: options.warmUpMs }, options.timeoutMs);
    const times = worker.ready.cases.map((): number[] => []), plans = worker.ready.cases.map((state) => (state.status === 'ready' ? roundsFor(state.callMs, options) : undefined));
    const most = Math.max(0, ...plans.map((plan) => plan?.rounds ?? 0));
    for (let round = 0; round < most; round++) {
      options.onProgress?.(`${name}: round ${round + 1} of ${most}`);
      for (const [i, plan] of plans.entries()) if (plan && round < plan.rounds) times[i]!.push(await worker.time({ case: i, calls: plan.calls }) / plan.calls);
    }
    const { device, peakRssBytes, figures } = await worker.finish();
    const results = worker.ready.cases.map((state, i): CaseResult => (state.status === 'ready'
      ? { status: 'timed', parameters: cases[i]!, ms: summarize(times[i]!), callsPerRound: plans[i]!.calls, work: state.work, figures: figures[i]! }
      : { status: state.status, parameters: cases[i]!, reason: state.reason }));
    return { ...about, ...(device !== undefined && { device }), peakRssBytes, cases: results, judgements: judged(benchmark, results, options.device.device) };
  } catch (error) {
    return { ...about, cases: cases.map((parameters) => ({ status: 'failed', parameters, reason: failure(error) })), judgements: [] };
  } finally {
    worker?.kill();
  }
}

function judged(benchmark: FoundBenchmark['benchmark'], results: readonly CaseResult[], kind: DeviceOptions['device']): readonly Judgement[] {
  if (!benchmark.judge) return [];
  const timed = results.flatMap((result) => (result.status === 'timed' ? [{ parameters: result.parameters, ms: result.ms.median, work: result.work, figures: result.figures }] : []));
  return timed.length === 0 ? [] : benchmark.judge(timed, kind);
}

/** Two trees side by side: the same benchmark in pairs of processes, timed in turns. */
import type { CaseParameters } from '@ashlar/conformance/benchmark';
import { failure } from '../harness/conversation.js';
import type { FoundBenchmark } from '../harness/discover.js';
import { roundsFor, type MeasureOptions } from '../harness/measure.js';
import { summarize } from '../harness/summary.js';
import { startWorker, type Worker } from '../harness/worker-process.js';
import { confirmed, judgeRatios, pairRatio, type Change, type VerdictOptions } from './verdict.js';
import { fileIn, type Tree } from './worktree.js';

export interface CompareOptions extends MeasureOptions {
  readonly pairs: number;
  readonly verdict: VerdictOptions;
}

export type CaseComparison =
  | {
    readonly status: 'compared';
    readonly parameters: CaseParameters;
    /** Median milliseconds of a call in the first tree and in the second, over all rounds. */
    readonly ms: readonly [number, number];
    readonly change: Change;
    /** Time of the second over that of the first, of each pair of processes; those of the second measurement follow. */
    readonly ratios: readonly number[];
  }
  | { readonly status: 'wrong' | 'failed'; readonly parameters: CaseParameters; readonly reason: string };

export interface BenchmarkComparison { readonly suite: string; readonly name: string; readonly cases: readonly CaseComparison[] }

interface Collected { readonly ratios: number[]; readonly ms: readonly [number[], number[]] }

/** Compares the cases of a benchmark in two trees. What shows a change is measured once more, by itself. */
export async function compareBenchmark({ benchmark, file }: FoundBenchmark, cases: readonly CaseParameters[], trees: readonly [Tree, Tree], options: CompareOptions): Promise<BenchmarkComparison> {
  const refused = new Map<CaseParameters, CaseComparison>();
  const measured = async (asked: readonly CaseParameters[], which: string): Promise<ReadonlyMap<CaseParameters, Collected>> => {
    const collected = new Map(asked.map((one) => [one, { ratios: [], ms: [[], []] } as Collected]));
    for (let pair = 0; pair < options.pairs; pair++) {
      const left = asked.filter((one) => !refused.has(one));
      if (left.length === 0) break;
      options.onProgress?.(`${benchmark.name}, ${which}: pair ${pair + 1} of ${options.pairs}`);
      await runPair(left, pair, collected);
    }
    return collected;
  };
  /** One process of each tree, started and timed in an order that changes from pair to pair and round to round. */
  const runPair = async (asked: readonly CaseParameters[], pair: number, into: ReadonlyMap<CaseParameters, Collected>): Promise<void> => {
    const workers: (Worker | undefined)[] = [undefined, undefined];
    try {
      for (const side of inTurn(pair)) workers[side] = await startWorker({ file: fileIn(trees[side], file), benchmark: benchmark.name, cases: asked, device: options.device, warmUpMs: options.warmUpMs }, options.timeoutMs);
      for (const [i, parameters] of asked.entries()) {
        const states = workers.map((worker) => worker!.ready.cases[i]!), bad = states.findIndex(({ status }) => status !== 'ready'), state = states[bad];
        if (state && state.status !== 'ready') refused.set(parameters, { status: state.status, parameters, reason: `${trees[bad]!.revision}: ${state.reason}` });
      }
      const ready = [...asked.entries()].filter(([, parameters]) => !refused.has(parameters));
      const runs = ready.map(([i, parameters]) => ({ i, parameters, ...roundsFor(Math.max(...workers.map((worker) => callMs(worker!, i))), options), ms: [[], []] as [number[], number[]] }));
      for (let round = 0; round < options.rounds; round++) for (const { i, calls, rounds, ms } of runs) {
        if (round < rounds) for (const side of inTurn(pair + round)) ms[side].push(await workers[side]!.time({ case: i, calls }) / calls);
      }
      for (const { parameters, ms } of runs) {
        const { ratios, ms: all } = into.get(parameters)!;
        ratios.push(pairRatio(...ms));
        for (const side of [0, 1] as const) all[side].push(...ms[side]);
      }
      for (const worker of workers) await worker!.finish();
    } finally {
      for (const worker of workers) worker?.kill();
    }
  };

  try {
    const first = await measured(cases, 'first measurement');
    const changes = new Map([...first].filter(([one]) => !refused.has(one)).map(([one, { ratios }]) => [one, judgeRatios(ratios, options.verdict)]));
    const shown = [...changes].filter(([, { direction }]) => direction !== 'none').map(([one]) => one);
    const second = shown.length > 0 ? await measured(shown, 'second measurement') : new Map<CaseParameters, Collected>();
    return {
      suite: benchmark.suite, name: benchmark.name,
      cases: cases.map((parameters): CaseComparison => {
        const no = refused.get(parameters), again = second.get(parameters), { ratios, ms } = first.get(parameters)!;
        if (no) return no;
        const change = changes.get(parameters)!;
        return {
          status: 'compared', parameters, ms: [summarize(ms[0]).median, summarize(ms[1]).median],
          change: again ? confirmed(change, judgeRatios(again.ratios, options.verdict)) : change, ratios: [...ratios, ...again?.ratios ?? []],
        };
      }),
    };
  } catch (error) {
    return { suite: benchmark.suite, name: benchmark.name, cases: cases.map((parameters) => ({ status: 'failed', parameters, reason: failure(error) })) };
  }
}

/** Both sides, the first one first in even turns. */
const inTurn = (turn: number): readonly (0 | 1)[] => (turn % 2 === 0 ? [0, 1] : [1, 0]);

function callMs(worker: Worker, i: number): number {
  const state = worker.ready.cases[i]!;
  return state.status === 'ready' ? state.callMs : 0;
}

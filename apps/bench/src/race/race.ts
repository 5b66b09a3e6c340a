/** A race in one training step: every entrant is checked, then all who passed are timed in turns, so that they meet the same machine. */
import type { About, Contestant, Entrant, Evidence } from '../contestant.js';
import type { StepName } from '../steps/definition.js';
import type { Launch } from '../harness/conversation.js';
import { summarize, type Summary } from '../harness/summary.js';
import { startTimed } from '../harness/timed-process.js';
import { objections } from '../steps/gate.js';

export interface RaceOptions {
  /** Rounds timed for each entrant, at least 2. */
  readonly rounds: number;
  /** Wanted length of a round; a round has at least one step and at most 50. */
  readonly roundMs: number;
  /** An entrant's rounds are cut (never below 2) when they would take longer than this. */
  readonly budgetMs: number;
  /** How long an entrant may be silent. */
  readonly timeoutMs: number;
  /** Told what happens, for a progress line. */
  onProgress?(line: string): void;
}

/** A way to start the entrant that was not the one timed, and why. */
export interface OtherLaunch { readonly label: string; readonly msPerStep?: number; readonly reason?: string }

export type Outcome =
  | {
    readonly status: 'timed';
    readonly name: string;
    readonly title: string;
    readonly launch: string;
    readonly about: About;
    readonly evidence: Evidence;
    readonly firstStepMs: number;
    /** Of the per-step times of the rounds. */
    readonly msPerStep: Summary;
    readonly stepsPerRound: number;
    readonly peakRssBytes: number;
    readonly figures?: Readonly<Record<string, number>>;
    readonly others: readonly OtherLaunch[];
  }
  | {
    /** `wrong`: it ran, and its result is not that of the step. `failed`: it could not run. */
    readonly status: 'wrong' | 'failed';
    readonly name: string;
    readonly title: string;
    readonly reasons: readonly string[];
  };

interface Runner {
  readonly entrant: Entrant;
  readonly launch: Launch;
  readonly contestant: Contestant;
  readonly probeMs: number;
  readonly others: OtherLaunch[];
  readonly times: number[];
  stepsPerRound: number;
  rounds: number;
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Runs the race. Resolves to one outcome an entrant, in their order; no entrant is left out. */
export async function race(step: StepName, entrants: readonly Entrant[], options: RaceOptions): Promise<Outcome[]> {
  const outcomes = new Map<Entrant, Outcome>();
  const runners: Runner[] = [];
  try {
    for (const entrant of entrants) {
      const result = await admit(step, entrant, options);
      if ('status' in result) outcomes.set(entrant, result);
      else runners.push(result);
    }
    const most = Math.max(0, ...runners.map((runner) => runner.rounds));
    for (let round = 0; round < most; round++) {
      for (const runner of runners) {
        if (round >= runner.rounds || outcomes.has(runner.entrant)) continue;
        options.onProgress?.(`round ${round + 1}: ${runner.entrant.name}`);
        try {
          runner.times.push(await runner.contestant.time({ steps: runner.stepsPerRound }) / runner.stepsPerRound);
        } catch (error) {
          outcomes.set(runner.entrant, failed(runner.entrant, [text(error)]));
        }
      }
    }
    for (const runner of runners) {
      if (!outcomes.has(runner.entrant)) outcomes.set(runner.entrant, await conclude(runner));
    }
  } finally {
    for (const { contestant } of runners) contestant.kill();
  }
  return entrants.map((entrant) => outcomes.get(entrant)!);
}

const failed = ({ name, title }: Entrant, reasons: readonly string[]): Outcome => ({ status: 'failed', name, title, reasons });

/** Starts the entrant in each of its ways, checks it, and keeps the fastest way that is right. */
async function admit(step: StepName, entrant: Entrant, options: RaceOptions): Promise<Runner | Outcome> {
  let best: { launch: Launch; contestant: Contestant; probeMs: number } | undefined;
  const others: OtherLaunch[] = [], wrong: string[] = [], failures: string[] = [];
  for (const launch of entrant.launches) {
    options.onProgress?.(`checking ${entrant.name} (${launch.label})`);
    const named = (reason: string): string => (entrant.launches.length > 1 ? `${launch.label}: ${reason}` : reason);
    let contestant: Contestant | undefined;
    try {
      contestant = await startTimed(launch, options.timeoutMs);
      const reasons = objections(step, contestant.ready);
      if (reasons.length > 0) {
        contestant.kill();
        wrong.push(...reasons.map(named));
        others.push({ label: launch.label, reason: `wrong: ${reasons[0]}` });
        continue;
      }
      const probeMs = await probe(contestant);
      if (best && best.probeMs <= probeMs) {
        await contestant.finish();
        others.push({ label: launch.label, msPerStep: probeMs });
      } else {
        if (best) {
          await best.contestant.finish();
          others.push({ label: best.launch.label, msPerStep: best.probeMs });
        }
        best = { launch, contestant, probeMs };
      }
    } catch (error) {
      contestant?.kill();
      failures.push(named(text(error)));
      others.push({ label: launch.label, reason: `failed: ${text(error)}` });
    }
  }
  if (!best) {
    return { status: wrong.length > 0 ? 'wrong' : 'failed', name: entrant.name, title: entrant.title, reasons: [...wrong, ...failures] };
  }
  const stepsPerRound = Math.min(50, Math.max(1, Math.round(options.roundMs / best.probeMs)));
  const rounds = Math.max(2, Math.min(options.rounds, Math.floor(options.budgetMs / (stepsPerRound * best.probeMs))));
  return { entrant, ...best, others, times: [], stepsPerRound, rounds };
}

/** Milliseconds of one step; where a step is short, of the faster of two short runs. */
async function probe(contestant: Contestant): Promise<number> {
  const single = await contestant.time({ steps: 1 });
  if (single > 2000) return single;
  const steps = Math.min(20, Math.max(2, Math.round(500 / single)));
  return Math.min(await contestant.time({ steps }), await contestant.time({ steps })) / steps;
}

async function conclude({ entrant, launch, contestant, times, stepsPerRound, others }: Runner): Promise<Outcome> {
  try {
    const { peakRssBytes, figures } = await contestant.finish();
    const { losses, gradientNorms, parameterNorm, firstStepMs, about } = contestant.ready;
    return {
      status: 'timed', name: entrant.name, title: entrant.title, launch: launch.label, about,
      evidence: { losses, gradientNorms, parameterNorm },
      firstStepMs, msPerStep: summarize(times), stepsPerRound, peakRssBytes, ...(figures && { figures }), others,
    };
  } catch (error) {
    return failed(entrant, [`it was timed, but did not end in order: ${text(error)}`]);
  }
}

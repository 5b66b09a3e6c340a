/** `bench r0` and `bench r1`: the race, and its report. */
import { choosePeers } from '../peers/catalogue.js';
import { checkDeviceOptions, type DeviceOptions } from '../own/device-options.js';
import { ownEntrant } from '../own/entrant.js';
import { race } from '../race/race.js';
import { repository } from '../harness/discover.js';
import { describeMachine, revisionOf } from '../harness/machine.js';
import { progressLine } from '../harness/progress.js';
import { resultFile, storeResult } from '../harness/store.js';
import { stepNamed, type StepName } from './definition.js';
import { renderRace, reportRace } from './report.js';

export interface RaceCommandOptions extends DeviceOptions {
  readonly peers: string;
  readonly onlyPeers?: boolean;
  readonly python?: string;
  readonly rounds: number;
  readonly roundMs: number;
  readonly budget: number;
  readonly json?: boolean;
  readonly save?: string | true;
}

const silenceMs = 600_000;

/** Runs the race and prints the report. The exit code is 1 when we, or a peer that was asked for, got no time. */
export async function runRace(stepName: StepName, options: RaceCommandOptions): Promise<void> {
  checkDeviceOptions(options);
  const step = stepNamed(stepName);
  const machine = describeMachine();
  const peers = choosePeers(options.peers, { step: step.name, adapter: options.adapter, ...(options.python !== undefined && { python: options.python }) });
  if (options.onlyPeers && peers.length === 0) throw new Error('--only-peers leaves nobody to run: name some with --peers');
  const entrants = options.onlyPeers ? peers : [ownEntrant(step.name, options), ...peers];

  const progress = progressLine();
  const outcomes = await race(step.name, entrants, {
    rounds: options.rounds, roundMs: options.roundMs, budgetMs: options.budget * 1000, timeoutMs: silenceMs,
    onProgress: progress.show,
  });
  progress.clear();

  const report = reportRace(step, options.device, outcomes, machine, revisionOf(repository));
  process.stdout.write(`${options.json ? JSON.stringify(report, null, 2) : renderRace(report)}\n`);
  if (options.save !== undefined) storeResult(options.save === true ? resultFile(step.name, options, machine) : options.save, report);
  if (outcomes.some(({ status }) => status !== 'timed')) process.exitCode = 1;
}

import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { exitCodes, Failure, failureOf } from '../failure.js';
import { invocation, quoted } from '../invocation.js';
import { formatCount, formatLarge } from '../progress/format.js';
import { jsonRows, progress } from '../progress/progress.js';
import { removeLeftovers, writeJson } from '../run-folder.js';
import type { Streams } from '../streams.js';
import { finishRun } from '../training/finish.js';
import { listenForInterruption } from '../training/interruption.js';
import { prepareMaterials } from '../tasks/prepare.js';
import { holdRun } from '../training/run-lock.js';
import { buildStep, resumeStep, runSession } from '../training/session.js';
import { planStart, type StartOptions } from '../training/start.js';

export interface TrainCommandOptions extends StartOptions {
  readonly device: string;
  readonly json: boolean;
}

/** `ashlar train`. Resolves with the exit code; throws what `failureOf` explains. */
export async function trainCommand(options: TrainCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const tell = (line: string): void => stderr.write(`${line}\n`);
  const deviceName = parseDeviceName(options.device);
  const start = planStart(options);
  using materials = await prepareMaterials(start.config, start.resumed);
  const batches = materials.batches();
  const chosen = await chooseDevice(deviceName);
  await using device = chosen.device;
  tell(deviceLine(chosen));

  const step = buildStep(materials, device);
  const run = start.createFolder();
  using _ = holdRun(run);
  const resumeAdvice = (): string => `go on with: ${invocation()} train --resume --out ${quoted(run.shownPath)}`;
  using interruption = listenForInterruption(() => tell('\nstopping after this step; interrupt again to end at once'));
  try {
    removeLeftovers(run);
    const { step: from, notes } = start.resumed === undefined ? { step: 0, notes: [] } : resumeStep(step, run, materials, device);
    notes.forEach(tell);
    const { config, source, amounts, model, targetTokenizer } = materials;
    writeJson(run.config, config);
    writeJson(run.tokenizer, materials.tokenizer.toJSON());
    if (targetTokenizer) writeJson(run.targetTokenizer, targetTokenizer.toJSON());
    tell(`run: ${run.shownPath}`);
    tell(`data: ${source}; ${amounts.map(([name, count]) => `${name} ${formatCount(count)}`).join(', ')}`);
    tell(`model: ${formatLarge(model.parameterCount)} parameters`);
    step.prepare(batches.batchAt(0));

    const { steps } = config.training;
    const shown = options.json ? jsonRows(stdout) : progress({ steps, from, terminal: stdout });
    const result = await runSession({ materials, batches, device, step, run, progress: shown, signal: interruption.signal }).finally(() => shown.end());
    if (!result.finished) {
      const written = run.checkpoints.steps()[0] === result.step ? 'its checkpoint is written' : 'no checkpoint was needed';
      tell(`stopped after step ${formatCount(result.step)} of ${formatCount(steps)}; ${written}. ${resumeAdvice()}`);
      return interruption.exitCode ?? exitCodes.interrupted;
    }
    interruption[Symbol.dispose](); // all is kept by now: from here on an interruption simply ends the process
    await finishRun({ materials, device, step, run, write: options.json ? () => {} : (text) => stdout.write(text) });
    tell(`report: ${run.report}`);
    return exitCodes.success;
  } catch (error) {
    const { exitCode, message } = failureOf(error);
    const advice = exitCode !== exitCodes.usage && exitCode !== exitCodes.data ? `\n${run.checkpoints.steps().length === 0 ? 'no checkpoint was written yet' : `the checkpoint of step ${run.checkpoints.steps()[0]} is there`}. ${resumeAdvice()}` : '';
    throw new Failure(exitCode, `${message}${advice}`, { cause: error });
  } finally {
    step.release();
  }
}

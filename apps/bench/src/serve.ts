/** The contestant's side of the conversation, for contestants written in JavaScript. */
import { createInterface } from 'node:readline';
import { distinctBatches, gateSteps, type About, type Command, type Evidence } from './contestant.js';
import { failure, send } from './harness/conversation.js';
import { stepBatch, type StepBatch } from './steps/batches.js';
import type { StepDefinition } from './steps/definition.js';

/** A training step in some engine, with its initial weights in place. */
export interface Training {
  readonly about: About;
  /** Enqueues or runs one step; the results are read only where they are needed. */
  step(batch: StepBatch): Promise<StepResult> | StepResult;
  /** Resolves when every update enqueued so far has been made. */
  synchronise(): Promise<void>;
  parameterNorm(): Promise<number>;
  figures?(): Promise<Readonly<Record<string, number>>>;
  close?(): Promise<void> | void;
}

export interface StepResult {
  loss(): Promise<number>;
  /** Global norm of the gradient before clipping. */
  gradientNorm(): Promise<number>;
  /** Gives back what the result holds, where the engine wants to be told. */
  dispose?(): void;
}

/** Trains the gate's steps, reports, then obeys commands until `finish` or the end of stdin. */
export async function serve(definition: StepDefinition, start: () => Promise<Training>): Promise<void> {
  let training: Training | undefined;
  try {
    training = await start();
    await obey(definition, training);
  } catch (error) {
    send({ event: 'failed', message: failure(error) });
    process.exitCode = 1;
  } finally {
    await training?.close?.();
  }
}

/** Trains the steps of the gate and gathers what they gave. */
export async function gather(definition: StepDefinition, training: Training): Promise<Evidence & { readonly firstStepMs: number }> {
  const losses: number[] = [], gradientNorms: number[] = [];
  let firstStepMs = 0;
  for (let i = 0; i < gateSteps; i++) {
    const batch = stepBatch(definition, i);
    const started = performance.now();
    const result = await training.step(batch);
    losses.push(await result.loss());
    await training.synchronise();
    if (i === 0) firstStepMs = performance.now() - started;
    gradientNorms.push(await result.gradientNorm());
    result.dispose?.();
  }
  return { losses, gradientNorms, parameterNorm: await training.parameterNorm(), firstStepMs };
}

async function obey(definition: StepDefinition, training: Training): Promise<void> {
  send({ event: 'ready', ...await gather(definition, training), about: training.about });
  const batches = Array.from({ length: distinctBatches }, (_, step) => stepBatch(definition, step));
  let count = gateSteps;

  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Command;
    if (command.command === 'finish') {
      const figures = await training.figures?.();
      send({ event: 'finished', peakRssBytes: process.resourceUsage().maxRSS * 1024, ...(figures && { figures }) });
      return;
    }
    const started = performance.now();
    let loss = NaN;
    for (let i = 0; i < command.steps; i++) {
      const result = await training.step(batches[count++ % distinctBatches]!);
      if (i === command.steps - 1) loss = await result.loss();
      result.dispose?.();
    }
    await training.synchronise();
    send({ event: 'timed', ms: performance.now() - started, loss });
  }
}

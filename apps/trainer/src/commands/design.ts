import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { design, measureRates, type Choice, type Contradiction, type DesignNeeds, type DesignPlan, type DesignedConfig } from '@ashlar/train';
import { readConfigFile } from '../config/config-file.js';
import { suggestion } from '../config/nearest.js';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { ask, type Asking } from '../design/ask.js';
import { describeChoices, describeContradictions } from '../design/describe.js';
import { answerKeys, optionOf, questions, type AnswerKey, type Answers } from '../design/questions.js';
import { exitCodes, Failure } from '../failure.js';
import { invocation, quoted } from '../invocation.js';
import { writeJson } from '../run-folder.js';
import type { Streams } from '../streams.js';
import { describePlan, planned, type PlanResult } from './plan.js';

export type DesignCommandOptions = Answers & { readonly answers?: string; readonly out?: string; readonly device: string; readonly json: boolean };

/** What `ashlar design --json` prints, and what stands beside a written config. */
export type DesignResult = { readonly needs: DesignNeeds } & (
  | { readonly possible: true; readonly config: DesignedConfig; readonly choices: readonly Choice[]; readonly design: DesignPlan; readonly plan: PlanResult }
  | { readonly possible: false; readonly contradictions: readonly Contradiction[] });

/** `ashlar design`: from needs, which are asked for where there is a terminal, to a config with its reasons and its plan. */
export async function designCommand({ answers: file, out, device: deviceName, json, ...given }: DesignCommandOptions, { stdout, stderr }: Streams, terminal = terminalOf()): Promise<number> {
  const name = parseDeviceName(deviceName), path = out ?? (json ? undefined : 'model.json');
  if (name === 'reference') throw new Failure(exitCodes.device, '--device reference: the reference device has no plans: it interprets what it is given; take wasm or webgpu');
  const planPath = path === undefined ? undefined : `${path.slice(0, path.length - extname(path).length)}.plan.json`;
  const refuseOverwriting = (): void => {
    for (const one of [path, planPath]) if (one !== undefined && existsSync(one)) throw new Failure(exitCodes.usage, `${one} is there already, and a design overwrites nothing; give another --out`);
  };
  refuseOverwriting();
  const known = { ...(file === undefined ? {} : answersIn(file)), ...given }, asking = json ? undefined : terminal;
  if (asking) needsOf(known, true);
  const needs = needsOf(asking ? await ask(known, asking) : known);
  const chosen = await chooseDevice(name);
  await using device = chosen.device;
  stderr.write(`${deviceLine(chosen)}\n`);
  const rates = await measureRates(device), made = design(needs, { device, rates });
  if (!made.possible) {
    if (json) stdout.write(`${JSON.stringify({ needs, ...made } satisfies DesignResult, undefined, 2)}\n`);
    throw new Failure(exitCodes.usage, describeContradictions(made.contradictions));
  }
  const { config, choices, plan: sizes } = made, { model, training: { batch, context, recompute, steps } } = config;
  const plan = await planned({ model, batch, context, recompute }, steps, needs.purpose === 'training' ? needs.memory : undefined, device, rates);
  const result: DesignResult = { needs, possible: true, config, choices, design: sizes, plan };
  stdout.write(json ? `${JSON.stringify(result, undefined, 2)}\n` : `${describeChoices(choices)}\n${describePlan(plan)}`);
  if (path !== undefined && planPath !== undefined) {
    refuseOverwriting();
    writeJson(planPath, result);
    writeJson(path, config);
    if (!json) stdout.write(`\nwritten: ${path}, and ${planPath} with the reasons and the plan\nnext: ${invocation()} train --config ${quoted(path)} --data YOUR_TEXT\n`);
  }
  return exitCodes.success;
}

/** Where there is somebody to ask. */
const terminalOf = (): Asking | undefined => (process.stdin.isTTY && process.stdout.isTTY ? { input: process.stdin, output: process.stdout } : undefined);

function answersIn(path: string): Answers {
  return Object.fromEntries(Object.entries(readConfigFile(path)).map(([key, value]) => {
    if (!(answerKeys as readonly string[]).includes(key)) throw new Failure(exitCodes.usage, `${path}: there is no question ${key}.${suggestion(key, answerKeys)} There are ${answerKeys.join(', ')}`);
    if (typeof value !== 'string' && typeof value !== 'number') throw new Failure(exitCodes.usage, `${path}: ${key} must be a text or a number, got ${JSON.stringify(value)}`);
    return [key, String(value)];
  }));
}

/** The needs that the answers say, with defaults; some may `lack`. @throws Failure with exit code 2 and a line for each answer that is none. */
function needsOf(answers: Answers, lack = false): DesignNeeds {
  const problems: string[] = [], needs: Partial<DesignNeeds>[] = [];
  const told: Answers = { purpose: questions.purpose.otherwise!, ...answers };
  for (const key of answerKeys) {
    const { when, otherwise, read, hint } = questions[key], answer = answers[key];
    if (lack && (answer === undefined || (key === 'classes' && told.task === undefined))) continue;
    if (!when(told)) { if (answer !== undefined) problems.push(`${optionOf(key)} does not go with ${reasonAgainst(key, told)}; leave it out`); continue; }
    const need = answer === undefined && otherwise === undefined ? undefined : read(answer ?? otherwise!);
    if (need) needs.push(need); else problems.push(`${optionOf(key)} must be ${hint}, got ${answer === undefined ? 'nothing' : JSON.stringify(answer)}`);
  }
  if (problems.length > 0) throw new Failure(exitCodes.usage, problems.join('\n'));
  return Object.assign({}, ...needs) as DesignNeeds;
}

const reasonAgainst = (key: AnswerKey, { task, purpose }: Answers): string => (key === 'classes' ? `${optionOf('task')} ${task}` : `${optionOf('purpose')} ${purpose}`);

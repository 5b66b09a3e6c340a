import type { Readable, Writable } from 'node:stream';
import { intro, isCancel, select, text } from '@clack/prompts';
import { exitCodes, Failure } from '../failure.js';
import { answerKeys, questions, type Answers } from './questions.js';

/** Where questions are asked. */
export interface Asking { readonly input: Readable; readonly output: Writable }

/** Asks what has no answer yet. @throws Failure with exit code 130 where the person leaves: nothing is written. */
export async function ask(given: Answers, streams: Asking): Promise<Answers> {
  const answers: { -readonly [Key in keyof Answers]: Answers[Key] } = { ...given };
  intro('ashlar design: from what you need to a config. Enter takes what is shown; Ctrl-C leaves.', streams);
  for (const key of answerKeys) {
    const { when, text: message, hint, choices, otherwise, example, read } = questions[key], shown = otherwise ?? example;
    if (answers[key] !== undefined || !when(answers)) continue;
    const answer = choices
      ? await select<string>({ ...streams, message, options: choices.map((one) => ({ ...one })), ...(otherwise === undefined ? {} : { initialValue: otherwise }) })
      : await text({ ...streams, message: `${message} (${hint})`, ...(shown === undefined ? {} : { placeholder: shown, defaultValue: shown }), validate: (value) => (read(value || (shown ?? '')) ? undefined : `It must be ${hint}.`) });
    if (isCancel(answer)) throw new Failure(exitCodes.interrupted, 'interrupted: nothing was written');
    answers[key] = answer;
  }
  return answers;
}

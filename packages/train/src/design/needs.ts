/** What a person needs of a model, before there is one. */

/** What the model shall do, in the words of a training's config. */
export const designTasks = ['languageModel', 'maskedLanguageModel', 'classification', 'sequenceToSequence'] as const;
export type DesignTask = (typeof designTasks)[number];

/** Where the limits hold: where the model is trained, or where it is used once it is trained elsewhere. */
export const designPurposes = ['training', 'inference'] as const;
export type DesignPurpose = (typeof designPurposes)[number];

export interface DesignNeeds {
  readonly task: DesignTask;
  readonly purpose: DesignPurpose;
  /** Tokens of text there are to learn from: bytes of UTF-8. */
  readonly dataTokens: number;
  /** T, tokens that the model sees at once; of sequenceToSequence: of the source, and as many of the target. */
  readonly context: number;
  /** Bytes that a step of the training (purpose training) or the model at work (inference) may take on the device. */
  readonly memory: number;
  /** Seconds that the training may take; with purpose training alone. Default: no limit. */
  readonly trainingSeconds?: number;
  /** Seconds that a written token may take, and of encoders a text of the whole context. Default: no limit. */
  readonly latency?: number;
  /** Labels to tell apart; of classification, which must have it. */
  readonly classes?: number;
}

/** @throws {RangeError} naming the need, what was given and what is allowed. */
export function checkNeeds(needs: DesignNeeds): void {
  const fail = (key: string, allowed: string, given: unknown): never => { throw new RangeError(`design: ${key} must be ${allowed}, got ${JSON.stringify(given) ?? String(given)}`); };
  if (!designTasks.includes(needs.task)) fail('task', `one of ${designTasks.join(', ')}`, needs.task);
  if (!designPurposes.includes(needs.purpose)) fail('purpose', `one of ${designPurposes.join(', ')}`, needs.purpose);
  for (const [key, least] of [['dataTokens', 1], ['context', 2], ['classes', 2]] as const) {
    const value = needs[key];
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least)) fail(key, `a whole number from ${least}`, value);
  }
  for (const key of ['memory', 'trainingSeconds', 'latency'] as const) {
    const value = needs[key];
    if (value !== undefined && !(Number.isFinite(value) && value > 0)) fail(key, 'a number above 0', value);
  }
  if ((needs.task === 'classification') !== (needs.classes !== undefined)) throw new RangeError(`design: classes is for classification, which must have it; task is ${needs.task}: ${needs.classes === undefined ? 'say how many labels there are' : 'leave it out'}`);
  if (needs.purpose === 'inference' && needs.trainingSeconds !== undefined) throw new RangeError('design: trainingSeconds is for purpose training; with inference the model is trained on another machine, whose speed is not known here: leave it out');
}

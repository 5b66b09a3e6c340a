import { totalmem } from 'node:os';
import { designPurposes, designTasks, type DesignNeeds } from '@ashlar/train';
import { formatBytes } from '@ashlar/tensor';
import { parseBytes, parseSeconds } from '../quantities.js';

/** What `ashlar design` asks: the keys of an answers file, and, with hyphens, its options. */
export const answerKeys = ['task', 'purpose', 'dataSize', 'context', 'classes', 'memory', 'time', 'latency'] as const;
export type AnswerKey = (typeof answerKeys)[number];
export type Answers = { readonly [Key in AnswerKey]?: string };

export interface Question {
  readonly text: string;
  readonly hint: string;
  /** Taken where nobody is asked, and on Enter; absent: there must be an answer. */
  readonly otherwise?: string;
  /** On Enter alone. */
  readonly example?: string;
  readonly choices?: readonly { readonly value: string; readonly label: string; readonly hint: string }[];
  /** Whether it has a meaning, after the answers before. */
  readonly when: (answers: Answers) => boolean;
  /** What the answer adds to the needs; undefined where it is none. */
  readonly read: (answer: string) => Partial<DesignNeeds> | undefined;
}

const always = (): boolean => true;
const count = (key: 'dataTokens' | 'context' | 'classes', least: number, value: number | undefined): Partial<DesignNeeds> | undefined => (value !== undefined && Number.isSafeInteger(Math.round(value)) && value >= least ? { [key]: Math.round(value) } : undefined);
const whole = (text: string): number | undefined => (/^\s*\d+\s*$/.test(text) ? Number(text) : undefined);
const limit = (key: 'memory' | 'trainingSeconds' | 'latency', value: number | undefined): Partial<DesignNeeds> | undefined => (value === undefined ? undefined : { [key]: value });
const orNone = (text: string, read: () => Partial<DesignNeeds> | undefined): Partial<DesignNeeds> | undefined => (text.trim() === 'none' ? {} : read());
const oneOf = <Key extends 'task' | 'purpose'>(key: Key, names: readonly string[]) => (text: string): Partial<DesignNeeds> | undefined => (names.includes(text) ? { [key]: text } : undefined);

/** In the order of asking. */
export const questions: { readonly [Key in AnswerKey]: Question } = {
  task: {
    text: 'What shall the model do?', hint: `one of ${designTasks.join(', ')}`, when: always, read: oneOf('task', designTasks),
    choices: [
      { value: 'languageModel', label: 'Write text', hint: 'goes on from a prompt, as GPT does' },
      { value: 'classification', label: 'Sort texts by label', hint: 'topic, language, spam or not' },
      { value: 'sequenceToSequence', label: 'Turn one text into another', hint: 'translate, pronounce, correct' },
      { value: 'maskedLanguageModel', label: 'Fill in hidden parts of texts', hint: 'as BERT does: a start for other tasks' },
    ],
  },
  purpose: {
    text: 'What are the limits of this machine for?', hint: `one of ${designPurposes.join(', ')}`, otherwise: 'training', when: always, read: oneOf('purpose', designPurposes),
    choices: [{ value: 'training', label: 'Training the model', hint: 'here, from the beginning' }, { value: 'inference', label: 'Using the model', hint: 'it is trained on another machine' }],
  },
  dataSize: { text: 'How much text is there to learn from?', hint: 'such as 1MB; a novel has about 1MB', example: '1MB', when: always, read: (text) => count('dataTokens', 1, parseBytes(text)) },
  context: { text: 'How many bytes of text must it see at once?', hint: 'from 2; a sentence has about 100, a page 2000', otherwise: '256', when: always, read: (text) => count('context', 2, whole(text)) },
  classes: { text: 'How many labels are there?', hint: 'a whole number from 2', example: '2', when: ({ task }) => task === 'classification', read: (text) => count('classes', 2, whole(text)) },
  memory: { text: 'How much memory may it take?', hint: 'such as 4GB or 512MiB; default: half of what this machine has', otherwise: formatBytes(totalmem() / 2).replace(' ', ''), when: always, read: (text) => limit('memory', parseBytes(text)) },
  time: { text: 'How long may the training take?', hint: 'such as 30min, 8h or 2days; none: no limit', otherwise: '1h', when: ({ purpose }) => purpose !== 'inference', read: (text) => orNone(text, () => limit('trainingSeconds', parseSeconds(text))) },
  latency: { text: 'How long may a byte take to write, or a text to be sorted?', hint: 'such as 20ms; none: no limit', otherwise: 'none', when: always, read: (text) => orNone(text, () => limit('latency', parseSeconds(text))) },
};

/** `dataSize` as the option `--data-size`. */
export const optionOf = (key: AnswerKey): string => `--${key.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`;

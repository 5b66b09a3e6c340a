import { learnBytePairs } from '@ashlar/text/node';
import { formatCount } from '../progress/format.js';
import { writeJson } from '../run-folder.js';
import type { Streams } from '../streams.js';
import { lookUpFrom } from '../tasks/language-model.js';

export interface TrainTokenizerOptions {
  readonly data: string;
  readonly vocabulary: number;
  readonly out: string;
}

/** `ashlar tokenizer train`: byte pairs learned from a text, in a file that a config names. */
export async function trainTokenizerCommand({ data, vocabulary, out }: TrainTokenizerOptions, { stdout }: Streams): Promise<number> {
  const tokenizer = learnBytePairs(data, { vocabularySize: vocabulary }, { from: lookUpFrom }), { vocabularySize } = tokenizer;
  writeJson(out, tokenizer.toJSON());
  stdout.write(`${out}: ${formatCount(vocabularySize)} tokens, learned from ${data}${vocabularySize < vocabulary ? '; no other pair occurs twice' : ''}\n`);
  return 0;
}

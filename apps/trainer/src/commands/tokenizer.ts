import { learnBytePairs } from '@ashlar/text/node';
import { formatCount } from '../progress/format.js';
import { writeJson } from '../run-folder.js';
import type { Streams } from '../streams.js';
import { lookUpFrom } from '../data/look-up.js';

export interface TrainTokenizerOptions {
  readonly data: string;
  /** The key or column of the text, of JSON lines and tables. */
  readonly field?: string;
  readonly vocabulary: number;
  readonly out: string;
}

/** `ashlar tokenizer train`: byte pairs learned from a text, in a file that a config names. */
export async function trainTokenizerCommand({ data, field, vocabulary, out }: TrainTokenizerOptions, { stdout }: Streams): Promise<number> {
  const tokenizer = await learnBytePairs(data, { vocabularySize: vocabulary }, { from: lookUpFrom, field }), { vocabularySize } = tokenizer;
  writeJson(out, tokenizer.toJSON());
  stdout.write(`${out}: ${formatCount(vocabularySize)} tokens, learned from ${data}${vocabularySize < vocabulary ? '; no other pair occurs twice' : ''}\n`);
  return 0;
}

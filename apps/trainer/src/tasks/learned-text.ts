import { batches, evaluationBatches, packedBatches, packedEvaluation, split, splitDocuments, type Batches, type EvaluationBatches, type TokenDocuments, type TokenSource, type Tokenizer } from '@ashlar/text';
import type { Corpus } from '@ashlar/text/node';
import { predictedCharacters } from '../characters.js';
import type { ResolvedConfig } from '../config/resolve.js';
import { exitCodes, Failure } from '../failure.js';

/** What a language model learns: a text, or documents that share rows. */
export type LearnedText = TokenSource | TokenDocuments;

const isDocuments = (text: LearnedText): text is TokenDocuments => 'at' in text;

/** The whole of a corpus. */
export const wholeOf = ({ tokens, documents }: Pick<Corpus, 'tokens' | 'documents'>): LearnedText => documents ?? tokens;

/** The part to train on and that which is held out, the end; with 1 both are the whole. @throws {Failure} with exit code 3 where there is too little. */
export function divided<Text extends LearnedText>(name: string, text: Text, validation: number): { readonly train: Text; readonly validation: Text };
export function divided(name: string, text: LearnedText, validation: number): { readonly train: LearnedText; readonly validation: LearnedText } {
  if (validation === 1) return { train: text, validation: text };
  const count = isDocuments(text) ? text.lengths.length : text.length, [what, least] = isDocuments(text) ? ['documents', 1] : ['tokens', 2], held = count - Math.floor(count * (1 - validation));
  if (held < least || held === count) throw new Failure(exitCodes.data, `${name}: ${count} ${what} are too few: the held-out fraction ${validation} must hold at least ${least}, and leave some; use a longer text or another data.validation`);
  return isDocuments(text) ? splitDocuments(text, { validation }) : split(text, { validation });
}

type Rows = Pick<ResolvedConfig['training'], 'batch' | 'context'>;

/** @throws {Failure} with exit code 2 where documents fill fewer rows than a batch has, and what `batches` throws. */
export function trainingBatches(text: LearnedText, { batch, context, seed }: Rows & { readonly seed: number }): Batches {
  if (!isDocuments(text)) return batches({ tokens: text, batch, context, seed });
  try {
    return packedBatches({ documents: text, batch, context, seed });
  } catch (error) {
    throw error instanceof RangeError ? new Failure(exitCodes.usage, `training: ${error.message}`, { cause: error }) : error;
  }
}

export const evaluationOf = (text: LearnedText, { batch, context }: Rows): EvaluationBatches =>
  (isDocuments(text) ? packedEvaluation({ documents: text, batch, context }) : evaluationBatches({ tokens: text, batch, context }));

/** What stands together: the text, or each document. */
export function* piecesOf(text: LearnedText): Generator<TokenSource> {
  if (isDocuments(text)) for (let index = 0; index < text.lengths.length; index++) yield text.at(index);
  else yield text;
}

export const tokensIn = (text: LearnedText): number => (isDocuments(text) ? text.lengths.reduce((sum, length) => sum + length, 0) : text.length);

/** Characters that a text has a prediction. */
export function charactersAPrediction(text: LearnedText, tokenizer: Tokenizer, { predictions }: EvaluationBatches): number {
  let characters = 0;
  for (const piece of piecesOf(text)) if (piece.length > 1) characters += predictedCharacters(piece, tokenizer);
  return characters / predictions;
}

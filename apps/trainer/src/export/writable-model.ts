import { specialTokensOf, type WritableModel } from '@ashlar/hub';
import type { LoadedRun } from '../load-run.js';
import { targetTokens } from '../tasks/target-tokens.js';

/** The model of a run with what Hugging Face's files say of it. */
export function writableModel({ model, config, tokenizer, targetTokenizer }: LoadedRun): WritableModel {
  const { begin: decoderStart, end } = targetTokenizer ? targetTokens(targetTokenizer) : {};
  return {
    config: { ...config.model, vocabulary: model.vocabulary }, model, tokenizer, labels: config.labels,
    specialTokens: { ...specialTokensOf(tokenizer), ...(targetTokenizer ? { decoderStart, end } : {}) },
  } as WritableModel;
}

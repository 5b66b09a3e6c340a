export { assertToken, UnknownCharacterError, type Tokenizer, type TokenizerJSON } from './tokenizer.js';
export { characterTokenizer } from './character-tokenizer.js';
export { byteTokenizer } from './byte-tokenizer.js';
export { tokenizerFromJSON } from './tokenizer-json.js';
export { InvalidUtf8Error, Utf8Scanner } from './utf8.js';
export { sliceTokens, split, tokenArray, tokenSource, type SplitOptions, type TokenSource, type Tokens } from './token-source.js';
export { batches, TextTooShortError, type Batch, type Batches, type BatchesOptions } from './batches.js';
export { evaluationBatches, type EvaluationBatches, type EvaluationBatchesOptions } from './evaluation-batches.js';
export { philox, randomBelow } from './counter-random.js';

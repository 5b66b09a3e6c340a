export { learnBytePairs, openCorpus, type Corpus, type LearnedBytePairs, type OpenCorpusOptions } from './node/corpus.js';
export { loadText, type LoadedText } from './node/read-text.js';
export { FileWriteError, replaceFile } from './node/replace-file.js';
export { findText, TextFileError, type FindTextOptions, type TextFiles } from './node/text-files.js';

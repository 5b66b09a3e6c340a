export { learnBytePairs, openCorpus, type Corpus, type LearnedBytePairs, type OpenCorpusOptions } from './node/corpus.js';
export { readDocuments, type DocumentOptions, type SampleBy } from './node/documents.js';
export { FileWriteError, replaceFile } from './node/replace-file.js';
export { readRows, type Row } from './node/rows.js';
export { findText, TextFileError, type FindTextOptions, type TextFiles, type TextKind } from './node/text-files.js';

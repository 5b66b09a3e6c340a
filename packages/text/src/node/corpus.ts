import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { trainBytePairs } from '../byte-pair-training.js';
import { byteTokenizer } from '../byte-tokenizer.js';
import { characterTokenizer } from '../character-tokenizer.js';
import { cutAtWords, encodesWordByWord } from '../gpt2-words.js';
import type { TokenSource } from '../token-source.js';
import { tokenizerFromJSON } from '../tokenizer-json.js';
import { UnknownCharacterError, type Tokenizer, type TokenizerJSON } from '../tokenizer.js';
import { readChunks, readStrings, scanText } from './read-text.js';
import { replaceFile } from './replace-file.js';
import { emptyText, findText, type FindTextOptions, type TextFiles } from './text-files.js';
import { openTokenFile, tokenFileChunks, tokenWidth } from './token-file.js';

/** Byte pairs that are learned from a text: see `trainBytePairs`. */
export interface LearnedBytePairs {
  readonly type: 'bytePairs';
  /** V, at most. */
  readonly vocabularySize: number;
  /** The part of the text, from its beginning, that is learned from. Default 1. */
  readonly share?: number;
}

export interface OpenCorpusOptions extends FindTextOptions {
  /** `character` makes the vocabulary from the text itself, and so do byte pairs that are learned. */
  readonly tokenizer: 'character' | 'byte' | LearnedBytePairs | Tokenizer;
  /** Folder for token files; made where it does not exist. */
  readonly cache: string;
}

/** A text as tokens on disk. */
export interface Corpus extends Disposable, TextFiles {
  readonly tokens: TokenSource;
  readonly tokenizer: Tokenizer;
  /** SHA-256 of the text, in hex. */
  readonly hash: string;
  /** The token file. */
  readonly tokenFile: string;
  /** Whether the token file was there already. */
  readonly cached: boolean;
  close(): void;
}

/**
 * Opens a text (see `findText`) as a stream of tokens. The first time, the tokens are written to a file in `cache`, named
 * by what the text and the tokenizer are; from then on windows are read from it by position. Memory stays flat however
 * long the text is, both times, save that tokenizers of pieces are given it whole the first time, where they are not byte
 * pairs within GPT-2's words, and that a gzip file is unpacked whole.
 *
 * @throws TextFileError, InvalidUtf8Error, UnknownCharacterError (a given tokenizer lacks a character), FileWriteError.
 */
export function openCorpus(spec: string, options: OpenCorpusOptions): Corpus {
  const { tokenizer: wanted, cache } = options;
  const found = findText(spec, options);
  const { hash, bytes } = measured(found);
  if (bytes === 0) throw emptyText(spec);
  const key = createHash('sha256').update(JSON.stringify([1, hash, isTokenizer(wanted) ? wanted.toJSON() : wanted])).digest('hex');
  const tokenFile = join(cache, `${key.slice(0, 32)}.tokens`);

  let open = openTokenFile(tokenFile);
  const cached = open !== undefined;
  if (open === undefined) {
    mkdirSync(cache, { recursive: true });
    const { codePoints } = scanText(found);
    const tokenizer = isTokenizer(wanted) ? wanted : wanted === 'byte' ? byteTokenizer() : wanted === 'character' ? characterTokenizer(codePoints) : learned(found, bytes, wanted);
    replaceFile(tokenFile, tokenFileChunks(encodeChunks(found, tokenizer), tokenWidth(tokenizer.vocabularySize), tokenizer.toJSON()));
    open = openTokenFile(tokenFile);
    if (open === undefined) throw new Error(`${tokenFile}: another program changed the token file while it was written; run again`);
  }
  const tokens = open;
  const tokenizer = isTokenizer(wanted) ? wanted : tokenizerFromJSON(tokens.tokenizer as TokenizerJSON);
  const close = () => tokens.close();
  return { ...found, tokens, tokenizer, hash, tokenFile, cached, close, [Symbol.dispose]: close };
}

const isTokenizer = (wanted: OpenCorpusOptions['tokenizer']): wanted is Tokenizer => typeof wanted === 'object' && 'encode' in wanted;

/** Learns byte pairs from a text (see `findText`), a chunk at a time. @throws what `openCorpus` throws, and RangeError as `trainBytePairs`. */
export function learnBytePairs(spec: string, { vocabularySize }: Pick<LearnedBytePairs, 'vocabularySize'>, options: FindTextOptions = {}): Tokenizer {
  const found = findText(spec, options);
  scanText(found);
  return trainBytePairs(cutAtWords(readStrings(found)), { vocabularySize });
}

const learned = (text: TextFiles, bytes: number, { vocabularySize, share = 1 }: LearnedBytePairs): Tokenizer => trainBytePairs(cutAtWords(readStrings(text, Math.floor(bytes * share))), { vocabularySize });

function measured(text: TextFiles): { readonly hash: string; readonly bytes: number } {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const chunk of readChunks(text)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { hash: hash.digest('hex'), bytes };
}

/**
 * Tokens by chunks of text. Tokenizers of characters and bytes look at one character at a time, so chunk borders change
 * nothing; byte pairs are given whole words; others the whole text.
 */
function* encodeChunks(text: TextFiles, tokenizer: Tokenizer): Generator<Uint32Array> {
  const json = tokenizer.toJSON();
  let parts: Iterable<string> = readStrings(text);
  if (encodesWordByWord(json)) parts = cutAtWords(parts);
  else if (json.type !== 'character' && json.type !== 'byte') parts = [[...parts].join('')];
  let offset = 0;
  for (const part of parts) {
    try {
      yield tokenizer.encode(part);
    } catch (error) {
      throw error instanceof UnknownCharacterError ? error.movedBy(offset) : error;
    }
    offset += part.length;
  }
}

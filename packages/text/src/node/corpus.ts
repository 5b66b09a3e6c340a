import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { byteTokenizer } from '../byte-tokenizer.js';
import { characterTokenizer } from '../character-tokenizer.js';
import type { TokenSource } from '../token-source.js';
import { tokenizerFromJSON } from '../tokenizer-json.js';
import { UnknownCharacterError, type Tokenizer, type TokenizerJSON } from '../tokenizer.js';
import { readChunks, scanText } from './read-text.js';
import { replaceFile } from './replace-file.js';
import { findText, type FindTextOptions, type TextFiles } from './text-files.js';
import { openTokenFile, tokenFileChunks, tokenWidth } from './token-file.js';

export interface OpenCorpusOptions extends FindTextOptions {
  /** `character` makes the vocabulary from the text itself. */
  readonly tokenizer: 'character' | 'byte' | Tokenizer;
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
 * long the text is, both times, save that tokenizers of pieces are given it whole the first time.
 *
 * @throws TextFileError, InvalidUtf8Error, UnknownCharacterError (a given tokenizer lacks a character), FileWriteError.
 */
export function openCorpus(spec: string, options: OpenCorpusOptions): Corpus {
  const { tokenizer: wanted, cache } = options;
  const found = findText(spec, options);
  const hash = hashOf(found);
  const key = createHash('sha256').update(JSON.stringify([1, hash, typeof wanted === 'string' ? wanted : wanted.toJSON()])).digest('hex');
  const tokenFile = join(cache, `${key.slice(0, 32)}.tokens`);

  let open = openTokenFile(tokenFile);
  const cached = open !== undefined;
  if (open === undefined) {
    mkdirSync(cache, { recursive: true });
    const { codePoints } = scanText(found);
    const tokenizer = typeof wanted !== 'string' ? wanted : wanted === 'byte' ? byteTokenizer() : characterTokenizer(codePoints);
    replaceFile(tokenFile, tokenFileChunks(encodeChunks(found, tokenizer), tokenWidth(tokenizer.vocabularySize), tokenizer.toJSON()));
    open = openTokenFile(tokenFile);
    if (open === undefined) throw new Error(`${tokenFile}: another program changed the token file while it was written; run again`);
  }
  const tokens = open;
  const tokenizer = typeof wanted === 'string' ? tokenizerFromJSON(tokens.tokenizer as TokenizerJSON) : wanted;
  const close = () => tokens.close();
  return { ...found, tokens, tokenizer, hash, tokenFile, cached, close, [Symbol.dispose]: close };
}

function hashOf(text: TextFiles): string {
  const hash = createHash('sha256');
  for (const chunk of readChunks(text)) hash.update(chunk);
  return hash.digest('hex');
}

/**
 * Tokens by chunks of text. Tokenizers of characters and bytes look at one character at a time, so chunk borders change
 * nothing; others are given the whole text.
 */
function* encodeChunks(text: TextFiles, tokenizer: Tokenizer): Generator<Uint32Array> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }), { type } = tokenizer.toJSON();
  if (type !== 'character' && type !== 'byte') {
    let whole = '';
    for (const chunk of readChunks(text)) whole += decoder.decode(chunk, { stream: true });
    yield tokenizer.encode(whole + decoder.decode());
    return;
  }
  let offset = 0;
  const encode = (part: string): Uint32Array => {
    try {
      return tokenizer.encode(part);
    } catch (error) {
      throw error instanceof UnknownCharacterError ? error.movedBy(offset) : error;
    } finally {
      offset += part.length;
    }
  };
  for (const chunk of readChunks(text)) yield encode(decoder.decode(chunk, { stream: true }));
  yield encode(decoder.decode());
}

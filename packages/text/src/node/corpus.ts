import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { learnFromWords, wordCounter } from '../byte-pair-training.js';
import { byteTokenizer } from '../byte-tokenizer.js';
import { characterTokenizer } from '../character-tokenizer.js';
import { endedTokenizer } from '../ended-tokenizer.js';
import { streamEncoder } from '../stream-encoder.js';
import { tokenDocuments, type TokenDocuments, type TokenSource } from '../token-source.js';
import { tokenizerFromJSON } from '../tokenizer-json.js';
import type { Tokenizer, TokenizerJSON } from '../tokenizer.js';
import { readParts, tooLong, type DocumentOptions, type DocumentPart } from './documents.js';
import { longestPiece, readBytes } from './read-file.js';
import { replaceFileFrom } from './replace-file.js';
import { emptyText, findText, type FindTextOptions, type TextFiles } from './text-files.js';
import { openTokenFile, tokenFileChunks, tokenWidth, type TokenPart } from './token-file.js';

/** Byte pairs that are learned from a text: see `trainBytePairs`. */
export interface LearnedBytePairs {
  readonly type: 'bytePairs';
  /** V, at most. */
  readonly vocabularySize: number;
  /** The part of the text, from its beginning, that is learned from: of its bytes, or of its documents where they are told apart. Default 1. */
  readonly share?: number;
}

export interface OpenCorpusOptions extends FindTextOptions, DocumentOptions {
  /** `character` makes the vocabulary from the text itself, and so do byte pairs that are learned. */
  readonly tokenizer: 'character' | 'byte' | LearnedBytePairs | Tokenizer;
  /** Folder for token files; made where it does not exist. */
  readonly cache: string;
  /** Whether documents are told apart: each is encoded by itself, with the tokens that begin and end a text (see `endedTokenizer`). Default false: they are one text, with a blank line between them. */
  readonly documents?: boolean;
}

/** A text as tokens on disk. */
export interface Corpus extends Disposable, TextFiles {
  readonly tokens: TokenSource;
  /** Where they are told apart. */
  readonly documents?: TokenDocuments;
  readonly tokenizer: Tokenizer;
  /** SHA-256 in hex: of the text, with the blank lines between its files; of JSON lines without them; of tables, of their files. */
  readonly hash: string;
  /** The token file. */
  readonly tokenFile: string;
  /** Whether the token file was there already. */
  readonly cached: boolean;
  close(): void;
}

/**
 * Opens a text (see `findText`, `readDocuments`) as a stream of tokens. The first time, the tokens are written to a file in
 * `cache`, named by what the text and the tokenizer are; from then on windows are read from it by position. Memory stays
 * flat however long the text is, both times; a document is held whole only where nothing is known of where its tokenizer
 * may cut it (see `streamEncoder`): then the tokens are those of each document by itself.
 *
 * @throws TextFileError, InvalidUtf8Error, UnknownCharacterError (a given tokenizer lacks a character), FileWriteError.
 */
export async function openCorpus(spec: string, options: OpenCorpusOptions): Promise<Corpus> {
  const { tokenizer: wanted, cache, documents = false, field, sampleBy } = options, found = findText(spec, options), hash = await hashOf(found);
  const about = [2, hash, found.kind, found.kind === 'text' ? sampleBy ?? 'document' : field ?? 'text', documents, isTokenizer(wanted) ? wanted.toJSON() : wanted];
  const tokenFile = join(cache, `${createHash('sha256').update(JSON.stringify(about)).digest('hex').slice(0, 32)}.tokens`);

  let open = openTokenFile(tokenFile);
  const cached = open !== undefined;
  if (open === undefined) {
    mkdirSync(cache, { recursive: true });
    const made = await tokenizerFor(found, options), tokenizer = documents ? endedTokenizer(made) : made;
    const parts = (documents ? documentTokens : textTokens)(found, options, tokenizer);
    await replaceFileFrom(tokenFile, tokenFileChunks(someOf(found, parts), tokenWidth(tokenizer.vocabularySize), tokenizer.toJSON(), documents));
    open = openTokenFile(tokenFile);
    if (open === undefined) throw new Error(`${tokenFile}: another program changed the token file while it was written; run again`);
  }
  const tokens = open, { lengths } = tokens, close = () => tokens.close();
  const tokenizer = isTokenizer(wanted) ? documents ? endedTokenizer(wanted) : wanted : tokenizerFromJSON(tokens.tokenizer as TokenizerJSON);
  return { ...found, tokens, ...(lengths ? { documents: tokenDocuments({ tokens, lengths }) } : {}), tokenizer, hash, tokenFile, cached, close, [Symbol.dispose]: close };
}

const isTokenizer = (wanted: OpenCorpusOptions['tokenizer']): wanted is Tokenizer => typeof wanted === 'object' && 'encode' in wanted;

/** Learns byte pairs from a text (see `findText`), a part at a time. @throws what `openCorpus` throws, and RangeError as `trainBytePairs`. */
export async function learnBytePairs(spec: string, { vocabularySize }: Pick<LearnedBytePairs, 'vocabularySize'>, options: FindTextOptions & DocumentOptions = {}): Promise<Tokenizer> {
  return learned(joined(readParts(findText(spec, options), options)), { vocabularySize });
}

async function learned(parts: AsyncIterable<DocumentPart>, { vocabularySize }: Pick<LearnedBytePairs, 'vocabularySize'>): Promise<Tokenizer> {
  const words = wordCounter();
  for await (const { text } of parts) words.push(text);
  words.end();
  return learnFromWords(words.counts, { vocabularySize });
}

async function tokenizerFor(found: TextFiles, { tokenizer, documents = false, ...options }: OpenCorpusOptions): Promise<Tokenizer> {
  if (tokenizer === 'byte') return byteTokenizer();
  const parts = (): AsyncGenerator<DocumentPart> => (documents ? readParts(found, options) : joined(readParts(found, options)));
  if (tokenizer === 'character') return characterTokenizer(await codePointsOf(found, parts()));
  if (isTokenizer(tokenizer)) return tokenizer;
  const { share = 1, vocabularySize } = tokenizer;
  if (share === 1) return learned(parts(), { vocabularySize });
  const { bytes, count } = await measured(parts());
  return learned(documents ? firstDocuments(parts(), Math.floor(count * share)) : firstBytes(parts(), Math.floor(bytes * share)), { vocabularySize });
}

async function codePointsOf({ name }: TextFiles, parts: AsyncIterable<DocumentPart>): Promise<number[]> {
  const seen = new Uint8Array(0x110000);
  for await (const { text } of parts) for (let at = 0; at < text.length; at++) {
    const codePoint = text.codePointAt(at)!;
    seen[codePoint] = 1;
    if (codePoint > 0xffff) at++;
  }
  const codePoints = Array.from(seen.keys()).filter((codePoint) => seen[codePoint] === 1);
  if (codePoints.length === 0) throw emptyText(name);
  return codePoints;
}

async function measured(parts: AsyncIterable<DocumentPart>): Promise<{ bytes: number; count: number }> {
  let bytes = 0, count = 0;
  for await (const { text, ends } of parts) {
    bytes += Buffer.byteLength(text);
    if (ends) count++;
  }
  return { bytes, count };
}

/** The beginning of a text, without a character that its border cuts. */
async function* firstBytes(parts: AsyncIterable<DocumentPart>, bytes: number): AsyncGenerator<DocumentPart> {
  let left = bytes;
  for await (const part of parts) {
    const size = Buffer.byteLength(part.text);
    if (size >= left) return yield { text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(part.text).subarray(0, left), { stream: true }), ends: true };
    yield part;
    left -= size;
  }
}

async function* firstDocuments(parts: AsyncIterable<DocumentPart>, count: number): AsyncGenerator<DocumentPart> {
  let left = count;
  if (left > 0) for await (const part of parts) {
    yield part;
    if (part.ends && --left === 0) return;
  }
}

/** Documents as one text: what a blank line between them lacks is put to the end of the former. */
async function* joined(parts: AsyncIterable<DocumentPart>): AsyncGenerator<DocumentPart> {
  let tail = '', isBetween = false;
  for await (const { text, ends } of parts) {
    if (isBetween) yield { text: tail.endsWith('\n\n') ? '' : tail.endsWith('\n') ? '\n' : '\n\n', ends: true };
    isBetween = ends;
    tail = (tail + text.slice(-2)).slice(-2);
    yield { text, ends: false };
  }
  if (isBetween) yield { text: '', ends: true };
}

async function hashOf({ kind, files }: TextFiles): Promise<string> {
  const hash = createHash('sha256');
  let tail = '';
  for (const file of files) {
    let isBetween = kind === 'text' && tail !== '';
    for await (const chunk of readBytes(file)) {
      if (isBetween && chunk.length > 0) {
        hash.update('\n\n'.slice(/\n*$/.exec(tail)![0].length));
        isBetween = false;
      }
      hash.update(chunk);
      tail = (tail + Buffer.from(chunk.subarray(-2)).toString('latin1')).slice(-2);
    }
  }
  return hash.digest('hex');
}

/** The tokens of documents as one text; by the document, where the tokenizer is given whole ones. */
async function* textTokens(found: TextFiles, options: DocumentOptions, tokenizer: Tokenizer): AsyncGenerator<TokenPart> {
  const encoder = streamEncoder(tokenizer);
  for await (const { text, ends } of joined(readParts(found, options))) {
    yield { tokens: encoder.push(text), ends: false };
    if (encoder.held > longestPiece) throw tooLong(found, text);
    if (ends && !encoder.cuts) yield { tokens: encoder.end(), ends: false };
  }
  yield { tokens: encoder.end(), ends: true };
}

/** The tokens of documents, each with those that begin and end it. */
async function* documentTokens(found: TextFiles, options: DocumentOptions, tokenizer: Tokenizer): AsyncGenerator<TokenPart> {
  const encoder = streamEncoder(tokenizer), before = Uint32Array.from(tokenizer.begin === undefined ? [] : [tokenizer.begin]), after = Uint32Array.of(tokenizer.end![0]!);
  let begins = true;
  for await (const { text, ends } of readParts(found, options)) {
    if (begins) yield { tokens: before, ends: false };
    yield { tokens: encoder.push(text), ends: false };
    if (encoder.held > longestPiece) throw tooLong(found, text);
    begins = ends;
    if (!ends) continue;
    yield { tokens: encoder.end(), ends: false };
    yield { tokens: after, ends: true };
  }
}

async function* someOf({ name }: TextFiles, parts: AsyncIterable<TokenPart>): AsyncGenerator<TokenPart> {
  let isEmpty = true;
  for await (const part of parts) {
    isEmpty &&= part.tokens.length === 0;
    yield part;
  }
  if (isEmpty) throw emptyText(name);
}

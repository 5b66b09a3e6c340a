import { longestPiece, readLines, readStrings } from './read-file.js';
import { readRows } from './rows.js';
import { findText, TextFileError, type FindTextOptions, type TextFiles } from './text-files.js';

/** What a document of plain text is: a file, what stands between blank lines, or a line. */
export type SampleBy = 'document' | 'paragraph' | 'line';

export interface DocumentOptions {
  /** The key of JSON lines, or the column of tables, that holds the text. Default `text`. */
  readonly field?: string | undefined;
  /** Of plain text. Default `document`. */
  readonly sampleBy?: SampleBy | undefined;
}

/** Some text of a document, and whether it is the last of it. */
export interface DocumentPart { readonly text: string; readonly ends: boolean }

/**
 * The documents of a text (see `findText`), one at a time: files, paragraphs or lines of plain text, and the texts of JSON
 * lines or of tables. What is empty or blank is passed over. Memory stays that of a document, and of tables that of a group
 * of rows.
 *
 * @throws TextFileError where something is missing or of another form, or a document has more than 2²⁶ characters;
 * InvalidUtf8Error.
 */
export async function* readDocuments(spec: string, options: DocumentOptions & FindTextOptions = {}): AsyncGenerator<string> {
  const found = findText(spec, options);
  let document = '';
  for await (const { text, ends } of readParts(found, options)) {
    document += text;
    if (document.length > longestPiece) throw tooLong(found, document);
    if (!ends) continue;
    yield document;
    document = '';
  }
}

export const tooLong = ({ name }: TextFiles, document: string): TextFileError => new TextFileError(`${name}: the document that begins with ${JSON.stringify(document.slice(0, 40))} has more than ${longestPiece} characters, and is needed in one piece; divide it`);

/** The same in parts, so that a document may be longer than memory. */
export async function* readParts(found: TextFiles, { field = 'text', sampleBy = 'document' }: DocumentOptions): AsyncGenerator<DocumentPart> {
  if (found.kind !== 'text') return yield* rowTexts(found, field);
  for (const file of found.files) {
    if (sampleBy === 'document') yield* wholeFile(file);
    else if (sampleBy === 'line') yield* linesOf(file);
    else yield* paragraphsOf(file);
  }
}

async function* rowTexts(found: TextFiles, field: string): AsyncGenerator<DocumentPart> {
  for await (const { values, place } of readRows(found, [field])) {
    const text = values[field];
    if (typeof text !== 'string') throw new TextFileError(`${place} must have a string under ${JSON.stringify(field)}, ${text === undefined ? `and has ${Object.keys(values).map((key) => JSON.stringify(key)).join(', ') || 'nothing'}` : `got ${String(JSON.stringify(text)).slice(0, 60)}`}`);
    if (isText(text)) yield { text, ends: true };
  }
}

async function* wholeFile(file: string): AsyncGenerator<DocumentPart> {
  let some = false;
  for await (const text of readStrings(file)) {
    if (text === '') continue;
    some = true;
    yield { text, ends: false };
  }
  if (some) yield { text: '', ends: true };
}

async function* linesOf(file: string): AsyncGenerator<DocumentPart> {
  for await (const lines of readLines(file)) for (const line of lines) if (isText(line)) yield { text: line.replace(/\r$/, ''), ends: true };
}

async function* paragraphsOf(file: string): AsyncGenerator<DocumentPart> {
  let paragraph = '';
  for await (const lines of readLines(file)) for (const line of lines) {
    if (isText(line)) {
      paragraph += paragraph === '' ? line : `\n${line}`;
      if (paragraph.length > longestPiece) throw new TextFileError(`${file}: a paragraph has more than ${longestPiece} characters; divide it`);
      continue;
    }
    if (paragraph !== '') yield { text: paragraph, ends: true };
    paragraph = '';
  }
  if (paragraph !== '') yield { text: paragraph, ends: true };
}

const isText = (text: string): boolean => /\S/.test(text);

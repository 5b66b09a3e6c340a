import { hasOrdinaryAddedTokens, isOfBlankWords, normalizesLocally, partsOfForm, type FormPart, type TokenizerForm } from './tokenizer-form.js';
import type { TokenizerJSON } from './tokenizer.js';

/** Where a text may be cut so that the tokens of its parts, one after the other, are those of the whole. */
export interface SafeBorders {
  /** Whether a text may be cut before its character `at`. What is not there yet makes no difference: a place that may or may not be one is none. */
  isBorder(text: string, at: number): boolean;
  /** Whether a word between two borders comes time and again, and its tokens are worth remembering. */
  readonly words: boolean;
  /** Whether the tokenizer puts a space before what it is given: then the one at a cut is left out. */
  readonly spaceIsPut?: boolean;
}

/** Places at which what stands before and after them are as wanted. */
const between = (after: RegExp, before: RegExp): SafeBorders => ({ words: true, isBorder: (text, at) => at < text.length && before.test(text[at]!) && after.test(text[at - 1]!) });

/** Between any two characters. */
const anywhere: SafeBorders = { words: false, isBorder: (text, at) => !/[\ud800-\udbff]/.test(text[at - 1]!) };

/**
 * The safe borders of a tokenizer, by how it is made. Undefined where none are known: it must be given a document whole.
 * What is cut before is always a space or another blank after something that is none: no normal form of Unicode, change of
 * case or added token reaches across that.
 */
export function safeBorders(json: TokenizerJSON): SafeBorders | undefined {
  switch (json.type) {
    case 'character': case 'byte': return anywhere;
    case 'symbol': return between(/\S/, /\s/);
    case 'scoredPieces': return json.pieces.some((piece) => /[^ ] /.test(piece)) ? undefined : beforePutSpace(() => true);
    case 'ended': return safeBorders(json.tokenizer);
    case 'huggingFace': return bordersOfForm(json.tokenizer as TokenizerForm, json.config as Parameters<typeof bordersOfForm>[1]);
  }
}

/** Before a space after something else, where more than the space follows. */
function beforePutSpace(accepts: (text: string, at: number) => boolean): SafeBorders {
  const { isBorder } = between(/\S/, / /);
  return { words: true, spaceIsPut: true, isBorder: (text, at) => at + 1 < text.length && isBorder(text, at) && accepts(text, at) };
}

/** Patterns of words none of whose matches holds a blank after a letter or digit, or looks beyond it: those of Llama 3, of Qwen 2 and of GPT-4o. */
const knownPatterns = new Set([
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
]);

/** What cuts words at every blank, and drops it. */
const blanks = ['BertPreTokenizer', 'Whitespace', 'WhitespaceSplit'];

function bordersOfForm(form: TokenizerForm, config: { readonly remove_space?: boolean; readonly do_lowercase_and_remove_accent?: boolean } = {}): SafeBorders | undefined {
  if (!hasOrdinaryAddedTokens(form) || config.remove_space || config.do_lowercase_and_remove_accent) return undefined;
  if (isOfBlankWords(form)) return between(/\S/, / /);
  if (isOfPutSpace(form)) return beforePutSpace((text, at) => isFarFromAddedTokens(form, text, at));
  const words = partsOfForm(form.pre_tokenizer), [first, second, ...others] = words;
  if (!normalizesLocally(form) || first === undefined) return undefined;
  if (blanks.includes(first.type)) return keepsWordsApart(form, words) ? between(/\S/, /\s/) : undefined;
  if (form.model?.fuse_unk) return undefined;
  if (form.model?.type !== 'BPE' || first.add_prefix_space) return undefined;
  if (first.type === 'ByteLevel') return second === undefined && first.use_regex !== false && partsOfForm(form.normalizer).length === 0 ? between(/\S/, /[ \n]/) : undefined;
  const isKnown = first.type === 'Split' && knownPatterns.has(first.pattern?.Regex ?? '') && first.behavior === 'Isolated' && !first.invert;
  const isOfBytes = second?.type === 'ByteLevel' && second.use_regex === false && !second.add_prefix_space && others.length === 0;
  return isKnown && isOfBytes ? between(/[\p{L}\p{N}]/u, /[ \n]/) : undefined;
}

const blank = '\u2581';

/** Whether unknown characters of two words stay two tokens: in a Unigram model, where each word begins with a blank that is known. */
function keepsWordsApart({ model }: TokenizerForm, words: readonly FormPart[]): boolean {
  const isAlwaysPut = words.some(({ type, prepend_scheme = 'always' }) => type === 'Metaspace' && prepend_scheme === 'always');
  if (words.some(({ type, prepend_scheme }) => type === 'Metaspace' && prepend_scheme === 'first')) return false;
  return model?.type === 'Unigram' ? isAlwaysPut && Array.isArray(model.vocab) && model.vocab.some(([piece]) => piece === blank) : !model?.fuse_unk;
}

/** Llama 2's way: a blank is put before each text, blanks are written ▁, and pairs are joined over the whole text, but never beyond the end of a word. */
function isOfPutSpace({ normalizer, pre_tokenizer, model }: TokenizerForm): boolean {
  const [put, written, ...others] = partsOfForm(normalizer), pieces = model?.vocab ?? {};
  return put?.type === 'Prepend' && put.prepend === blank && written?.type === 'Replace' && written.pattern?.String === ' ' && written.content === blank && others.length === 0
    && partsOfForm(pre_tokenizer).length === 0 && model?.type === 'BPE' && !model.ignore_merges && Object.hasOwn(pieces, blank) && !Object.keys(pieces).some((piece) => /[^\u2581]\u2581/.test(piece));
}

/** Not beside an added token, which begins a text of its own for the normalizer; nor after a blank that is written as such. */
function isFarFromAddedTokens({ added_tokens = [] }: TokenizerForm, text: string, at: number): boolean {
  return text[at - 1] !== blank && added_tokens.every(({ content }) => at + content.length < text.length && !text.endsWith(content, at) && !text.startsWith(content, at + 1));
}

import { Tokenizer as Library } from '@huggingface/tokenizers';
import { memory } from './memory.js';
import { assertToken, type Tokenizer } from './tokenizer.js';
import { blankWords, isOfBlankWords, type TokenizerForm } from './tokenizer-form.js';

/** A tokenizer as Hugging Face's files hold it. */
export interface HuggingFaceTokenizerFiles {
  /** The contents of `tokenizer.json`. */
  readonly tokenizer: object;
  /** The contents of `tokenizer_config.json`; default: none of its settings. */
  readonly config?: object;
  /** The token before a text: config.json of a model has it. */
  readonly begin?: number;
  /** Those after it; default: that which the config calls `eos_token`. */
  readonly end?: readonly number[];
  readonly padding?: number;
}

/**
 * The tokenizer of a `tokenizer.json`. `encode` puts no special tokens about the text; `decode` leaves them out.
 * @throws {Error} where the library that reads it finds something wrong.
 */
export function huggingFaceTokenizer({ tokenizer: json, config = {}, begin, end, padding }: HuggingFaceTokenizerFiles): Tokenizer {
  const name = 'tokenizer.json', library = opened(json, config), vocabulary = library.get_vocab(true);
  let vocabularySize = 0;
  for (const id of vocabulary.values()) vocabularySize = Math.max(vocabularySize, id + 1);
  if (vocabularySize === 0) throw new Error(`${name}: its vocabulary is empty`);
  for (const id of [begin, ...end ?? []]) if (id !== undefined) assertToken(id, vocabularySize, `${name}, special tokens`);
  const about = { ...(begin === undefined ? {} : { begin }), ...(end === undefined ? {} : { end }), ...(padding === undefined ? {} : { padding }) }, mask = maskOf(json, config, vocabulary), frame = frameOf(library, vocabulary), named = namedToken(config, 'eos_token', vocabulary);
  const idsOf = (text: string): readonly number[] => library.encode(text, { add_special_tokens: false }).ids;
  const encode = isOfBlankWords(json as TokenizerForm) && !(config as { remove_space?: boolean }).remove_space ? byWords(idsOf) : (text: string) => Uint32Array.from(idsOf(text));
  return {
    vocabularySize, ...(named === undefined ? {} : { end: [named] }), ...about, ...(mask === undefined ? {} : { mask }), ...(frame ? { frame } : {}),
    encode,
    decode(ids) {
      const list = Array.from(ids);
      for (const id of list) assertToken(id, vocabularySize, name);
      return list.length === 0 ? '' : library.decode(list, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
    },
    idToToken(id) {
      assertToken(id, vocabularySize, name);
      return library.id_to_token(id) ?? '';
    },
    toJSON: () => ({ type: 'huggingFace', tokenizer: json, ...(Object.keys(config).length === 0 ? {} : { config }), ...about }),
  };
}

/** The token that config calls `mask_token`; else the special one with the name that BERT's or RoBERTa's has. */
function maskOf(json: object, config: object, vocabulary: ReadonlyMap<string, number>): number | undefined {
  const { added_tokens: added = [] } = json as { added_tokens?: readonly { content: string; special?: boolean }[] }, usual = added.find((token) => token.special && ['[MASK]', '<mask>'].includes(token.content))?.content;
  return namedToken(config, 'mask_token', vocabulary) ?? (usual === undefined ? undefined : vocabulary.get(usual));
}

/** The token that tokenizer_config.json names so. */
function namedToken(config: object, key: string, vocabulary: ReadonlyMap<string, number>): number | undefined {
  const named = (config as { readonly [key: string]: string | { readonly content?: string } | null | undefined })[key], content = typeof named === 'string' ? named : named?.content;
  return content === undefined ? undefined : vocabulary.get(content);
}

/** What the tokenizer's post-processor puts about a text. */
function frameOf(library: Library, vocabulary: ReadonlyMap<string, number>): Tokenizer['frame'] {
  const idsOf = (text: string, framed: boolean): number[] => library.encode(text, { add_special_tokens: framed }).ids;
  const text = ['a', ...vocabulary.keys()].find((one) => idsOf(one, false).length > 0);
  if (text === undefined) return undefined;
  const plain = idsOf(text, false), framed = idsOf(text, true), count = framed.length - plain.length, start = framed.findIndex((_, at) => plain.every((id, i) => framed[at + i] === id));
  return count === 0 ? undefined : { before: framed.slice(0, start), after: framed.slice(framed.length - count + start) };
}

/** Words that are remembered until as many others have come. */
const mostWords = 1 << 15;

/** The library's Metaspace does not cut a text into words, as that of the `tokenizers` library does: then pieces are searched for in all of it at once, and a long text ends in an error. */
function byWords(idsOf: (text: string) => readonly number[]): (text: string) => Uint32Array {
  const remember = memory<readonly number[]>(mostWords);
  return (text) => {
    const tokens: number[] = [];
    for (const word of blankWords(text)) for (const id of remember(word, () => idsOf(word))) tokens.push(id);
    return Uint32Array.from(tokens);
  };
}

function opened(json: object, config: object): Library {
  try {
    return new Library(json, config);
  } catch (error) {
    throw new Error(`tokenizer.json: ${(error as Error).message}`, { cause: error });
  }
}

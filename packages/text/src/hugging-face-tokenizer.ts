import { Tokenizer as Library } from '@huggingface/tokenizers';
import { assertToken, type Tokenizer } from './tokenizer.js';

/** A tokenizer as Hugging Face's files hold it. */
export interface HuggingFaceTokenizerFiles {
  /** The contents of `tokenizer.json`. */
  readonly tokenizer: object;
  /** The contents of `tokenizer_config.json`; default: none of its settings. */
  readonly config?: object;
  /** The tokens before and after a text: config.json of a model has them. */
  readonly begin?: number;
  readonly end?: readonly number[];
}

/**
 * The tokenizer of a `tokenizer.json`. `encode` puts no special tokens about the text; `decode` leaves them out.
 * @throws {Error} where the library that reads it finds something wrong.
 */
export function huggingFaceTokenizer({ tokenizer: json, config = {}, begin, end }: HuggingFaceTokenizerFiles): Tokenizer {
  const name = 'tokenizer.json', library = opened(json, config), vocabulary = library.get_vocab(true);
  let vocabularySize = 0;
  for (const id of vocabulary.values()) vocabularySize = Math.max(vocabularySize, id + 1);
  if (vocabularySize === 0) throw new Error(`${name}: its vocabulary is empty`);
  for (const id of [begin, ...end ?? []]) if (id !== undefined) assertToken(id, vocabularySize, `${name}, special tokens`);
  return {
    vocabularySize,
    ...(begin === undefined ? {} : { begin }), ...(end === undefined ? {} : { end }),
    encode: (text) => Uint32Array.from(library.encode(text, { add_special_tokens: false }).ids),
    decode(ids) {
      const list = Array.from(ids);
      for (const id of list) assertToken(id, vocabularySize, name);
      return list.length === 0 ? '' : library.decode(list, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
    },
    idToToken(id) {
      assertToken(id, vocabularySize, name);
      return library.id_to_token(id) ?? '';
    },
    toJSON: () => ({ type: 'huggingFace', tokenizer: json, ...(Object.keys(config).length === 0 ? {} : { config }), ...(begin === undefined ? {} : { begin }), ...(end === undefined ? {} : { end }) }),
  };
}

function opened(json: object, config: object): Library {
  try {
    return new Library(json, config);
  } catch (error) {
    throw new Error(`tokenizer.json: ${(error as Error).message}`, { cause: error });
  }
}

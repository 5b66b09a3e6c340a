import { byteTokens, type ScoredPieces } from './scored-pieces-tokenizer.js';
import type { Tokenizer } from './tokenizer.js';

/** `tokenizer.json` and `tokenizer_config.json`, as Hugging Face's libraries read them. */
export interface HuggingFaceForm { readonly tokenizer: object; readonly config: object }

/** The token that ends a text, as GPT-2 spells it. */
export const endOfText = '<|endoftext|>';

/** A tokenizer in Hugging Face's form: what it reads and writes is the same. */
export function huggingFaceForm({ toJSON, vocabularySize }: Pick<Tokenizer, 'toJSON' | 'vocabularySize'>): HuggingFaceForm {
  const json = toJSON();
  switch (json.type) {
    case 'huggingFace': return { tokenizer: json.tokenizer, config: json.config ?? plainConfig };
    case 'byte': return form({ model: pairs({ vocabulary: byteCharacters }), pre_tokenizer: byteLevel({ use_regex: false }), decoder: byteLevel() });
    case 'character': return form({ model: pairs({ vocabulary: [...json.characters] }), decoder: { type: 'Fuse' } });
    case 'symbol': return form({ model: { type: 'WordLevel', vocab: Object.fromEntries(json.symbols.map((symbol, id) => [symbol, id])), unk_token: json.symbols[0]! }, pre_tokenizer: { type: 'WhitespaceSplit' } });
    case 'scoredPieces': return scoredForm(json);
    case 'ended': return endedForm(huggingFaceForm({ toJSON: () => json.tokenizer, vocabularySize: vocabularySize - 1 }), vocabularySize - 1);
  }
}

/** The same with one token more, which ends a text. */
function endedForm({ tokenizer, config }: HuggingFaceForm, end: number): HuggingFaceForm {
  const { added_tokens } = tokenizer as { readonly added_tokens: readonly object[] };
  return { tokenizer: { ...tokenizer, added_tokens: [...added_tokens, special(end, endOfText)] }, config: { ...config, eos_token: endOfText } };
}

const plainConfig = { tokenizer_class: 'PreTrainedTokenizerFast', clean_up_tokenization_spaces: false };

const form = (parts: object, config: object = {}): HuggingFaceForm => ({
  tokenizer: { version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...parts },
  config: { ...plainConfig, ...config },
});

const byteLevel = (options: object = {}): object => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true, ...options });

const special = (id: number, content: string): object => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true });

/** Pairs of the characters that stand for bytes, within words as GPT-2 cuts them; one token more, the last, ends a text. */
export const bytePairForm = ({ vocabulary, merges, endOfText }: { readonly vocabulary: readonly string[]; readonly merges: readonly (readonly [string, string])[]; readonly endOfText: string }): HuggingFaceForm => form({
  added_tokens: [special(vocabulary.length, endOfText)],
  model: pairs({ vocabulary: [...vocabulary, endOfText], merges }),
  pre_tokenizer: byteLevel(), post_processor: byteLevel({ trim_offsets: false }), decoder: byteLevel(),
}, { bos_token: endOfText, eos_token: endOfText });

/** Byte-pair encoding; without merges, each character is a token. */
const pairs = ({ vocabulary, merges = [], ...rest }: { readonly vocabulary: readonly string[]; readonly merges?: readonly (readonly [string, string])[]; readonly byte_fallback?: boolean; readonly unk_token?: string }): object => ({
  type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: false,
  vocab: Object.fromEntries(vocabulary.map((piece, id) => [piece, id])), merges, ...rest,
});

/** The characters that stand for the 256 bytes in byte-level vocabularies since GPT-2: printable ones for themselves, the others from U+0100 on. */
export const byteCharacters: readonly string[] = (() => {
  const printable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : 0x100 + others++));
})();

/** In Hugging Face's vocabularies a space is written so. */
const blank = '\u2581';

function scoredForm({ pieces, scores, begin, end }: ScoredPieces): HuggingFaceForm {
  const control = new Set([0, begin, end]), bytes = new Set(byteTokens(pieces));
  const vocabulary = pieces.map((piece, id) => (id === begin ? '<s>' : id === end ? '</s>' : bytes.has(id) || control.has(id) ? piece : piece.replaceAll(' ', blank)));
  const added = [0, begin, end].filter((id) => id !== undefined).map((id) => special(id, vocabulary[id]!));
  const first = begin === undefined ? [] : [{ SpecialToken: { id: vocabulary[begin]!, type_id: 0 } }];
  return form({
    added_tokens: added,
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: blank }, { type: 'Replace', pattern: { String: ' ' }, content: blank }] },
    post_processor: begin === undefined ? null : {
      type: 'TemplateProcessing', single: [...first, { Sequence: { id: 'A', type_id: 0 } }], pair: [...first, { Sequence: { id: 'A', type_id: 0 } }, ...first, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: { [vocabulary[begin]!]: { id: vocabulary[begin]!, ids: [begin], tokens: [vocabulary[begin]!] } },
    },
    decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: blank }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] },
    model: pairs({ vocabulary, merges: mergesOf(vocabulary, scores, (id) => control.has(id) || bytes.has(id)), byte_fallback: true, unk_token: vocabulary[0]! }),
  }, { unk_token: vocabulary[0], ...(begin === undefined ? {} : { bos_token: vocabulary[begin] }), ...(end === undefined ? {} : { eos_token: vocabulary[end] }) });
}

/** Every pair of pieces whose union is a piece, the highest score first. */
function mergesOf(vocabulary: readonly string[], scores: readonly number[], isNoText: (id: number) => boolean): [string, string][] {
  const known = new Set(vocabulary.filter((_, id) => !isNoText(id)));
  return vocabulary.map((piece, id) => ({ piece, id })).filter(({ id }) => !isNoText(id)).sort((a, b) => scores[b.id]! - scores[a.id]! || a.id - b.id).flatMap(({ piece }) => {
    const characters = [...piece];
    return characters.slice(1).map((_, i): [string, string] => [characters.slice(0, i + 1).join(''), characters.slice(i + 1).join('')]).filter(([left, right]) => known.has(left) && known.has(right));
  });
}

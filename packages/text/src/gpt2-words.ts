import type { TokenizerJSON } from './tokenizer.js';

/** Words as GPT-2 cuts them: no pair crosses their borders. ByteLevel of `tokenizer.json` cuts the same. */
export const gpt2Words = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/**
 * A text in parts of whole words: cut before a space or newline that stands after something else, where a word ends
 * whatever comes after it. What does not fit is kept for the next part, so that memory is that of a chunk and a word.
 */
export function* cutAtWords(chunks: Iterable<string>): Generator<string> {
  let rest = '';
  for (const chunk of chunks) {
    rest += chunk;
    const border = lastBorder(rest);
    if (border === 0) continue;
    yield rest.slice(0, border);
    rest = rest.slice(border);
  }
  if (rest !== '') yield rest;
}

function lastBorder(text: string): number {
  for (let at = text.length - 1; at > 0; at--) if ((text[at] === ' ' || text[at] === '\n') && /\S/.test(text[at - 1]!)) return at;
  return 0;
}

/** What a tokenizer.json says of where a text is cut. */
interface Form {
  readonly normalizer?: unknown;
  readonly pre_tokenizer?: { readonly type?: string; readonly use_regex?: boolean; readonly add_prefix_space?: boolean } | null;
  readonly added_tokens?: readonly { readonly content: string; readonly lstrip?: boolean; readonly rstrip?: boolean }[];
  readonly model?: { readonly type?: string; readonly fuse_unk?: boolean };
}

/** Whether a tokenizer looks at one word of GPT-2's at a time, so that the tokens of parts by `cutAtWords` are those of the whole text. */
export function encodesWordByWord(json: TokenizerJSON): boolean {
  if (json.type !== 'huggingFace') return false;
  const { normalizer, pre_tokenizer: words, added_tokens = [], model } = json.tokenizer as Form, config = json.config as { readonly remove_space?: boolean; readonly do_lowercase_and_remove_accent?: boolean } | undefined;
  return model?.type === 'BPE' && !model.fuse_unk && (normalizer ?? null) === null && !config?.remove_space && !config?.do_lowercase_and_remove_accent
    && words?.type === 'ByteLevel' && words.use_regex !== false && !words.add_prefix_space
    && added_tokens.every(({ content, lstrip, rstrip }) => !lstrip && !rstrip && !/\s/.test(content));
}

/** A tokenizer.json of word pieces: special tokens, letters, letters within words, and pairs of letters up to 61 tokens. `frame`: what stands about a text `A`. */
export function wordPieces(special: readonly string[], frame: readonly string[]): object {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'], pieces = [...special, ...letters, ...letters.map((letter) => `##${letter}`), 'the', 'and', '##ing', '##ed', 'of', 'in'].slice(0, 61);
  const unknown = special.find((token) => /unk/i.test(token))!, single = frame.map((id) => (id === 'A' ? { Sequence: { id, type_id: 0 } } : { SpecialToken: { id, type_id: 0 } }));
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: special.map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true }, pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'TemplateProcessing', single, pair: single, special_tokens: Object.fromEntries(special.map((id, number) => [id, { id, ids: [number], tokens: [id] }])) },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: false },
    model: { type: 'WordPiece', unk_token: unknown, continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])) },
  };
}

import { describe, expect, test } from 'vitest';
import { byteTokenizer, huggingFaceTokenizer, tokenizerFromJSON, wholeTokens, type HuggingFaceTokenizerFiles } from './index.js';

const pieces = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'whale', 'ship', '##s', 'the'];
const special = (content: string): object => ({ id: pieces.indexOf(content), content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true });
const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } }), sequence = { Sequence: { id: 'A', type_id: 0 } };
/** A tokenizer.json of BERT's kind. */
const bertLike = (postProcessor: unknown, files: Partial<HuggingFaceTokenizerFiles> = {}) => huggingFaceTokenizer({
  tokenizer: {
    version: '1.0', truncation: null, padding: null, added_tokens: pieces.slice(0, 5).map(special), decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true }, pre_tokenizer: { type: 'BertPreTokenizer' },
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])) }, post_processor: postProcessor,
  },
  ...files,
});
const template = (...single: object[]) => ({ type: 'TemplateProcessing', single, pair: single, special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map((id) => [id, { id, ids: [pieces.indexOf(id)], tokens: [id] }])) });
const ids = (text: string) => text.split(' ').map((piece) => pieces.indexOf(piece));

describe('what stands about a text that is read whole', () => {
  test.each<[string, unknown, string]>([
    ['BertProcessing', { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] }, '[CLS] the whale ##s [SEP]'],
    ['a template', template(token('[CLS]'), sequence, token('[SEP]')), '[CLS] the whale ##s [SEP]'],
    ['after it alone', template(sequence, token('[SEP]')), 'the whale ##s [SEP]'],
    ['before it alone', template(token('[CLS]'), token('[CLS]'), sequence), '[CLS] [CLS] the whale ##s'],
    ['nothing', null, 'the whale ##s'],
  ])('%s', (_, postProcessor, wanted) => {
    const tokenizer = bertLike(postProcessor), again = tokenizerFromJSON(JSON.parse(JSON.stringify(tokenizer.toJSON())));
    for (const one of [tokenizer, again]) expect([...wholeTokens(one, 'The whales')]).toEqual(ids(wanted));
    expect([...tokenizer.encode('The whales')]).toEqual(ids('the whale ##s'));
  });

  test('of a text too long the first tokens, with their frame; without one all', () => {
    const tokenizer = bertLike(template(token('[CLS]'), sequence, token('[SEP]')));
    expect([...wholeTokens(tokenizer, 'the ship the whale', 4)]).toEqual(ids('[CLS] the ship [SEP]'));
    expect([...wholeTokens(tokenizer, '', 4)]).toEqual(ids('[CLS] [SEP]'));
    expect(wholeTokens(byteTokenizer(), 'abcdef', 4)).toHaveLength(6);
  });
});

test('the tokens for padding and for what is hidden', () => {
  const { mask, padding } = bertLike(null, { padding: 0 });
  expect({ mask, padding }).toEqual({ mask: 4, padding: 0 });
  expect(tokenizerFromJSON(bertLike(null, { padding: 0 }).toJSON()).padding).toBe(0);
  expect(bertLike(null, { config: { mask_token: { content: '[UNK]' } } }).mask).toBe(1);
  expect(byteTokenizer()).not.toHaveProperty('mask');
});

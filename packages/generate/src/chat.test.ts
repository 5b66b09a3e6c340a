import { expect, test } from 'vitest';
import { byteTokenizer, type Tokenizer } from '@ashlar/text';
import { chatFormat, type ChatMessage } from './index.js';

const bytes = byteTokenizer(), messages: ChatMessage[] = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hello' }, { role: 'assistant', content: 'Hi.' }, { role: 'user', content: 'Who?' }];
/** A tokenizer of bytes with the settings of a tokenizer_config.json. */
const withConfig = (config: object): Tokenizer => ({ ...bytes, toJSON: () => ({ type: 'huggingFace', tokenizer: {}, config }) });
const shown = (tokenizer: Tokenizer): string => bytes.decode(chatFormat(tokenizer).tokens(messages));

test('a plain transcript, which ends where the user would speak', () => {
  expect(shown(bytes)).toBe('System: Be brief.\n\nUser: Hello\n\nAssistant: Hi.\n\nUser: Who?\n\nAssistant:');
  expect(chatFormat(bytes).stops).toEqual(['\nUser:']);
  expect([...chatFormat({ ...bytes, begin: 1 }).tokens(messages)].slice(0, 3)).toEqual([1, 83, 121]);
});

test("the template of the tokenizer's config", () => {
  const chat_template = "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] | trim }}{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
  expect(shown(withConfig({ chat_template, bos_token: '<s>', eos_token: { content: '</s>' } }))).toBe('<s><|system|>Be brief.</s>\n<|user|>Hello</s>\n<|assistant|>Hi.</s>\n<|user|>Who?</s>\n<|assistant|>');
  expect(chatFormat(withConfig({ chat_template })).stops).toEqual([]);
});

test('a template that refuses the messages, or is none', () => {
  expect(() => chatFormat(withConfig({ chat_template: "{{ raise_exception('roles must alternate') }}" })).tokens(messages)).toThrow('roles must alternate');
  expect(() => chatFormat(withConfig({ chat_template: '{% for %}' }))).toThrow('the chat template of the tokenizer: ');
});

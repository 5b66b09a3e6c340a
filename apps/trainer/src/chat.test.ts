import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { reference } from '@ashlar/tensor/reference';
import { build } from '@ashlar/models';
import { chatFormat, decoded, generate, untilStop, type ChatMessage } from '@ashlar/generate';
import { byteTokenizer } from '@ashlar/text';
import { chat } from './chat.js';

const device = reference(), tokenizer = byteTokenizer(), context = 160;
const model = build({ modelType: 'decoder', vocabulary: 256, width: 8, depth: 1, maxLength: context, attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', initialisation: { std: 0.5 } }, { seed: 8 });
const options = { maxTokens: 6, temperature: 0 } as const;

async function talk(lines: readonly string[], system?: string): Promise<string> {
  const input = new PassThrough(), output = new PassThrough();
  input.end(lines.map((line) => `${line}\n`).join(''));
  await chat({ model, context, tokenizer, device, options, stop: [], system, input, output });
  return (output.read() as Buffer | null)?.toString() ?? '';
}
/** What the model answers to a whole conversation, without a session. */
async function answerTo(messages: readonly ChatMessage[]): Promise<string> {
  const format = chatFormat(tokenizer), prompt = format.tokens(messages);
  let text = '';
  for await (const piece of untilStop(decoded(generate({ model, device, prompt, ...options }), tokenizer, prompt), format.stops)) text += piece;
  return text.trim();
}
const user = (content: string): ChatMessage => ({ role: 'user', content }), assistant = (content: string): ChatMessage => ({ role: 'assistant', content });

test('answers each line from the whole conversation, and anew after /new', async () => {
  const system: ChatMessage = { role: 'system', content: 'Sing.' }, first = await answerTo([system, user('hello')]), second = await answerTo([system, user('hello'), assistant(first), user('who?')]), anew = await answerTo([system, user('who?')]);
  expect((await talk(['hello', '', 'who?', '/new', 'who?', '/exit', 'never'], 'Sing.')).split('\n').map((line) => line.trim())).toEqual([first, second, anew, ''].join('\n').split('\n').map((line) => line.trim()));
});

test('leaves out the oldest lines where the conversation outgrows the context', async () => {
  const long = 'x'.repeat(60), answers = (await talk([long, long, long, 'y'])).split('\n');
  expect(answers.length).toBeGreaterThanOrEqual(5);
});

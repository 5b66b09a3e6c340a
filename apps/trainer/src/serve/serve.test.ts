import { serve } from '@hono/node-server';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import OpenAI, { APIError, NotFoundError, RateLimitError } from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Device } from '@ashlar/tensor';
import { wasm } from '@ashlar/wasm';
import { build, type Decoder } from '@ashlar/models';
import { decoded, generate } from '@ashlar/generate';
import { byteTokenizer } from '@ashlar/text';
import { ServerClosed, serviceApp } from './app.js';
import { Service } from './service.js';

const context = 1000, tokenizer = byteTokenizer(), limits = { bodyBytes: 20_000, maxTokens: 900, concurrency: 2, queue: 3 };
let device: Device, model: Decoder, service: Service, server: Server, client: OpenAI, url: string;
const closing = new AbortController(), never = new AbortController().signal;

beforeAll(async () => {
  device = await wasm({ threads: 1 });
  model = build({ modelType: 'decoder', vocabulary: 256, width: 16, depth: 2, maxLength: context, attention: { type: 'grouped', heads: 2, kvHeads: 1 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', initialisation: { std: 0.4 } }, { seed: 4 });
  service = new Service({ model, tokenizer, device, context, name: 'tiny', limits });
  await new Promise<void>((resolve) => { server = serve({ fetch: serviceApp(service, closing.signal).fetch, hostname: '127.0.0.1', port: 0 }, () => resolve()) as Server; });
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  client = new OpenAI({ baseURL: url, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  service.release();
  await device.close();
});

const greedy = { model: 'tiny', temperature: 0 } as const;
/** What the model writes, by the library alone. */
async function alone(prompt: string, maxTokens: number): Promise<string> {
  let text = '';
  const start = tokenizer.encode(prompt);
  for await (const piece of decoded(generate({ model, device, prompt: start, maxTokens, temperature: 0 }), tokenizer, start)) text += piece;
  return text;
}
/** Until nothing is at work or waits any more. */
async function quiet(): Promise<void> {
  for (;;) {
    const leaves: (() => void)[] = [];
    try {
      for (let i = 0; i < limits.concurrency + limits.queue; i++) leaves.push(service.admission.enter());
      return;
    } catch {
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    } finally {
      for (const leave of leaves) leave();
    }
  }
}
const post = (path: string, body: string, headers: Record<string, string> = { 'content-type': 'application/json' }): Promise<Response> => fetch(`${url}${path}`, { method: 'POST', body, headers });

describe("OpenAI's own client", () => {
  test('lists the model', async () => {
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['tiny']);
    expect(await client.models.retrieve('tiny')).toMatchObject({ id: 'tiny', object: 'model' });
    await expect(client.models.retrieve('other')).rejects.toThrow(NotFoundError);
  });
  test('completes a text, whole and in pieces', async () => {
    const wanted = await alone('Call me', 24), request = { ...greedy, prompt: 'Call me', max_tokens: 24 };
    expect(await client.completions.create(request)).toMatchObject({ object: 'text_completion', model: 'tiny', choices: [{ index: 0, text: wanted, finish_reason: 'length' }], usage: { prompt_tokens: 7, completion_tokens: 24, total_tokens: 31 } });
    expect((await client.completions.create({ ...request, prompt: [...tokenizer.encode('Call me')] })).choices[0]!.text).toBe(wanted);
    const pieces: string[] = [], endings: (string | null)[] = [], usages: unknown[] = [];
    for await (const { choices, usage } of await client.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
      if (choices[0]) { pieces.push(choices[0].text); endings.push(choices[0].finish_reason); }
      usages.push(usage);
    }
    expect(pieces.join('')).toBe(wanted);
    expect(pieces.length).toBeGreaterThan(6);
    expect(endings.filter((ending) => ending !== null)).toEqual(['length']);
    expect(usages.at(-1)).toEqual({ prompt_tokens: 7, completion_tokens: 24, total_tokens: 31 });
  });
  test('chats, whole and in pieces', async () => {
    const request = { ...greedy, messages: [{ role: 'system' as const, content: 'Be brief.' }, { role: 'user' as const, content: [{ type: 'text' as const, text: 'Who are you?' }] }], max_completion_tokens: 20 };
    const wanted = await alone('System: Be brief.\n\nUser: Who are you?\n\nAssistant:', 20);
    expect(await client.chat.completions.create(request)).toMatchObject({ object: 'chat.completion', choices: [{ message: { role: 'assistant', content: wanted }, finish_reason: 'length' }] });
    const stream = client.chat.completions.stream(request);
    expect((await stream.finalChatCompletion()).choices[0]).toMatchObject({ message: { role: 'assistant', content: wanted }, finish_reason: 'length' });
  });
  test('stops where it is told to', async () => {
    const whole = await alone('Call me', 30), stop = whole.slice(12, 14);
    expect((await client.completions.create({ ...greedy, prompt: 'Call me', max_tokens: 30, stop })).choices[0]).toMatchObject({ text: whole.slice(0, whole.indexOf(stop)), finish_reason: 'stop' });
  });
  test('the same seed writes the same', async () => {
    const by = async (seed: number) => (await client.completions.create({ model: 'tiny', prompt: 'a', max_tokens: 20, seed, temperature: 2 })).choices[0]!.text;
    expect(await by(7)).toBe(await by(7));
    expect(await by(8)).not.toBe(await by(7));
  });
  test('several texts of one prompt, each as with a seed of its own', async () => {
    const request = { model: 'tiny', prompt: 'a', max_tokens: 12, temperature: 2 }, alone = async (seed: number) => (await client.completions.create({ ...request, seed })).choices[0]!.text;
    const wanted = [await alone(5), await alone(6), await alone(7)], { choices, usage } = await client.completions.create({ ...request, seed: 5, n: 3 });
    expect(choices.map(({ index, text }) => [index, text])).toEqual(wanted.map((text, index) => [index, text]));
    expect(usage).toMatchObject({ prompt_tokens: 1, completion_tokens: 36 });
    const pieces = ['', '', ''];
    for await (const { choices: [choice] } of await client.completions.create({ ...request, seed: 5, n: 3, stream: true })) pieces[choice!.index] += choice!.text;
    expect(pieces).toEqual(wanted);
    expect((await client.chat.completions.create({ model: 'tiny', messages: [{ role: 'user', content: 'x' }], max_tokens: 4, n: 2 })).choices.map(({ index, message }) => [index, typeof message.content])).toEqual([[0, 'string'], [1, 'string']]);
  });
  test('gets JSON by a schema, and text by a regular expression', async () => {
    const schema = { type: 'object', properties: { ok: { type: 'boolean' }, kind: { enum: ['whale', 'ship'] } }, required: ['ok', 'kind'], additionalProperties: false };
    const answer = await client.chat.completions.create({ model: 'tiny', messages: [{ role: 'user', content: 'x' }], max_tokens: 60, response_format: { type: 'json_schema', json_schema: { name: 'thing', strict: true, schema } } });
    expect(JSON.parse(answer.choices[0]!.message.content!)).toEqual({ ok: expect.any(Boolean) as boolean, kind: expect.stringMatching(/^(whale|ship)$/) as string });
    expect(answer.choices[0]!.finish_reason).toBe('stop');
    expect((await client.completions.create({ model: 'tiny', prompt: 'x', regex: '[a-c]{5}' } as never) as OpenAI.Completion).choices[0]!.text).toMatch(/^[a-c]{5}$/);
  });
});

describe('refused as OpenAI words it', () => {
  const refused = async (request: object, status: number, message: string, code: string): Promise<void> => {
    const error = await client.completions.create({ ...greedy, prompt: 'x', ...request } as never).then(() => { throw new Error('was not refused'); }, (one: unknown) => one as APIError);
    expect(error).toMatchObject({ status, code, type: 'invalid_request_error' });
    expect(error.message).toContain(message);
  };
  test.each<[object, number, string, string]>([
    [{ model: 'gpt-9' }, 404, 'the model "gpt-9" does not exist', 'model_not_found'],
    [{ prompt: 'x'.repeat(1100) }, 400, "maximum context length is 1000 tokens, and you asked for", 'context_length_exceeded'],
    [{ prompt: 'x'.repeat(950), max_tokens: 100 }, 400, '1050 (950 in the prompt, 100 to write)', 'context_length_exceeded'],
    [{ max_tokens: 901 }, 400, 'max_tokens must be at most 900, got 901', 'invalid_value'],
    [{ max_tokens: 0 }, 400, 'max_tokens', 'invalid_value'],
    [{ prompt: '' }, 400, 'prompt: must hold at least one token', 'invalid_value'],
    [{ prompt: [256] }, 400, 'tokens run from 0 to 255, got 256', 'invalid_value'],
    [{ prompt: '\ud800' }, 400, 'half a surrogate pair', 'invalid_value'],
    [{ temperature: 3 }, 400, 'temperature', 'invalid_value'],
    [{ n: 0 }, 400, 'n: ', 'invalid_value'],
    [{ n: 10, max_tokens: 100 }, 400, 'n times max_tokens must be at most 900, got 10 times 100', 'invalid_value'],
    [{ regex: '(?:(?:a?){50}){50}' }, 400, 'it takes too much work to prepare', 'invalid_value'],
    [{ logprobs: 3 }, 400, 'logprobs', 'invalid_value'],
    [{ logit_bias: { 1: 2 } }, 400, 'logit_bias is not supported', 'unsupported_parameter'],
    [{ stop: [''] }, 400, 'stop', 'invalid_value'],
    [{ regex: 'a(?=b)' }, 400, 'regex: regular expression a(?=b): Assertions are not supported', 'invalid_value'],
    [{ response_format: { type: 'json_schema', json_schema: { schema: { not: {} } } } }, 400, 'response_format: JSON schema, at its root', 'invalid_value'],
    [{ stream_options: { include_usage: true } }, 400, 'stream_options go with stream: true', 'invalid_value'],
  ])('%j', refused);
  // OpenAI's parameters that ask for what is not here; null, or what asks for nothing, is let pass.
  const both: Readonly<Record<string, unknown>> = { frequency_penalty: 0.5, logit_bias: { 1: 2 }, presence_penalty: 1, service_tier: 'flex', store: true, prompt_cache_key: 'x', safety_identifier: 'x' };
  const ofCompletions = { ...both, best_of: 2, echo: true, logprobs: 3, suffix: 'x' };
  const ofChat = {
    ...both, audio: { voice: 'x', format: 'mp3' }, function_call: 'auto', functions: [{ name: 'x' }], logprobs: true, modalities: ['audio'], parallel_tool_calls: true, prediction: { type: 'content', content: 'x' }, reasoning_effort: 'low',
    response_format: { type: 'json_object' }, tool_choice: 'auto', tools: [{ type: 'function', function: { name: 'x' } }], top_logprobs: 2, verbosity: 'low', web_search_options: {},
  };
  const asked = async (path: string, request: object): Promise<[number, string | null]> => {
    const response = await post(path, JSON.stringify({ model: 'tiny', temperature: 0, max_tokens: 2, ...request })), { error } = await response.json() as { error?: { param: string | null } };
    return [response.status, error?.param ?? null];
  };
  test.each([...Object.entries(ofCompletions).map((one) => ['/completions', ...one] as const), ...Object.entries(ofChat).map((one) => ['/chat/completions', ...one] as const)])('%s: %s is refused by its name', async (path, name, value) => {
    const given = path === '/completions' ? { prompt: 'x' } : { messages: [{ role: 'user', content: 'x' }] };
    expect(await asked(path, { ...given, [name]: value })).toEqual([400, name]);
    if (['best_of', 'echo', 'logprobs', 'suffix', 'presence_penalty', 'frequency_penalty'].includes(name)) expect(await asked(path, { ...given, [name]: null })).toEqual([200, null]);
  });
  test.each([{ role: 'tool', content: 'x', tool_call_id: 'y' }, { role: 'assistant', content: null, tool_calls: [] }, { role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }, { role: 'user', content: 'x', name: 'y' }])('the message %j is refused', async (message) => {
    const [status, param] = await asked('/chat/completions', { messages: [message] });
    expect([status, param]).toEqual([400, expect.stringMatching(/^(messages|name)/)]);
  });
  test('malformed JSON, another content type, too long a body, another path', async () => {
    const told = async (response: Response): Promise<[number, string]> => [response.status, (await response.json() as { error: { message: string } }).error.message];
    expect(await told(await post('/completions', '{"model": '))).toEqual([400, expect.stringContaining('the body is not valid JSON') as string]);
    expect(await told(await post('/completions', 'null'))).toEqual([400, expect.stringContaining('the body') as string]);
    expect(await told(await post('/completions', '{}', { 'content-type': 'text/plain' }))).toEqual([415, 'the body must be application/json']);
    expect(await told(await post('/completions', JSON.stringify({ model: 'tiny', prompt: 'x'.repeat(30_000) })))).toEqual([413, 'the body may have up to 20000 bytes']);
    expect(await told(await post('/embeddings', '{}'))).toEqual([404, expect.stringContaining('there is no POST /v1/embeddings') as string]);
    await quiet();
  });
});

describe('many at once', () => {
  test('a flood: so many are let in, the others are refused at once, and memory stays', async () => {
    const request = { ...greedy, prompt: 'Call me', max_tokens: 60 }, wanted = await alone('Call me', 60), room = limits.concurrency + limits.queue;
    const workers = [await service.admission.take(never), await service.admission.take(never)];
    for (const worker of workers) { // each compiles, while the other is busy
      service.admission.give(worker);
      await client.completions.create(request);
      expect(await service.admission.take(never)).toBe(worker);
    }
    const { bytes } = device.counters;
    let refused = 0;
    const answers = await Promise.allSettled(Array.from({ length: 120 }, async () => {
      try {
        return await client.completions.create(request);
      } catch (error) {
        if (++refused === 120 - room) for (const worker of workers) service.admission.give(worker);
        throw error;
      }
    }));
    const texts = answers.flatMap((one) => (one.status === 'fulfilled' ? [one.value.choices[0]!.text] : [])), reasons = answers.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    for (const reason of reasons) expect(reason).toBeInstanceOf(RateLimitError);
    expect((reasons[0] as RateLimitError).headers?.get('retry-after')).toBe('1');
    expect(texts).toEqual(Array(room).fill(wanted));
    expect(device.counters.bytes).toBe(bytes);
    await quiet();
  });
  test('who goes away stops the writing, and makes room', async () => {
    const long = { ...greedy, prompt: 'a', max_tokens: 900 };
    for (let round = 0; round < 4; round++) {
      const before = device.counters.runs;
      const streams = await Promise.all(Array.from({ length: 5 }, () => client.completions.create({ ...long, stream: true })));
      await Promise.race(streams.map((stream) => stream[Symbol.asyncIterator]().next()));
      for (const stream of streams) stream.controller.abort();
      await quiet();
      expect(device.counters.runs - before).toBeLessThan(5 * 900);
    }
    const control = new AbortController(), whole = client.completions.create(long, { signal: control.signal });
    setTimeout(() => control.abort(), 5);
    await expect(whole).rejects.toThrow('aborted');
    await quiet();
    expect((await client.completions.create({ ...greedy, prompt: 'Call me', max_tokens: 5 })).choices[0]!.text).toBe(await alone('Call me', 5));
  });
  test('who does not read keeps no worker', async () => {
    const idle = await Promise.all(Array.from({ length: 4 }, () => client.completions.create({ ...greedy, prompt: 'a', max_tokens: 900, stream: true })));
    expect((await client.completions.create({ ...greedy, prompt: 'Call me', max_tokens: 5 })).choices[0]!.text).toBe(await alone('Call me', 5));
    for (const stream of idle) stream.controller.abort();
    await quiet();
  });
  test('the client waits and tries again where it is let', async () => {
    const patient = new OpenAI({ baseURL: url, apiKey: 'none', maxRetries: 8 });
    const answers = await Promise.all(Array.from({ length: 12 }, () => patient.completions.create({ ...greedy, prompt: 'b', max_tokens: 10 })));
    expect(new Set(answers.map(({ choices }) => choices[0]!.text)).size).toBe(1);
  });
  test('where the server stops, what is under way ends with an error', async () => {
    const other = new AbortController(), app = serviceApp(service, other.signal);
    const answer = await app.request('/v1/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...greedy, prompt: 'a', max_tokens: 900, stream: true }) });
    const reader = answer.body!.getReader(), read = async (): Promise<string> => { const { value, done } = await reader.read(); return done ? '' : new TextDecoder().decode(value); };
    expect(await read()).toContain('"object":"text_completion"');
    other.abort(new ServerClosed('the server is stopping'));
    let rest = '';
    for (let piece = await read(); piece !== ''; piece = await read()) rest += piece;
    expect(rest).toContain('"message":"the server is stopping"');
    expect(rest).not.toContain('[DONE]');
    const late = await app.request('/v1/completions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...greedy, prompt: 'a' }) });
    expect(late.status).toBe(503);
    await quiet();
  });
});


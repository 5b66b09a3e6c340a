import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ashlar, launch, playground, type Playground } from '../test/ashlar-process.js';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

let ground: Playground, run: string;
beforeAll(async () => {
  ground = playground();
  run = ground.at('run');
  const { code, stderr } = await ashlar(['train', '--config', ground.config, '--device', 'wasm', '--out', run, '--set', 'training.steps=20', '--set', 'sample.tokens=1', '--set', 'model.positional=none', '--set', 'training.context=64']);
  if (code !== 0) throw new Error(stderr);
});
afterAll(() => ground.remove());

describe('serve', () => {
  test('answers, and ends by itself when it is interrupted, with the answer under way', async () => {
    const server = launch(['serve', '--run', run, '--port', '0', '--device', 'wasm', '--name', 'book']);
    await server.lines(1);
    const url = /http:\S+/.exec(server.printed())![0];
    const client = new OpenAI({ baseURL: url, apiKey: 'none', maxRetries: 0 });
    expect((await client.models.list()).data[0]!.id).toBe('book');
    const stream = await client.completions.create({ model: 'book', prompt: 'the ', max_tokens: 40, stream: true });
    server.child.kill('SIGINT');
    let text = '';
    for await (const { choices } of stream) text += choices[0]!.text;
    expect(text.length).toBe(40);
    expect(await server.ended).toMatchObject({ code: 0, byItself: true, stderr: expect.stringContaining('stopping: answers under way have 10 seconds') as string });
    await expect(client.models.list()).rejects.toThrow('Connection error');
  });
  test('a port that is taken', async () => {
    const first = launch(['serve', '--run', run, '--port', '0', '--device', 'wasm']);
    await first.lines(1);
    const port = /:(\d+)\/v1/.exec(first.printed())![1]!;
    expect(await ashlar(['serve', '--run', run, '--port', port, '--device', 'wasm'])).toMatchObject({ code: 1, stderr: expect.stringContaining(`cannot listen at 127.0.0.1:${port}: something listens there already; give another --port`) as string });
    first.child.kill('SIGTERM');
    expect(await first.ended).toMatchObject({ code: 0, byItself: true });
  });
});

describe('generate', () => {
  const generate = (...more: string[]) => ashlar(['generate', '--run', run, '--device', 'wasm', ...more]);
  test('is held to a regular expression', async () => {
    expect(await generate('--prompt', 'the ', '--regex', '(whale|ship) (sea|old)', '--tokens', '40')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^the (whale|ship) (sea|old)\n$/) as string });
  });
  test('ends before a text that stops it', async () => {
    const whole = (await generate('--prompt', 'the ', '--tokens', '40')).stdout, stop = whole.slice(20, 22);
    expect((await generate('--prompt', 'the ', '--tokens', '40', '--stop', stop)).stdout).toBe(`${whole.slice(0, whole.indexOf(stop, 4))}\n`);
  });
  test.each([[['--prompt', 'a', '--chat'], '--chat: goes without --prompt'], [['--prompt', 'a', '--system', 'b'], '--system: goes with --chat'], [['--prompt', 'a', '--regex', '('], '--regex: Invalid regular expression'], [['--prompt', 'a', '--json-schema', 'none.json'], '--json-schema none.json: ENOENT'], [['--prompt', 'a', '--min-p', '2'], 'It must be a number above 0 and at most 1.']])('refuses %j', async (words, message) => {
    expect(await generate(...words)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) as string });
  });
});

/** `ashlar generate` in its ways of writing; models are written with the library beside it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beamSearch, writer } from '@ashlar/generate';
import { saveHuggingFace } from '@ashlar/hub/node';
import { build, type DecoderConfigInput, type EncoderDecoderConfigInput } from '@ashlar/models';
import { huggingFaceTokenizer } from '@ashlar/text';
import { wasm } from '@ashlar/wasm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadWriter } from '../load-run.js';
import { ashlar } from '../../test/ashlar-in-process.js';
import { wordPieces } from '../../test/word-pieces.js';

const folder = mkdtempSync(join(tmpdir(), 'ashlar-generate-')), at = (...names: string[]): string => join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true }));

const decoder: DecoderConfigInput = { modelType: 'decoder', vocabulary: 61, width: 16, depth: 1, maxLength: 40, attention: { type: 'multiHead', heads: 2 }, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', initialisation: { std: 0.5, scaledResidual: false } };
const pair: EncoderDecoderConfigInput = {
  modelType: 'encoderDecoder', vocabulary: 61, width: 16, depth: 1, attention: { type: 'multiHead', heads: 2, scale: 1 }, crossAttention: { type: 'cross', heads: 2, scale: 1 }, positional: 't5Bias', norm: 'rmsNorm', feedForward: { type: 'mlp', activation: 'relu' }, logitScale: 0.25,
  initialisation: { std: 0.4, scaledResidual: false },
};
/** Imports a model of random weights as a run. */
async function made(name: string, config: DecoderConfigInput | EncoderDecoderConfigInput, seed: number, json: object, tokens: object): Promise<void> {
  const tokenizer = huggingFaceTokenizer({ tokenizer: json });
  await saveHuggingFace(at(`${name}-folder`), { config, model: build(config, { seed }), tokenizer, specialTokens: tokens } as Parameters<typeof saveHuggingFace>[1]);
  expect(await ashlar('import', at(`${name}-folder`), '--out', at(name))).toMatchObject({ code: 0 });
}
beforeAll(async () => {
  const special = ['<unk>', '<s>', '</s>'];
  await made('large', decoder, 1, wordPieces(special, ['A']), { begin: 1, end: 2 });
  await made('small', { ...decoder, width: 8, initialisation: { std: 0.7, scaledResidual: false } }, 2, wordPieces(special, ['A']), { begin: 1, end: 2 });
  await made('other', decoder, 3, wordPieces(['<pad>', ...special], ['A']), { begin: 2, end: 3 });
  // Each character is a token, as no piece looks different where a text begins.
  const pieces = ['<pad>', '</s>', '<unk>', ' ', ...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?:'], characters = { normalizer: null, pre_tokenizer: null, decoder: { type: 'Fuse' }, model: { type: 'BPE', unk_token: '<unk>', vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])), merges: [] } };
  await made('pair', pair, 4, { ...wordPieces(pieces.slice(0, 3), ['A', '</s>']), ...characters }, { decoderStart: 0, end: 1, padding: 0 });
});

const generate = (run: string, ...more: string[]) => ashlar('generate', '--run', at(run), '--device', 'wasm', ...more);

describe('an encoder-decoder', () => {
  test('writes from a source: the likeliest tokens, or those of beam search', async () => {
    const { model, tokenizer, targetTokenizer } = loadWriter(at('pair')), source = [...tokenizer.encode('the cat'), 1];
    await using device = await wasm({ threads: 1 });
    const one = writer({ model, device, context: 20, sourceContext: source.length }), tokens: number[] = [];
    for await (const token of one.write([0], { source, maxTokens: 12, temperature: 0, endTokens: [1] })) tokens.push(token);
    const text = (ids: readonly number[]): string => targetTokenizer!.decode(ids.filter((id) => id !== 0));
    expect(tokens.length).toBeGreaterThan(2);
    expect(await generate('pair', '--prompt', 'the cat', '--tokens', '12')).toMatchObject({ code: 0, stdout: `${text(tokens)}\n` });
    for (const lengthPenalty of [1, -3]) {
      const [best] = await beamSearch({ model, device, prompt: [0], source, sourceContext: source.length, beams: 3, maxTokens: 12, endTokens: [1], context: 20, lengthPenalty });
      expect(await generate('pair', '--prompt', 'the cat', '--tokens', '12', '--beams', '3', '--length-penalty', String(lengthPenalty))).toMatchObject({ code: 0, stdout: `${text(best!.tokens)}\n` });
    }
    one.release();
  });

  test('of several sources writes a target each, as alone', async () => {
    const alone = await Promise.all(['the cat', 'of a'].map((source) => generate('pair', '--prompt', source, '--tokens', '6')));
    expect(await generate('pair', '--prompt', 'the cat', '--prompt', 'of a', '--tokens', '6')).toMatchObject({ code: 0, stdout: alone.map(({ stdout }) => stdout).join('') });
  });

  test('held to a regular expression, drawn, stopped', async () => {
    expect(await generate('pair', '--prompt', 'a', '--regex', '[a-c]{4}')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[a-c]{4}\n$/) });
    const drawn = async (seed: string): Promise<string> => (await generate('pair', '--prompt', 'a', '--temperature', '1', '--typical', '0.9', '--repetition-penalty', '1.2', '--tokens', '9', '--seed', seed)).stdout;
    expect(await drawn('1')).not.toBe(await drawn('2'));
  });
});

describe('a decoder', () => {
  const prompt = ['--prompt', 'the cat'];
  test('by the guesses of a draft writes what it writes alone', async () => {
    const alone = await generate('large', ...prompt, '--tokens', '12', '--temperature', '0'), drafted = await generate('large', ...prompt, '--tokens', '12', '--temperature', '0', '--draft', at('small'), '--guesses', '3');
    expect(drafted).toMatchObject({ code: 0, stdout: alone.stdout, stderr: expect.stringMatching(/of \d+ guesses of the draft \d+ were right/) });
    const sure = await generate('large', ...prompt, '--tokens', '12', '--temperature', '0', '--draft', at('large'));
    const [, all, right] = /of (\d+) guesses of the draft (\d+) were right/.exec(sure.stderr)!;
    expect([sure.stdout, right]).toEqual([alone.stdout, all]);
  });

  test('of several prompts writes a text each, as alone', async () => {
    const one = ['--tokens', '8', '--temperature', '0.9'], whole = [(await generate('large', ...prompt, ...one, '--seed', '4')).stdout, (await generate('large', '--prompt', 'a dog and in', ...one, '--seed', '5')).stdout];
    expect(await generate('large', ...prompt, '--prompt', 'a dog and in', ...one, '--seed', '4')).toMatchObject({ code: 0, stdout: whole.join('') });
  });

  test('by beam search writes a text no less likely', async () => {
    const { model, tokenizer } = loadWriter(at('large')), start = [1, ...tokenizer.encode('the cat')];
    await using device = await wasm({ threads: 1 });
    const [best] = await beamSearch({ model, device, prompt: start, beams: 4, maxTokens: 10, endTokens: [2] });
    const { stdout, code } = await generate('large', ...prompt, '--beams', '4', '--tokens', '10');
    expect({ code, stdout }).toEqual({ code: 0, stdout: `the cat${tokenizer.decode([...start, ...best!.tokens]).slice(tokenizer.decode(start).length)}\n` });
  });
});

writeFileSync(at('schema.json'), '{"type":"boolean"}');
test.each<[string, string[], string]>([
  ['large', ['--prompt', 'a', '--draft', at('other')], 'it must have the tokenizer of --run, whose tokens it guesses, and has another'],
  ['large', ['--prompt', 'a', '--draft', at('pair')], 'its model writes from a source; a language model is needed here'],
  ['pair', ['--prompt', 'a', '--draft', at('small')], '--draft: goes with language models, and the model of'],
  ['pair', ['--chat'], '--chat: goes with language models'],
  ['large', ['--prompt', 'a', '--beams', '2', '--temperature', '1'], '--beams: goes without --temperature; leave out one of them'],
  ['large', ['--prompt', 'a', '--beams', '2', '--seed', '1'], '--beams: goes without --seed'],
  ['large', ['--prompt', 'a', '--beams', '2', '--draft', at('small')], '--beams: goes without --draft'],
  ['large', ['--prompt', 'a', '--regex', 'a', '--json-schema', at('schema.json')], '--regex: goes without --json-schema'],
  ['large', ['--prompt', 'a', '--json-schema', at('schema.json'), '--draft', at('small')], '--json-schema: goes without --draft'],
  ['large', ['--prompt', 'a', '--length-penalty', '1'], '--length-penalty: goes with --beams'],
  ['large', ['--prompt', 'a', '--guesses', '2'], '--guesses: goes with --draft'],
  ['large', ['--prompt', 'a', '--temperature', '0', '--top-k', '2'], '--top-k: goes without --temperature 0'],
  ['large', ['--prompt', 'a', '--beams', '2', '--tokens', '50'], '--tokens must be at most 39, which is what the model still takes, got 50'],
  ['large', ['--prompt', 'a', '--length-penalty', 'x'], 'It must be a number.'],
  ['large', ['--prompt', 'a', '--prompt', 'b', '--beams', '2'], '--beams: goes with one --prompt, got 2'],
  ['large', [], 'generate needs --prompt TEXT, or --chat'],
])('%s %j is refused', async (run, words, message) => {
  expect(await generate(run, ...words)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(message) });
});

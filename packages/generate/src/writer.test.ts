import { describe, expect, test, vi } from 'vitest';
import { jit, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';
import { build, type Decoder, type DecoderConfigInput } from '@ashlar/models';
import { ContextError, generate, writer, type Ending, type Writer, type WritingOptions } from './index.js';

const base = { modelType: 'decoder', vocabulary: 11, width: 16, depth: 2, maxLength: 40, positional: 'rotary', norm: 'rmsNorm', feedForward: 'swiglu', initialisation: { std: 0.4 } } as const;
const attentions: Record<string, DecoderConfigInput['attention']> = {
  grouped: { type: 'grouped', heads: 4, kvHeads: 2 },
  'a window, which rolls': { type: 'grouped', heads: 2, kvHeads: 1, mask: { type: 'slidingWindow', windowKeys: 5 } },
  'a recurrent state': { type: 'retention', heads: 2 },
  'a window, a latent and a recurrent state': { type: 'perLayer', order: 'LGR', variants: { L: { type: 'grouped', heads: 2, kvHeads: 1, mask: { type: 'slidingWindow', windowKeys: 3 } }, G: { type: 'latent', heads: 2, kvRank: 6, rotatedWidth: 4 }, R: { type: 'deltaRule', heads: 2 } } },
};
const modelOf = (attention: DecoderConfigInput['attention'], more: Partial<DecoderConfigInput> = {}): Decoder => build({ ...base, attention, ...more } as DecoderConfigInput, { seed: 5 });
const greedy = { temperature: 0 } as const;
const prompt = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];

async function all(tokens: AsyncGenerator<number, Ending>): Promise<{ tokens: number[]; ending: Ending }> {
  const found: number[] = [];
  for (;;) {
    const { value, done } = await tokens.next();
    if (done) return { tokens: found, ending: value };
    found.push(value);
  }
}
const written = async (one: Writer, given: readonly number[], options: WritingOptions): Promise<number[]> => (await all(one.write(given, options))).tokens;

/** The most likely token after the whole text, by the model without any of this package. */
async function greedyOf(model: Decoder, device: Device, given: readonly number[], count: number): Promise<number[]> {
  const run = jit((tokens: Tensor) => model.logits(tokens), { device }), text = [...given];
  for (let i = 0; i < count; i++) {
    const logits = await run(tensor(Int32Array.from(text), { shape: [1, text.length] })).data(), last = [...logits.slice(-model.vocabulary)];
    text.push(last.indexOf(Math.max(...last)));
  }
  run.release();
  return text.slice(given.length);
}

describe.each(Object.entries(attentions))('%s', (_, attention) => {
  test('writes what the whole text says, from a cache and without one, alone and in a batch', async () => {
    const device = reference(), model = modelOf(attention, { depth: 3 });
    const wanted = await greedyOf(model, device, prompt, 8);
    const one = writer({ model, device, context: 24 }), whole = writer({ model, device, context: 24, cache: false });
    expect(await written(one, prompt, { ...greedy, maxTokens: 8 })).toEqual(wanted);
    expect(await written(whole, prompt, { ...greedy, maxTokens: 8 })).toEqual(wanted);
    expect(await written(one, prompt, { ...greedy, maxTokens: 8, repetitionPenalty: 1 + 1e-9 })).toEqual(wanted); // by the logits instead of the token

    const prompts = [prompt, [7], prompt.slice(0, 4), [2, 2, 2]], options = { maxTokens: 6, seed: 30, temperature: 0.7, topP: 0.9 };
    const alone: number[][] = [];
    for (const [r, given] of prompts.entries()) alone.push(await written(one, given, { ...options, seed: 30 + r }));
    const together = writer({ model, device, context: 24, batch: 4 }), rows: number[][] = [[], [], [], []], endings: Ending[] = [];
    for await (const next of together.writeBatch(prompts, options)) {
      if ('token' in next) rows[next.row]!.push(next.token);
      else endings.push(next.ending);
    }
    expect(rows).toEqual(alone);
    expect(endings).toEqual(Array(4).fill('maxTokens'));
    for (const used of [one, whole, together]) used.release();
    await model.toHost();
  });
});

describe('a writer', () => {
  const model = modelOf(attentions.grouped!), device = reference();
  /** Counts the tokens that the model is asked to read. */
  const counting = (inner: Decoder): { model: Decoder; sizes: number[] } => {
    const sizes: number[] = [];
    return { sizes, model: new Proxy(inner, { get: (target, name) => (name === 'cachedLogits' ? (...args: Parameters<Decoder['cachedLogits']>) => { sizes.push(args[0].shape[1]!); return target.cachedLogits(...args); } : (Reflect.get(target, name, target) as unknown)) }) };
  };

  test('goes on from what it has read, and where that is another text reads from where they part', async () => {
    const one = writer({ model, device }), answer = await written(one, prompt, { ...greedy, maxTokens: 5 });
    const longer = [...prompt, ...answer, 7, 8], other = [...prompt.slice(0, 6), 10, 0];
    for (const given of [longer, other, prompt, prompt]) {
      const fresh = writer({ model, device });
      const runs = device.counters.runs, got = await written(one, given, { ...greedy, maxTokens: 4 }), used = device.counters.runs - runs;
      expect(got).toEqual(await written(fresh, given, { ...greedy, maxTokens: 4 }));
      expect(used).toBeLessThanOrEqual(8); // of 18, 8 and 11 tokens, read one by one where fewer than 8 are new, and 3 written
      fresh.release();
    }
    one.release();
  });
  test('compiles few sizes, once', async () => {
    const { model: watched, sizes } = counting(model), one = writer({ model: watched, device });
    await written(one, Array.from({ length: 30 }, (_, i) => i % 11), { ...greedy, maxTokens: 3 });
    await written(one, Array.from({ length: 23 }, (_, i) => (i + 1) % 11), { ...greedy, maxTokens: 3 });
    expect(sizes.toSorted()).toEqual([1, 8]);
    one.release();
  });
  test('ends at an end token, which it keeps to itself', async () => {
    const plain = await all(generate({ model, device, prompt, maxTokens: 12, ...greedy })), end = plain.tokens[4]!;
    expect(plain).toMatchObject({ ending: 'maxTokens', tokens: { length: 12 } });
    const cut = await all(generate({ model, device, prompt, maxTokens: 12, endTokens: [end], ...greedy }));
    expect(cut).toEqual({ tokens: plain.tokens.slice(0, plain.tokens.indexOf(end)), ending: 'endToken' });
  });
  test('the same seed writes the same, another one something else', async () => {
    const by = async (seed: number) => (await all(generate({ model, device, prompt, maxTokens: 20, seed, temperature: 2 }))).tokens;
    const first = await by(4);
    expect(await by(4)).toEqual(first);
    expect(await by(5)).not.toEqual(first);
  });
  test('stops when it is told to, and can be used again', async () => {
    const one = writer({ model, device }), control = new AbortController(), seen: number[] = [];
    await expect((async () => {
      for await (const token of one.write(prompt, { maxTokens: 20, signal: control.signal })) if (seen.push(token) === 3) control.abort(new Error('enough'));
    })()).rejects.toThrow('enough');
    expect(seen.length).toBe(3);
    for await (const token of one.write(prompt, { maxTokens: 20 })) if (seen.push(token) === 6) break;
    expect(await written(one, prompt, { ...greedy, maxTokens: 3 })).toEqual((await all(generate({ model, device, prompt, maxTokens: 3, ...greedy }))).tokens);
    one.release();
  });
  test('refuses what cannot be', async () => {
    const one = writer({ model, device, context: 12 }), options = { ...greedy, maxTokens: 3 };
    const refused = (given: readonly number[], more: Partial<WritingOptions>, message: string) => expect(written(one, given, { ...options, ...more })).rejects.toThrow(message);
    await refused([], {}, 'the prompt must hold at least one token');
    await refused([3, 11], {}, 'tokens of the model run from 0 to 10, got 11: does the tokenizer belong to the model?');
    await refused([3], { maxTokens: 0 }, 'maxTokens');
    await refused([3], { topK: 0 }, 'topK');
    await refused([...prompt, 1, 2], {}, 'the text would have 13 tokens, and the context holds 12');
    await expect(written(one, prompt, options)).rejects.toThrow(ContextError);
    await expect(all(one.writeBatch([prompt, prompt], options) as never)).rejects.toThrow('the writer takes 1 prompts at once (batch), got 2');
    const first = one.write([1], options);
    await first.next();
    await refused([3], {}, 'the writer is still writing');
    await first.return('maxTokens');
    expect((await written(one, [3], options)).length).toBe(3);
    expect(() => writer({ model, device, context: 41 })).toThrow("context must be at most the model's maxLength (40), got 41");
    one.release();
  });
});

describe('where the context is full', () => {
  test('it slides: the older half is forgotten, and the text goes on as from the newer half alone', async () => {
    const model = modelOf(attentions.grouped!), device = reference(), one = writer({ model, device, context: 10 });
    const text = [...prompt.slice(0, 6), ...await written(one, prompt.slice(0, 6), { ...greedy, maxTokens: 20, overflow: 'slide' })];
    // By the whole-text model: the window begins at 0 and, when it would hold 11 tokens, 5 before the newest.
    let from = 0;
    const wanted = prompt.slice(0, 6);
    for (let end = 6; end < 26; end++) {
      if (end - from > 10) from = end - 5;
      wanted.push(...await greedyOf(model, device, wanted.slice(from, end), 1));
    }
    expect(text).toEqual(wanted);
    expect((await written(one, [...prompt, ...prompt], { ...greedy, maxTokens: 2, overflow: 'slide' })).length).toBe(2);
    one.release();
  });
  test.each(['a window, which rolls', 'a recurrent state'])('%s has no end, where positions have none', async (name) => {
    const model = modelOf(attentions[name]!, { maxLength: undefined, positional: 'none' }), device = reference(), one = writer({ model, device, context: 8 });
    expect(one.context).toBe(Infinity);
    const got = await written(one, [...prompt, ...prompt], { ...greedy, maxTokens: 10 });
    expect(got).toEqual(await greedyOf(model, device, [...prompt, ...prompt], 10));
    one.release();
  });
  test('a model without a longest text asks for a context', () => {
    expect(() => writer({ model: modelOf(attentions.grouped!, { maxLength: undefined }), device: reference() })).toThrow('say how many tokens the text may have (context)');
  });
});

test('on wasm: the same text as on the reference, and memory does not grow from token to token', async () => {
  await using device = await wasm({ threads: 1 });
  const model = modelOf(attentions.grouped!), wanted = await greedyOf(model, device, prompt, 16), one = writer({ model, device });
  expect(await written(one, prompt, { ...greedy, maxTokens: 16 })).toEqual(wanted);
  await written(one, prompt, { temperature: 0.5, maxTokens: 4 });
  const { bytes, allocations } = device.counters;
  await written(one, prompt, { temperature: 0.5, maxTokens: 28 });
  await written(one, prompt, { ...greedy, maxTokens: 28 });
  expect(device.counters).toMatchObject({ bytes, allocations });
  one.release();
});

test('a cache in half precision, on a device that has it', async () => {
  await using device = await wasm({ threads: 1 });
  const model = modelOf(attentions.grouped!), caches = vi.spyOn(model, 'cache'), options = { model, device, cacheDtype: 'f16' } as const, one = writer(options), wanted = await greedyOf(model, device, prompt, 8);
  expect(await written(one, prompt, { ...greedy, maxTokens: 8 })).toEqual(wanted);
  one.release();
  expect((await all(generate({ ...options, prompt, ...greedy, maxTokens: 8 }))).tokens).toEqual(wanted);
  expect(caches.mock.results.map(({ value }) => (value as { readonly dtype: string }).dtype)).toEqual(['f16', 'f16']);
  expect(() => writer({ ...options, cache: false })).toThrow('cacheDtype is of a cache, and there is none');
  expect(() => writer({ ...options, device: { description: 'a device', dtypes: new Set(['f32', 'i32']) } as unknown as Device })).toThrow('cacheDtype f16 is none of a device, which has f32, i32');
});

import { defineBenchmark } from '@ashlar/conformance/benchmark';
import { writer, type Writer } from '@ashlar/generate';
import { huggingFaceFiles } from '@ashlar/hub';
import { build, type Decoder, type DecoderConfigInput } from '@ashlar/models';
import { plainLlama } from '../src/test/plain-llama.js';

/** The sizes of stories260K, a Llama of 260,032 parameters; weights are random. */
const llama = {
  modelType: 'decoder', vocabulary: 512, width: 64, depth: 5, maxLength: 512, attention: { type: 'grouped', heads: 8, kvHeads: 4 },
  positional: 'rotary', norm: 'rmsNorm', feedForward: { type: 'swiglu', hidden: 172 }, initialisation: { std: 0.08 },
} as const satisfies DecoderConfigInput;
const sizes = { width: 64, hidden: 172, layers: 5, heads: 8, kvHeads: 4, vocabulary: 512, context: 512, theta: 10000, epsilon: 1e-5 };
const attentions: Readonly<Record<string, DecoderConfigInput['attention']>> = {
  full: llama.attention, none: llama.attention, plainJavaScript: llama.attention,
  window: { ...llama.attention, mask: { type: 'slidingWindow', windowKeys: 64 } }, recurrent: { type: 'retention', heads: 8 },
};

const written = async (one: Writer, prompt: ArrayLike<number>, maxTokens: number): Promise<number[]> => {
  const tokens: number[] = [];
  for await (const token of one.write(prompt, { maxTokens, temperature: 0 })) tokens.push(token);
  return tokens;
};

/** The most likely tokens by a plain loop over the weights. */
async function plainWriter(model: Decoder, config: DecoderConfigInput): Promise<(first: number, count: number) => number[]> {
  const { tensors } = await huggingFaceFiles({ config, model }, { family: 'llama' });
  return (first, count) => {
    const step = plainLlama(sizes, (name) => tensors.get(name)!.data as Float32Array), text = [first];
    for (let t = 0; t < count; t++) {
      const logits = step(text[t]!, t);
      let best = 0;
      for (let v = 1; v < logits.length; v++) if (logits[v]! > logits[best]!) best = v;
      text.push(best);
    }
    return text.slice(1);
  };
}

export const benchmarks = [defineBenchmark({
  suite: 'decode', name: 'decode', description: 'Reads a prompt, or writes tokens from one, with a Llama of 260,032 parameters, greedily.',
  parameters: { work: ['prompt', 'tokens'], cache: ['full', 'window', 'recurrent', 'none', 'plainJavaScript'], tokens: [200] },
  when: ({ work, cache }) => work === 'tokens' || (cache !== 'none' && cache !== 'plainJavaScript'),
  async prepare({ work, cache, tokens }, place) {
    const config = { ...llama, attention: attentions[cache]! }, device = await place.device(), model = build(config, { seed: 1 });
    const context = 8 * Math.ceil((tokens + 1) / 8), one = writer({ model, device, context, cache: cache !== 'none' });
    const plain = cache === 'plainJavaScript' ? await plainWriter(model, config) : undefined;
    let turn = 0;
    return {
      work: { tokens },
      async check() {
        const other = writer({ model, device, context, cache: false }), wanted = (await written(other, [1], 24)).join();
        other.release();
        const got = (plain ? plain(1, 24) : await written(one, [1], 24)).join();
        if (got !== wanted) throw new Error(`wrote ${got}, and the whole text says ${wanted}`);
      },
      async run() {
        turn++;
        // A prompt that begins otherwise each time: what was read before is of no use.
        if (work === 'prompt') await written(one, Array.from({ length: tokens }, (_, i) => (turn + i) % 512), 1);
        else if (plain) plain(1, tokens);
        else await written(one, [turn % 512], tokens);
      },
      release: () => one.release(),
    };
  },
  judge(results) {
    const time = (cache: string): number | undefined => results.find(({ parameters }) => parameters.work === 'tokens' && parameters.cache === cache)?.ms;
    const full = time('full'), none = time('none'), plain = time('plainJavaScript');
    return [
      ...(full && none ? [{ what: `a cache makes writing ${(none / full).toFixed(1)} times as fast (5)`, holds: none / full >= 5 }] : []),
      ...(full && plain ? [{ what: `faster than a plain loop in JavaScript: ${(plain / full).toFixed(1)} times (1)`, holds: plain / full >= 1 }] : []),
    ];
  },
})];

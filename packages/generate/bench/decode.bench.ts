import { defineBenchmark } from '@ashlar/conformance/benchmark';
import { writer, type Writer } from '@ashlar/generate';
import { exportDecoderOnnx, huggingFaceFiles, onnxBytes } from '@ashlar/hub';
import { build, type Decoder, type DecoderConfigInput } from '@ashlar/models';
import { plainLlama } from '../src/test/plain-llama.js';

/** The sizes of stories260K, a Llama of 260,032 parameters; weights are random. */
const llama = {
  modelType: 'decoder', vocabulary: 512, width: 64, depth: 5, maxLength: 512, attention: { type: 'grouped', heads: 8, kvHeads: 4 },
  positional: 'rotary', norm: 'rmsNorm', feedForward: { type: 'swiglu', hidden: 172 }, initialisation: { std: 0.08 },
} as const satisfies DecoderConfigInput;
const sizes = { width: 64, hidden: 172, layers: 5, heads: 8, kvHeads: 4, vocabulary: 512, context: 512, theta: 10000, epsilon: 1e-5 };
const attentions: Readonly<Record<string, DecoderConfigInput['attention']>> = {
  full: llama.attention, none: llama.attention, plainJavaScript: llama.attention, onnxRuntime: llama.attention,
  window: { ...llama.attention, mask: { type: 'slidingWindow', windowKeys: 64 } }, recurrent: { type: 'retention', heads: 8 },
};

const written = async (one: Writer, prompt: ArrayLike<number>, maxTokens: number): Promise<number[]> => {
  const tokens: number[] = [];
  for await (const token of one.write(prompt, { maxTokens, temperature: 0 })) tokens.push(token);
  return tokens;
};

/** Others that write the most likely tokens. */
interface Other { write(first: number, count: number): Promise<number[]>; release(): Promise<void> }

/** @param step The logits after a token at a place. */
async function mostLikely(step: (token: number, place: number) => ArrayLike<number> | Promise<ArrayLike<number>>, first: number, count: number): Promise<number[]> {
  const text = [first];
  for (let t = 0; t < count; t++) {
    const logits = await step(text[t]!, t);
    let best = 0;
    for (let v = 1; v < logits.length; v++) if (logits[v]! > logits[best]!) best = v;
    text.push(best);
  }
  return text.slice(1);
}

/** A plain loop over the weights. */
async function plainWriter(model: Decoder, config: DecoderConfigInput): Promise<Other> {
  const { tensors } = await huggingFaceFiles({ config, model }, { family: 'llama' });
  return { write: (first, count) => mostLikely(plainLlama(sizes, (name) => tensors.get(name)!.data as Float32Array), first, count), release: () => Promise.resolve() };
}

/** ONNX Runtime, with the decoder that we export and what it remembers. */
async function onnxWriter(model: Decoder, threads: number): Promise<Other> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node'), exported = await exportDecoderOnnx(model, { padding: false });
  const session = await InferenceSession.create(onnxBytes(exported), { intraOpNumThreads: threads }), past = exported.inputs.filter(({ name }) => name.startsWith('past_'));
  const whole = (value: number): InstanceType<typeof Tensor> => new Tensor('int64', [BigInt(value)], [1, 1]);
  return {
    write: (first, count) => {
      let kept: Record<string, InstanceType<typeof Tensor>> = Object.fromEntries(past.map(({ name, shape }) => [name, new Tensor('float32', [], shape.map((size) => (typeof size === 'number' ? size : size === 'batch_size' ? 1 : 0)))]));
      return mostLikely(async (token, place) => {
        const results = await session.run({ input_ids: whole(token), position_ids: whole(place), ...kept });
        kept = Object.fromEntries(past.map(({ name }) => [name, results[name.replace('past_key_values', 'present')] as InstanceType<typeof Tensor>]));
        return results['logits']!.data as Float32Array;
      }, first, count);
    },
    release: () => session.release(),
  };
}

export const benchmarks = [defineBenchmark({
  suite: 'decode', name: 'decode', description: 'Reads a prompt, or writes tokens from one, with a Llama of 260,032 parameters, greedily; beside a plain loop in JavaScript, and ONNX Runtime with the decoder that we export.',
  parameters: { work: ['prompt', 'tokens'], cache: ['full', 'window', 'recurrent', 'none', 'plainJavaScript', 'onnxRuntime'], tokens: [200] },
  when: ({ work, cache }) => work === 'tokens' || !['none', 'plainJavaScript', 'onnxRuntime'].includes(cache),
  async prepare({ work, cache, tokens }, place) {
    const config = { ...llama, attention: attentions[cache]! }, device = await place.device(), model = build(config, { seed: 1 });
    const context = 8 * Math.ceil((tokens + 1) / 8), one = writer({ model, device, context, cache: cache !== 'none' });
    const rival = cache === 'plainJavaScript' ? await plainWriter(model, config) : cache === 'onnxRuntime' ? await onnxWriter(model, place.threads) : undefined;
    let turn = 0;
    return {
      work: { tokens },
      async check() {
        const other = writer({ model, device, context, cache: false }), wanted = (await written(other, [1], 24)).join();
        other.release();
        const got = (await (rival?.write(1, 24) ?? written(one, [1], 24))).join();
        if (got !== wanted) throw new Error(`wrote ${got}, and the whole text says ${wanted}`);
      },
      async run() {
        turn++;
        // A prompt that begins otherwise each time: what was read before is of no use.
        if (work === 'prompt') await written(one, Array.from({ length: tokens }, (_, i) => (turn + i) % 512), 1);
        else if (rival) await rival.write(1, tokens);
        else await written(one, [turn % 512], tokens);
      },
      async release() {
        await rival?.release();
        one.release();
      },
    };
  },
  judge(results) {
    const time = (cache: string): number | undefined => results.find(({ parameters }) => parameters.work === 'tokens' && parameters.cache === cache)?.ms;
    const full = time('full'), none = time('none'), plain = time('plainJavaScript'), onnx = time('onnxRuntime');
    return [
      ...(full && none ? [{ what: `a cache makes writing ${(none / full).toFixed(1)} times as fast (5)`, holds: none / full >= 5 }] : []),
      ...(full && plain ? [{ what: `faster than a plain loop in JavaScript: ${(plain / full).toFixed(1)} times (1)`, holds: plain / full >= 1 }] : []),
      ...(full && onnx ? [{ what: `as fast as ONNX Runtime with a cache: ${(onnx / full).toFixed(1)} times (1)`, holds: onnx / full >= 1 }] : []),
    ];
  },
})];

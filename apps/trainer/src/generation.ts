import { hostRandom, jit, randomKey, tensor, type Device, type Tensor } from '@ashlar/tensor';
import { sample, type SamplingOptions } from './sampling.js';

/** What generation asks of a model: tokens [B, T] give logits [B, T, V], those of a place from the places up to it alone. */
export interface LogitsModel { logits(tokens: Tensor): Tensor }

export interface GenerationOptions extends SamplingOptions {
  readonly model: LogitsModel;
  readonly device: Device;
  /** T: how many tokens the model sees at most; where the text grows longer, the window slides. */
  readonly context: number;
  /** Token numbers to go on from, at least one. */
  readonly prompt: ArrayLike<number>;
  /** How many tokens to write. */
  readonly tokens: number;
  /** The same seed gives the same text on the same device. */
  readonly seed: number;
}

/**
 * Writes tokens one by one. The model is compiled once for [1, T]: what lies after the last token is padding, which a
 * causal model does not see.
 */
export async function* generate(options: GenerationOptions): AsyncGenerator<number> {
  const { model, device, context, prompt, tokens } = options;
  if (prompt.length === 0) throw new RangeError('generate: the prompt must hold at least one token');
  const logitsAt = jit((window: Tensor, place: Tensor): Tensor => {
    const logits = model.logits(window);
    return logits.reshape([context, logits.shape.at(-1)!]).gather(place);
  }, { device, name: 'generate' });
  const uniform = hostRandom(randomKey(options.seed));
  const text = Array.from(prompt);
  try {
    for (let written = 0; written < tokens; written++) {
      const seen = text.slice(-context);
      const window = new Int32Array(context);
      window.set(seen);
      const logits = await logitsAt(tensor(window, { shape: [1, context] }), tensor(Int32Array.of(seen.length - 1))).data();
      const next = sample(logits, options, uniform());
      text.push(next);
      yield next;
    }
  } finally {
    logitsAt.release();
  }
}

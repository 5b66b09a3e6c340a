/** What decoding remembers. */
import { jit, planningDevice, tensor, zeros, type Device, type Tensor } from '@ashlar/tensor';
import { CombinationError, Decoder, EncoderDecoder, build, type ModelConfigInput, type OwnParts } from '@ashlar/models';

/**
 * Bytes of the cache of one sequence, for each number of tokens; of an encoder-decoder with so many tokens of the source
 * too. Undefined where the model keeps no cache (encoders, and attention without one). Nothing is allocated.
 */
export function cacheBytes(config: ModelConfigInput, contexts: readonly number[], device: Device, parts?: OwnParts): readonly { readonly context: number; readonly bytes: number }[] | undefined {
  const planner = planningDevice(device), model = build(config, { seed: 'none', ...(parts ? { parts } : {}) }) as unknown;
  if (!(model instanceof Decoder) && !(model instanceof EncoderDecoder)) return undefined;
  const bytesAt = (context: number): number => {
    const cache = model.cache({ capacity: context });
    const step = jit((tokens: Tensor, start: Tensor) => (model instanceof EncoderDecoder
      ? model.cachedLogits(tokens, cache, start, { encoded: zeros([1, context, model.encoder.width]) }) : model.cachedLogits(tokens, cache, start)), { device: planner });
    step.prepare(zeros([1, 1], 'i32'), tensor(Int32Array.of(0), { shape: [] }));
    return cache.bytes;
  };
  try {
    return contexts.map((context) => ({ context, bytes: bytesAt(context) }));
  } catch (error) {
    if (error instanceof CombinationError) return undefined;
    throw error;
  }
}

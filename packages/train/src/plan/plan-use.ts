/** What a model takes when it is used: what decoding remembers, and the plan of a call. */
import { jit, planningDevice, plannedBytes, tensor, zeros, type Device, type Plan, type Tensor } from '@ashlar/tensor';
import { CombinationError, Decoder, Encoder, EncoderDecoder, build, type ModelConfigInput, type OwnParts } from '@ashlar/models';

type Writing = Decoder | EncoderDecoder;

/** Plans `count` tokens written at once into a cache of one sequence with room for `context`; of an encoder-decoder with so many of the source. */
function decodingPlan(model: Writing, context: number, count: number, planner: Device): { readonly plan: Plan; readonly cacheBytes: number } {
  const cache = model.cache({ capacity: context });
  const step = jit((tokens: Tensor, start: Tensor) => (model instanceof EncoderDecoder
    ? model.cachedLogits(tokens, cache, start, { encoded: zeros([1, context, model.encoder.width]) }) : model.cachedLogits(tokens, cache, start)), { device: planner });
  step.prepare(zeros([1, count], 'i32'), tensor(Int32Array.of(0), { shape: [] }));
  return { plan: step.plan!, cacheBytes: cache.bytes };
}

const modelOf = (config: ModelConfigInput, parts?: OwnParts): Writing | Encoder => build(config, { seed: 'none', ...(parts ? { parts } : {}) }) as Writing | Encoder;

/**
 * Bytes of the cache of one sequence, for each number of tokens; of an encoder-decoder with so many tokens of the source
 * too. Undefined where the model keeps no cache (encoders, and attention without one). Nothing is allocated.
 */
export function cacheBytes(config: ModelConfigInput, contexts: readonly number[], device: Device, parts?: OwnParts): readonly { readonly context: number; readonly bytes: number }[] | undefined {
  const planner = planningDevice(device), model = modelOf(config, parts);
  if (model instanceof Encoder) return undefined;
  try {
    return contexts.map((context) => ({ context, bytes: decodingPlan(model, context, 1, planner).cacheBytes }));
  } catch (error) {
    if (error instanceof CombinationError) return undefined;
    throw error;
  }
}

/** The use of a model: the plan of one token written (of an encoder: of a text of the whole context), and the bytes of the greatest of its plans. */
export interface UsePlan { readonly plan: Plan; readonly bytes: number }

/** As many tokens of a prompt as are read at once. */
const promptChunk = 512;

/**
 * What a model takes when it is used for one sequence of `context` tokens: a decoder reads a prompt, at most 512 tokens at
 * once, and then writes one token at a time from its cache; an encoder reads a text. Nothing is allocated.
 */
export function planUse(config: ModelConfigInput, context: number, device: Device): UsePlan {
  const planner = planningDevice(device), model = modelOf(config);
  if (model instanceof Encoder) {
    const read = jit((tokens: Tensor) => (model.head ? model.logits(tokens) : model.states(tokens)), { device: planner });
    read.prepare(zeros([1, context], 'i32'));
    return { plan: read.plan!, bytes: plannedBytes(read.plan!) };
  }
  const { plan } = decodingPlan(model, context, 1, planner), { plan: prompt } = decodingPlan(model, context, Math.min(promptChunk, context), planner);
  return { plan, bytes: Math.max(plannedBytes(plan), plannedBytes(prompt)) };
}

import { requireCount } from '@ashlar/nn';
import type { ReaderOptions } from './reader.js';
import { writer, type Ending, type WritingOptions } from './writer.js';

export interface GenerateOptions extends WritingOptions, Omit<ReaderOptions, 'batch'> {
  /** Token numbers to go on from, at least one. */
  readonly prompt: ArrayLike<number>;
}

/** Room is made in steps of so many tokens, so that attention over places that stay empty costs little. */
const roomStep = 64;

/**
 * Writes on from a prompt, token by token. The context is as small as the text allows; a `writer` keeps what it has read,
 * and what it has compiled, for the next text.
 * @throws {RangeError | ContextError}
 */
export async function* generate({ prompt, model, device, context = model.maxLength, sourceContext, cache, cacheDtype, ...options }: GenerateOptions): AsyncGenerator<number, Ending> {
  requireCount('generate', 'maxTokens', options.maxTokens);
  const needed = Math.ceil((prompt.length + options.maxTokens) / roomStep) * roomStep;
  const one = writer({ model, device, context: Math.min(needed, context ?? needed), sourceContext, cache, cacheDtype });
  try {
    return yield* one.write(prompt, options);
  } finally {
    one.release();
  }
}

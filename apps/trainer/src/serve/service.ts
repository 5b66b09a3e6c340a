import { chatFormat, decoded, jsonOf, JsonSchemaError, matching, untilStop, writer, type ChatFormat, type Constraint, type Ending, type ReadableModel, type Writer } from '@ashlar/generate';
import type { Device } from '@ashlar/tensor';
import { UnknownCharacterError, textTokens, type Tokenizer } from '@ashlar/text';
import { Admission } from './admission.js';
import { ApiError } from './api-error.js';
import type { ChatRequest, CompletionRequest } from './requests.js';

export interface Limits {
  /** Bytes of a request's body. */
  readonly bodyBytes: number;
  /** Tokens that a request may ask for. */
  readonly maxTokens: number;
  /** Requests at work at once, each with a cache of its own. */
  readonly concurrency: number;
  /** Requests that may wait. */
  readonly queue: number;
}

export interface ServiceOptions {
  readonly model: ReadableModel;
  readonly tokenizer: Tokenizer;
  readonly device: Device;
  /** T: the longest text. */
  readonly context: number;
  readonly cacheDtype?: 'f32' | 'f16' | undefined;
  /** What clients call the model. */
  readonly name: string;
  readonly limits: Limits;
}

/** A text to be written. */
export interface Job {
  readonly promptTokens: number;
  /** How many texts are asked for. */
  readonly texts: number;
  /** One of the texts as it comes, then why it ended. `count.tokens` is how many tokens were written so far. */
  run(index: number, signal: AbortSignal, count: { tokens: number }): AsyncGenerator<string, 'stop' | 'length'>;
}

const defaultTokens = 256;

/** What the server does, apart from how it is asked. */
export class Service {
  readonly name: string;
  readonly limits: Limits;
  readonly admission: Admission<Writer>;
  readonly #writers: readonly Writer[];
  readonly #options: ServiceOptions;
  readonly #chat: ChatFormat;

  constructor(options: ServiceOptions) {
    const { model, device, context, cacheDtype, tokenizer, name, limits } = options;
    this.name = name;
    this.limits = limits;
    this.#options = options;
    this.#chat = chatFormat(tokenizer);
    this.#writers = Array.from({ length: limits.concurrency }, () => writer({ model, device, context, cacheDtype }));
    this.admission = new Admission(this.#writers, limits.queue);
  }

  completion(request: CompletionRequest): Job {
    const { prompt } = request, tokens = typeof prompt === 'string' ? told('prompt', () => textTokens(this.#options.tokenizer, prompt)) : Uint32Array.from(prompt);
    if (tokens.length === 0) throw new ApiError(400, 'prompt: must hold at least one token', 'invalid_value', 'prompt');
    return this.#job(tokens, request, request.max_tokens, []);
  }

  chat(request: ChatRequest): Job {
    if (request.max_tokens !== undefined && request.max_completion_tokens !== undefined) throw new ApiError(400, 'give max_tokens or max_completion_tokens, not both', 'invalid_value', 'max_tokens');
    return this.#job(told('messages', () => this.#chat.tokens(request.messages)), request, request.max_completion_tokens ?? request.max_tokens, this.#chat.stops);
  }

  release(): void { for (const one of this.#writers) one.release(); }

  #job(prompt: Uint32Array, request: CompletionRequest | ChatRequest, asked: number | undefined, stops: readonly string[]): Job {
    const { tokenizer, context, model, limits } = this.#options;
    if (request.model !== this.name) throw new ApiError(404, `the model ${JSON.stringify(request.model)} does not exist; this server has ${JSON.stringify(this.name)}`, 'model_not_found', 'model');
    const odd = prompt.find((id) => id >= model.vocabulary);
    if (odd !== undefined) throw new ApiError(400, `prompt: tokens run from 0 to ${model.vocabulary - 1}, got ${odd}`, 'invalid_value', 'prompt');
    if (asked !== undefined && asked > limits.maxTokens) throw new ApiError(400, `max_tokens must be at most ${limits.maxTokens}, got ${asked}`, 'invalid_value', 'max_tokens');
    const room = context - prompt.length + 1, maxTokens = asked ?? Math.min(defaultTokens, limits.maxTokens, room);
    if (room < Math.max(maxTokens, 1)) throw new ApiError(400, `this model's maximum context length is ${context} tokens, and you asked for ${prompt.length + maxTokens} (${prompt.length} in the prompt, ${maxTokens} to write)`, 'context_length_exceeded', 'prompt' in request ? 'prompt' : 'messages');
    const texts = request.n ?? 1, { seed = Math.floor(Math.random() * 2 ** 32) } = request;
    if (texts * maxTokens > limits.maxTokens) throw new ApiError(400, `n times max_tokens must be at most ${limits.maxTokens}, got ${texts} times ${maxTokens}`, 'invalid_value', 'n');
    const constraint = this.#constraint(request), all = [...stops, ...[request.stop ?? []].flat()];
    const options = {
      maxTokens, constraint, endTokens: tokenizer.end, temperature: request.temperature,
      topP: request.top_p, topK: request.top_k, minP: request.min_p, typical: request.typical_p, repetitionPenalty: request.repetition_penalty,
    };
    return {
      promptTokens: prompt.length, texts,
      run: (index, signal, count) => writtenBy(this.admission, signal, (one) => untilStop(decoded(counted(one.write(prompt, { ...options, seed: seed + index, signal }), count), tokenizer, prompt), all)),
    };
  }

  #constraint({ regex, response_format: format }: CompletionRequest | ChatRequest): Constraint | undefined {
    const { tokenizer } = this.#options, options = { tokenizer, endTokens: tokenizer.end };
    if (regex !== undefined && format?.type === 'json_schema') throw new ApiError(400, 'give regex or response_format, not both', 'invalid_value', 'regex');
    if (regex !== undefined) return told('regex', () => matching(regex, options));
    if (format?.type === 'json_schema') return told('response_format', () => jsonOf(format.json_schema.schema, options));
    return undefined;
  }
}

/** What it throws about the request is the client's to know. */
function told<R>(param: string, act: () => R): R {
  try {
    return act();
  } catch (error) {
    if (error instanceof UnknownCharacterError || error instanceof JsonSchemaError || error instanceof SyntaxError || error instanceof RangeError || param === 'messages') throw new ApiError(400, `${param}: ${(error as Error).message}`, 'invalid_value', param);
    throw error;
  }
}

async function* counted<R>(tokens: AsyncGenerator<number, R>, count: { tokens: number }): AsyncGenerator<number, R> {
  try {
    for (;;) {
      const { value, done } = await tokens.next();
      if (done) return value;
      count.tokens++;
      yield value;
    }
  } finally {
    await tokens.return(undefined as never);
  }
}

/** What a worker writes, once it has its turn. */
async function* writtenBy(admission: Admission<Writer>, signal: AbortSignal, act: (one: Writer) => AsyncGenerator<string, Ending | 'stop'>): AsyncGenerator<string, 'stop' | 'length'> {
  const one = await admission.take(signal);
  try {
    return (yield* act(one)) === 'maxTokens' ? 'length' : 'stop';
  } finally {
    admission.give(one);
  }
}

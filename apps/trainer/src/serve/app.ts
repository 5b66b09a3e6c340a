import type { HttpBindings } from '@hono/node-server';
import { randomUUID } from 'node:crypto';
import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { streamSSE } from 'hono/streaming';
import { ApiError } from './api-error.js';
import { chatRequest, completionRequest, type ChatRequest, type CompletionRequest } from './requests.js';
import type { Job, Service } from './service.js';

/** How one of the two endpoints words its answers. */
interface Wording {
  readonly id: string;
  readonly object: string;
  readonly chunkObject: string;
  /** A choice of a whole answer. */
  readonly choice: (text: string) => object;
  /** What a piece of the stream adds; `undefined`: the end. */
  readonly delta: (text: string | undefined, first: boolean) => object;
}

const completionWording: Wording = { id: 'cmpl', object: 'text_completion', chunkObject: 'text_completion', choice: (text) => ({ text }), delta: (text = '') => ({ text }) };
const chatWording: Wording = {
  id: 'chatcmpl', object: 'chat.completion', chunkObject: 'chat.completion.chunk',
  choice: (text) => ({ message: { role: 'assistant', content: text, refusal: null } }),
  delta: (text, first) => ({ delta: text === undefined ? {} : { ...(first ? { role: 'assistant' } : {}), content: text } }),
};

interface Env {
  /** Absent where no server is between. */
  readonly Bindings: Partial<HttpBindings> | undefined;
  readonly Variables: {
    /** Makes room for another request. */
    leave: () => void;
    /** Whether the answer goes on after the handler has ended, which then calls `leave`. */
    streams: boolean;
  };
}

/** How long a client may take to read what is left of its answer. */
const readMilliseconds = 30_000;

/** Where the server stops, requests end with this. */
export class ServerClosed extends Error { override readonly name = 'ServerClosed'; }

/**
 * OpenAI's interface for one model: GET /v1/models, POST /v1/completions and /v1/chat/completions, whole or as server-sent
 * events. @param closing Aborts what is at work when the server stops.
 */
export function serviceApp(service: Service, closing: AbortSignal): Hono<Env> {
  const app = new Hono<Env>(), created = Math.floor(Date.now() / 1000), model = { id: service.name, object: 'model', created, owned_by: 'ashlar' };
  app.onError((error, context) => {
    const told = error instanceof ApiError ? error : closing.aborted ? new ApiError(503, 'the server is stopping') : new ApiError(500, error.message);
    if (told.status === 429) context.header('Retry-After', '1');
    return context.json(told.body, told.status);
  });
  app.notFound((context) => context.json(new ApiError(404, `there is no ${context.req.method} ${context.req.path}; there are GET /v1/models, POST /v1/completions and POST /v1/chat/completions`).body, 404));
  app.get('/v1/models', (context) => context.json({ object: 'list', data: [model] }));
  app.get('/v1/models/:name', (context) => {
    if (context.req.param('name') !== service.name) throw new ApiError(404, `the model ${JSON.stringify(context.req.param('name'))} does not exist`, 'model_not_found', 'model');
    return context.json(model);
  });

  const post = <R extends CompletionRequest | ChatRequest>(path: string, wording: Wording, parse: (body: unknown) => R, jobOf: (request: R) => Job): void => {
    app.post(path, async (context, next) => {
      // Before the body is read: a flood costs no memory.
      const leave = service.admission.enter();
      context.set('leave', leave);
      try {
        await next();
      } finally {
        if (!context.get('streams')) leave();
      }
    }, bodyLimit({ maxSize: service.limits.bodyBytes, onError: () => { throw new ApiError(413, `the body may have up to ${service.limits.bodyBytes} bytes`); } }), async (context) => {
      const request = parse(await bodyOf(context)), job = jobOf(request), client = context.req.raw.signal, gone = new AbortController();
      const leaves = (): void => gone.abort(new Error('the client has gone')), signal = AbortSignal.any([closing, gone.signal]);
      if (client.aborted) leaves();
      else client.addEventListener('abort', leaves, { once: true });
      const head = { id: `${wording.id}-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model: service.name }, count = { tokens: 0 };
      const usage = (): object => ({ prompt_tokens: job.promptTokens, completion_tokens: count.tokens, total_tokens: job.promptTokens + count.tokens });
      if (!request.stream) {
        if (request.stream_options !== undefined) throw new ApiError(400, 'stream_options go with stream: true', 'invalid_value', 'stream_options');
        const choices: object[] = [];
        for (let index = 0; index < job.texts; index++) {
          let text = '', ending: string | undefined;
          for (const pieces = job.run(index, signal, count); ending === undefined;) {
            const { value, done } = await pieces.next();
            if (done) ending = value;
            else text += value;
          }
          choices.push({ index, ...wording.choice(text), logprobs: null, finish_reason: ending });
        }
        return context.json({ ...head, object: wording.object, choices, usage: usage() });
      }
      context.set('streams', true);
      const withUsage = request.stream_options?.include_usage === true;
      return streamSSE(context, async (stream) => {
        stream.onAbort(leaves);
        // Not awaited: a client that does not read may not keep a worker; what waits for it is bounded by the tokens of a request.
        let sent: Promise<unknown> = Promise.resolve();
        const send = (data: string): void => { sent = stream.write(`data: ${data}\n\n`); };
        const chunk = (index: number, text: string | undefined, first: boolean, ending: string | null): void => send(JSON.stringify({ ...head, object: wording.chunkObject, choices: [{ index, ...wording.delta(text, first), logprobs: null, finish_reason: ending }], ...(withUsage ? { usage: null } : {}) }));
        try {
          for (let index = 0; index < job.texts; index++) {
            const pieces = job.run(index, signal, count);
            for (let first = true; ; first = false) {
              const { value, done } = await pieces.next();
              chunk(index, done ? undefined : value, first, done ? value : null);
              if (done) break;
            }
          }
          if (withUsage) send(JSON.stringify({ ...head, object: wording.chunkObject, choices: [], usage: usage() }));
          send('[DONE]');
        } catch (error) {
          send(JSON.stringify(new ApiError(500, closing.aborted ? 'the server is stopping' : (error as Error).message).body));
        }
        const patience = setTimeout(() => { context.env?.outgoing?.destroy(); gone.abort(new Error('the client does not read')); }, readMilliseconds);
        await Promise.race([sent, new Promise<void>((resolve) => { if (signal.aborted) resolve(); else signal.addEventListener('abort', () => resolve(), { once: true }); })]);
        clearTimeout(patience);
        context.get('leave')();
      });
    });
  };
  post('/v1/completions', completionWording, completionRequest, (request) => service.completion(request));
  post('/v1/chat/completions', chatWording, chatRequest, (request) => service.chat(request));
  return app;
}

async function bodyOf(context: Context<Env>): Promise<unknown> {
  // Pages of other origins can send plain text without asking.
  if (!/^application\/json\s*(;|$)/i.test(context.req.header('content-type') ?? '')) throw new ApiError(415, 'the body must be application/json');
  try {
    return await context.req.json();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, `the body is not valid JSON: ${(error as Error).message}`);
  }
}

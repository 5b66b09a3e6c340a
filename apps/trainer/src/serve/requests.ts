import { z } from 'zod';
import { ApiError } from './api-error.js';

const share = z.number().gt(0).lte(1);
/** What asks for nothing: clients send it, and any other value is refused rather than ignored. */
const nothing = <T extends string | number | boolean>(value: T) => z.literal(value).nullish();

const shared = {
  model: z.string(),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: z.number().gte(0).lte(2).nullish(),
  top_p: share.nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).nullish(),
  seed: z.int().nullish(),
  /** Beside OpenAI's. */
  top_k: z.int().gte(1).nullish(), min_p: share.nullish(), typical_p: share.nullish(), repetition_penalty: z.number().gte(1).nullish(),
  regex: z.string().nullish(),
  response_format: z.union([
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_schema'), json_schema: z.strictObject({ name: z.string().optional(), description: z.string().optional(), strict: z.boolean().nullish(), schema: z.record(z.string(), z.unknown()) }) }),
  ]).nullish(),
  /** Of the client's own book-keeping. */
  user: z.string().nullish(), metadata: z.record(z.string(), z.string()).nullish(),
  n: nothing(1), presence_penalty: nothing(0), frequency_penalty: nothing(0),
};
const tokenCount = z.int().gte(1).nullish();

const completionSchema = z.strictObject({
  ...shared, max_tokens: tokenCount, prompt: z.union([z.string(), z.array(z.int().gte(0))]),
  best_of: nothing(1), echo: nothing(false), logprobs: z.null().optional(), suffix: z.null().optional(),
});
const part = z.strictObject({ type: z.literal('text'), text: z.string() });
const content = z.union([z.string(), z.array(part).transform((parts) => parts.map(({ text }) => text).join(''))]);
const chatSchema = z.strictObject({
  ...shared, max_tokens: tokenCount, max_completion_tokens: tokenCount, logprobs: nothing(false),
  messages: z.array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content })).min(1),
});

export type CompletionRequest = z.infer<typeof completionSchema>;
export type ChatRequest = z.infer<typeof chatSchema>;

/** @throws {ApiError} that names the parameter. */
function parsed<T>(schema: z.ZodType<T>, body: unknown): T {
  const { success, data, error } = schema.safeParse(body);
  if (success) return data;
  const [issue] = error.issues, param = issue!.code === 'unrecognized_keys' ? issue.keys[0]! : issue!.path.join('.');
  throw new ApiError(400, issue!.code === 'unrecognized_keys' ? `${param} is not supported` : `${param === '' ? 'the body' : param}: ${issue!.message}`, issue!.code === 'unrecognized_keys' ? 'unsupported_parameter' : 'invalid_value', param === '' ? null : param);
}

export const completionRequest = (body: unknown): CompletionRequest => parsed(completionSchema, body);
export const chatRequest = (body: unknown): ChatRequest => parsed(chatSchema, body);

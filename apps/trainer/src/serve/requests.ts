import { z } from 'zod';
import { ApiError } from './api-error.js';

/** Absent, or null, which means the same. */
const optional = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? undefined);
const share = z.number().gt(0).lte(1);
/** What asks for nothing: clients send it, and any other value is refused rather than ignored. */
const nothing = <T extends string | number | boolean>(value: T) => optional(z.literal(value));

const shared = {
  model: z.string(),
  stream: optional(z.boolean()),
  stream_options: optional(z.strictObject({ include_usage: optional(z.boolean()) })),
  temperature: optional(z.number().gte(0).lte(2)),
  top_p: optional(share),
  stop: optional(z.union([z.string().min(1), z.array(z.string().min(1)).max(4)])),
  seed: optional(z.int()),
  /** Beside OpenAI's. */
  top_k: optional(z.int().gte(1)), min_p: optional(share), typical_p: optional(share), repetition_penalty: optional(z.number().gte(1)),
  regex: optional(z.string()),
  response_format: optional(z.union([
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_schema'), json_schema: z.strictObject({ name: z.string().optional(), description: z.string().optional(), strict: optional(z.boolean()), schema: z.record(z.string(), z.unknown()) }) }),
  ])),
  /** Of the client's own book-keeping. */
  user: optional(z.string()), metadata: optional(z.record(z.string(), z.string())),
  /** Texts, one after the other. */
  n: optional(z.int().gte(1).lte(128)), presence_penalty: nothing(0), frequency_penalty: nothing(0),
};
const tokenCount = optional(z.int().gte(1));

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

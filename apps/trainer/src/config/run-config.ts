import { modelSchema, type ModelConfigInput } from '@ashlar/models';
import { z } from 'zod';
import { exitCodes, Failure } from '../failure.js';
import { describeIssues } from './issues.js';
import type { JsonSchema } from './json-schema.js';
import { resolveConfig, taskOf, type ResolvedConfig } from './resolve.js';
import { configSchema } from './schema.js';

/** The config of a run that was trained elsewhere: there is no text and no course of training. */
export interface ImportedConfig {
  readonly name: string;
  /** Of Hugging Face's, which it goes out as unless another is named. */
  readonly family?: string | undefined;
  readonly model: ModelConfigInput;
  /** Of its classes, by their numbers. */
  readonly labels?: readonly string[] | undefined;
}

/** The config of any run, with what the data decided. Without a task: an encoder that says nothing of its states. */
export type RunConfig = ImportedConfig & Partial<Omit<ResolvedConfig, 'name' | 'model'>>;

const importedSchema = z.strictObject({ name: configSchema.shape.name.unwrap(), family: z.string().optional(), model: modelSchema, labels: z.array(z.string()).optional() });

/** Reads the config.json of a run. @throws Failure with exit code 2 that has a line for each thing that is wrong. */
export function resolveRunConfig(stored: unknown, where: string): RunConfig {
  const written = stored as Readonly<Record<string, unknown>>;
  if (written?.training !== undefined || written?.data !== undefined) {
    const config = resolveConfig(written, { set: [] }, where) as RunConfig;
    return { ...config, labels: config.data?.labels };
  }
  const parsed = importedSchema.safeParse(written);
  if (!parsed.success) throw new Failure(exitCodes.usage, describeIssues(parsed.error.issues, written, z.toJSONSchema(importedSchema, { io: 'input' }) as JsonSchema).map((line) => `${where}: ${line}`).join('\n'));
  return { ...parsed.data, task: taskOf(parsed.data.model) };
}

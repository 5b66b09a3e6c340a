import { decoderSchema, type DecoderConfigInput, type ModelConfigInput } from '@ashlar/models';
import { z } from 'zod';
import { exitCodes, Failure } from '../failure.js';
import { describeIssues } from './issues.js';
import type { JsonSchema } from './json-schema.js';
import { resolveConfig, type ResolvedConfig } from './resolve.js';
import { configSchema } from './schema.js';

/** The config of a run that was trained elsewhere: there is no text and no course of training. */
export interface ImportedConfig { readonly name: string; readonly model: DecoderConfigInput }

/** The config of any run, with what the data decided. */
export type RunConfig = Pick<ResolvedConfig, 'name'> & { readonly model: ModelConfigInput } & Partial<Omit<ResolvedConfig, 'name' | 'model'>>;

const importedSchema = z.strictObject({ name: configSchema.shape.name.unwrap(), model: decoderSchema });

/** Reads the config.json of a run. @throws Failure with exit code 2 that has a line for each thing that is wrong. */
export function resolveRunConfig(stored: unknown, where: string): RunConfig {
  const written = stored as Readonly<Record<string, unknown>>;
  if (written?.training !== undefined || written?.data !== undefined) return resolveConfig(written, { set: [] }, where) as RunConfig;
  const parsed = importedSchema.safeParse(written);
  if (!parsed.success) throw new Failure(exitCodes.usage, describeIssues(parsed.error.issues, written, z.toJSONSchema(importedSchema, { io: 'input' }) as JsonSchema).map((line) => `${where}: ${line}`).join('\n'));
  return parsed.data;
}

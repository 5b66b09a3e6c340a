import { z } from 'zod';
import { catalogue, type PartKind } from './catalogue.js';
import { entriesSchema } from './catalogue/entries-schema.js';
import { closedObject, parseConfig } from './config-errors.js';
import { decoder, type Decoder } from './decoder.js';

type Catalogue = typeof catalogue;
/** A part of a config: its type and options. */
export type PartConfig<Kind extends PartKind> = { [Type in keyof Catalogue[Kind] & string]: { readonly type: Type } & PartOptions<Catalogue[Kind][Type]> }[keyof Catalogue[Kind] & string];
type PartOptions<Entry> = Entry extends { readonly options: infer Shape extends z.ZodRawShape } ? (keyof Shape extends never ? unknown : z.output<z.ZodObject<Shape>>) : never;

const partSchema = <Kind extends PartKind>(kind: Kind): z.ZodType<PartConfig<Kind>, PartConfig<Kind> | string> =>
  entriesSchema(catalogue[kind]) as unknown as z.ZodType<PartConfig<Kind>, PartConfig<Kind> | string>;

const count = (): z.ZodInt => z.int().min(1);
const rate = (): z.ZodNumber => z.number().min(0).lt(1);

/** The schema of a decoder's config. Axis letters: V vocabulary, C width, L depth. */
export const decoderSchema = closedObject({
  modelType: z.literal('decoder'),
  vocabulary: count().describe('V, number of tokens.'),
  width: count().describe('C, width of the residual stream.'),
  embeddingWidth: count().optional().describe('Width of the token table; default width. Else a projection leads to the width, and one back to a tied head.'),
  depth: count().describe('L, pairs of attention and feed-forward.'),
  maxLength: count().optional().describe('The longest sequence, in tokens.'),
  attention: partSchema('attention'),
  positional: partSchema('positional'),
  norm: partSchema('norm').optional().describe('Left out where the residual scheme has none.'),
  residual: partSchema('residual').default({ type: 'preNorm' }).describe('Default preNorm.'),
  feedForward: partSchema('feedForward'),
  bias: z.boolean().default(false).describe('Whether linear layers and norms have a bias; parts may say otherwise.'),
  tiedHead: z.boolean().default(true).describe('Whether the output head is the token embedding.'),
  dropout: z.union([rate(), closedObject({ embedding: rate().optional(), attention: rate().optional(), residual: rate().optional(), depth: rate().optional() })]).default(0)
    .describe('Rates of dropout in training: one for all, or each.'),
  initialisation: closedObject({
    std: z.number().min(0).optional().describe('Standard deviation of weights and tables; default 0.02.'),
    scaledResidual: z.boolean().optional().describe('Whether weights that end a sublayer begin with std / √(2 depth); default true.'),
  }).optional(),
});

/** A decoder's config as people write it. */
export type DecoderConfigInput = z.input<typeof decoderSchema>;
/** A decoder's config with its defaults filled in. */
export type DecoderConfig = z.output<typeof decoderSchema>;

/** Checks a config and fills in its defaults. @throws {ConfigError} with a line for each problem. */
export function parseDecoderConfig(config: unknown, name?: string): DecoderConfig {
  const parsed = parseConfig(decoderSchema, config, name);
  const kinds = (Object.keys(catalogue) as PartKind[]).filter((kind) => parsed[kind] !== undefined);
  return { ...parsed, ...Object.fromEntries(kinds.map((kind) => [kind, typeof parsed[kind] === 'string' ? { type: parsed[kind] } : parsed[kind]])) };
}

/** The part that a checked config names. */
function part<Kind extends PartKind>(kind: Kind, { type, ...options }: PartConfig<Kind>): ReturnType<Catalogue[Kind][keyof Catalogue[Kind]] extends { create(options: never): infer Part } ? () => Part : never> {
  const entries = catalogue[kind] as unknown as Record<string, { create(options: unknown): never }>;
  return entries[type]!.create(options);
}

/**
 * The model that a config describes.
 * @param options.seed Of the first weights; default 0. `none`: they are 0, to be written by `load`.
 * @throws {ConfigError | CombinationError | RangeError} where the config is wrong, or its parts do not fit together.
 */
export function build(config: DecoderConfigInput, { seed = 0 }: { readonly seed?: number | 'none' } = {}): Decoder {
  const { modelType: _, attention, positional, norm, residual, feedForward, ...rest } = parseDecoderConfig(config);
  return decoder({
    ...rest, seed,
    attention: part('attention', attention), positional: part('positional', positional),
    ...(norm ? { norm: part('norm', norm) } : {}), residual: part('residual', residual), feedForward: part('feedForward', feedForward),
  });
}

/** The published JSON Schema of a decoder's config. */
export const decoderJsonSchema = (): z.core.JSONSchema.BaseSchema => z.toJSONSchema(decoderSchema, { io: 'input' });

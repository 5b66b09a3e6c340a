import { z } from 'zod';
import { catalogue, catalogueWith, type Catalogue, type OwnParts, type PartKind } from './catalogue.js';
import { entriesSchema } from './catalogue/entries-schema.js';
import { closedObject, parseConfig } from './config-errors.js';
import { decoder, type Decoder } from './decoder.js';

/** A part of a config: its type and options. */
export type PartConfig<Kind extends PartKind> = EntryConfig<Catalogue[Kind]>;
type EntryConfig<Entries> = { [Type in keyof Entries & string]: { readonly type: Type } & PartOptions<Entries[Type]> }[keyof Entries & string];
type PartOptions<Entry> = Entry extends { readonly options: infer Shape extends z.ZodRawShape } ? (keyof Shape extends never ? unknown : z.output<z.ZodObject<Shape>>) : never;

const partSchema = <Kind extends PartKind>(entries: Catalogue, kind: Kind): z.ZodType<PartConfig<Kind>, PartConfig<Kind> | string> =>
  entriesSchema(entries[kind]) as unknown as z.ZodType<PartConfig<Kind>, PartConfig<Kind> | string>;

const count = (): z.ZodInt => z.int().min(1);
const rate = (): z.ZodNumber => z.number().min(0).lt(1);

/** The schema of a decoder's config whose parts are those of a catalogue. Axis letters: V vocabulary, C width, L depth. */
const schemaOf = (entries: Catalogue) => closedObject({
  modelType: z.literal('decoder'),
  vocabulary: count().describe('V, number of tokens.'),
  width: count().describe('C, width of the residual stream.'),
  embeddingWidth: count().optional().describe('Width of the token table; default width. Else a projection leads to the width, and one back to a tied head.'),
  depth: count().describe('L, pairs of attention and feed-forward.'),
  maxLength: count().optional().describe('The longest sequence, in tokens.'),
  attention: partSchema(entries, 'attention'),
  positional: partSchema(entries, 'positional'),
  norm: partSchema(entries, 'norm').optional().describe('Left out where the residual scheme has none.'),
  residual: partSchema(entries, 'residual').default({ type: 'preNorm' }).describe('Default preNorm.'),
  feedForward: partSchema(entries, 'feedForward'),
  bias: z.boolean().default(false).describe('Whether linear layers and norms have a bias; parts may say otherwise.'),
  tiedHead: z.boolean().default(true).describe('Whether the output head is the token embedding.'),
  dropout: z.union([rate(), closedObject({ embedding: rate().optional(), attention: rate().optional(), residual: rate().optional(), depth: rate().optional() })]).default(0)
    .describe('Rates of dropout in training: one for all, or each.'),
  initialisation: closedObject({
    std: z.number().min(0).optional().describe('Standard deviation of weights and tables; default 0.02.'),
    scaledResidual: z.boolean().optional().describe('Whether weights that end a sublayer begin with std / √(2 depth); default true.'),
  }).optional(),
});

/** The schema of a decoder's config. */
export const decoderSchema = schemaOf(catalogue);

/** A decoder's config as people write it. */
export type DecoderConfigInput = z.input<typeof decoderSchema>;
/** The same, where parts of one's own may be named too. */
export type DecoderConfigInputWith<Parts extends OwnParts> = { readonly [Key in keyof DecoderConfigInput]: DecoderConfigInput[Key] | (Key extends keyof Parts ? EntryConfig<Parts[Key]> : never) };
/** A decoder's config with its defaults filled in. */
export type DecoderConfig = z.output<typeof decoderSchema>;

/** Checks a config, which may name `parts` beside those of the catalogue, and fills in its defaults. @throws {ConfigError} with a line for each problem. */
export function parseDecoderConfig(config: unknown, name?: string, parts?: OwnParts): DecoderConfig {
  const parsed = parseConfig(parts ? schemaOf(catalogueWith(parts)) : decoderSchema, config, name);
  const kinds = (Object.keys(catalogue) as PartKind[]).filter((kind) => parsed[kind] !== undefined);
  return { ...parsed, ...Object.fromEntries(kinds.map((kind) => [kind, typeof parsed[kind] === 'string' ? { type: parsed[kind] } : parsed[kind]])) };
}

/** The part of a catalogue that a checked config names. */
const partOf = (all: Catalogue) => <Kind extends PartKind>(kind: Kind, { type, ...options }: PartConfig<Kind>): ReturnType<Catalogue[Kind][keyof Catalogue[Kind]] extends { create(options: never): infer Part } ? () => Part : never> => {
  const entries = all[kind] as unknown as Record<string, { create(options: unknown): never }>;
  return entries[type]!.create(options);
};

/**
 * The model that a config describes.
 * @param options.seed Of the first weights; default 0. `none`: they are 0, to be written by `load`.
 * @param options.parts Parts that the config may name beside those of the catalogue: `{ attention: { mine: entry } }`.
 * @throws {ConfigError | CombinationError | RangeError} where the config is wrong, or its parts do not fit together.
 */
export function build<Parts extends OwnParts = Record<never, never>>(config: DecoderConfigInputWith<Parts>, { seed = 0, parts }: { readonly seed?: number | 'none'; readonly parts?: Parts } = {}): Decoder {
  const { modelType: _, attention, positional, norm, residual, feedForward, ...rest } = parseDecoderConfig(config, undefined, parts);
  const part = partOf(parts ? catalogueWith(parts) : catalogue);
  return decoder({
    ...rest, seed,
    attention: part('attention', attention), positional: part('positional', positional),
    ...(norm ? { norm: part('norm', norm) } : {}), residual: part('residual', residual), feedForward: part('feedForward', feedForward),
  });
}

/** The published JSON Schema of a decoder's config. */
export const decoderJsonSchema = (): z.core.JSONSchema.BaseSchema => z.toJSONSchema(decoderSchema, { io: 'input' });

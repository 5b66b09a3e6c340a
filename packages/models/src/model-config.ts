import { z } from 'zod';
import type { OwnParts } from './catalogue.js';
import { ConfigError, closedObject, parseConfig } from './config-errors.js';
import { longForm, ownSource, partOf, sourceWith, type EntryConfig, type PartSource } from './config-parts.js';
import { decoder, type Decoder } from './decoder.js';
import { encoder, type Encoder } from './encoder.js';
import { encoderDecoder, type EncoderDecoder } from './encoder-decoder.js';
import { count, encoderHeadSchema, fullStackShape, normalizedStack, stackOptions, stackShape, tokenTypes, vocabularyHeadShape, vocabularyShape } from './stack-config.js';

const schemasOf = ({ schemas }: PartSource) => {
  const decoderSchema = closedObject({ modelType: z.literal('decoder'), ...vocabularyShape, ...fullStackShape(schemas), ...vocabularyHeadShape });
  const encoderSchema = closedObject({
    modelType: z.literal('encoder'), ...vocabularyShape, ...fullStackShape(schemas), tokenTypes,
    head: encoderHeadSchema.optional().describe('Default: none; the model gives states and embeddings.'),
  });
  const encoderStack = { ...stackShape(schemas), tokenTypes }, decoderStack = stackShape(schemas);
  const encoderDecoderSchema = closedObject({
    modelType: z.literal('encoderDecoder'), ...vocabularyShape,
    sourceVocabulary: count().optional().describe("Number of the source's tokens, where they are other ones; default: those of the target."),
    sharedEmbedding: z.boolean().optional().describe('Whether both stacks have one token table; default: where they have the same tokens.'),
    crossAttention: schemas.attention.describe('How layers of the decoder attend to the states of the encoder: of type cross, or a pattern of such.'),
    ...z.object(decoderStack).partial().shape,
    encoder: closedObject(z.object(encoderStack).partial().shape).default({}).describe('What the encoder has of its own; the rest is what stands beside.'),
    decoder: closedObject(z.object(decoderStack).partial().shape).default({}).describe('What the decoder has of its own; the rest is what stands beside.'),
    ...vocabularyHeadShape,
  });
  const stacks = { encoder: closedObject({ ...fullStackShape(schemas), tokenTypes }), decoder: closedObject(fullStackShape(schemas)) };
  const schema = z.discriminatedUnion('modelType', [decoderSchema, encoderSchema, encoderDecoderSchema], {
    error: ({ input }) => `must be decoder, encoder or encoderDecoder, got ${JSON.stringify((input as { modelType?: unknown } | null | undefined)?.modelType ?? input) ?? 'nothing'}`,
  });
  return { decoderSchema, encoderSchema, encoderDecoderSchema, stacks, schema };
};

const own = schemasOf(ownSource);

/** The schemas of a model's config, by its `modelType`. */
export const { decoderSchema, encoderSchema, encoderDecoderSchema, schema: modelSchema } = own;

/** The same, of configs that may name parts of one's own. */
export const modelSchemasWith = (parts?: OwnParts): Pick<typeof own, 'decoderSchema' | 'encoderSchema' | 'encoderDecoderSchema'> => (parts ? schemasOf(sourceWith(parts)) : own);

/** A model's config as people write it. */
export type DecoderConfigInput = z.input<typeof decoderSchema>;
export type EncoderConfigInput = z.input<typeof encoderSchema>;
export type EncoderDecoderConfigInput = z.input<typeof encoderDecoderSchema>;
export type ModelConfigInput = DecoderConfigInput | EncoderConfigInput | EncoderDecoderConfigInput;

/** A model's config with its defaults filled in; that of an encoder-decoder says of each stack all that it has. */
export type DecoderConfig = z.output<typeof decoderSchema>;
export type EncoderConfig = z.output<typeof encoderSchema>;
export type EncoderDecoderConfig = Omit<z.output<typeof encoderDecoderSchema>, keyof ReturnType<typeof stackShape> | 'encoder' | 'decoder'> & { readonly encoder: z.output<typeof own.stacks.encoder>; readonly decoder: z.output<typeof own.stacks.decoder> };
export type ModelConfig = DecoderConfig | EncoderConfig | EncoderDecoderConfig;

export type ModelType = ModelConfig['modelType'];
interface Inputs { decoder: DecoderConfigInput; encoder: EncoderConfigInput; encoderDecoder: EncoderDecoderConfigInput }
interface Configs { decoder: DecoderConfig; encoder: EncoderConfig; encoderDecoder: EncoderDecoderConfig }
interface Models { decoder: Decoder; encoder: Encoder; encoderDecoder: EncoderDecoder }
export type Model = Models[ModelType];

/** A config in which parts of one's own may be named too. */
type With<Input, Parts extends OwnParts> = {
  readonly [Key in keyof Input]: Input[Key] | (Key extends keyof Parts ? EntryConfig<Parts[Key]> : Key extends 'crossAttention' ? EntryConfig<Parts['attention']> : Key extends 'encoder' | 'decoder' ? With<NonNullable<Input[Key]>, Parts> : never)
};
/** The config of a model of that type, as people write it; parts of one's own may be named too. */
export type ConfigInputWith<Type extends ModelType, Parts extends OwnParts> = { readonly modelType: Type } & With<Inputs[Type], Parts>;

/**
 * Checks a config, which may name `parts` beside those of the catalogue, and fills in its defaults.
 * @param name What stands before every path in messages, such as a file name; default none.
 * @throws {ConfigError} with a line for each problem.
 */
export function parseModelConfig<Config extends { readonly modelType: ModelType }>(config: Config, name?: string, parts?: OwnParts): Configs[Config['modelType']];
export function parseModelConfig(config: unknown, name?: string, parts?: OwnParts): ModelConfig;
export function parseModelConfig(config: unknown, name?: string, parts?: OwnParts): ModelConfig {
  const source = sourceWith(parts), { schema, stacks } = parts ? schemasOf(source) : own, parsed = parseConfig(schema, config, name);
  if (parsed.modelType === 'decoder') return normalizedStack(source, parsed, 'decoder');
  if (parsed.modelType === 'encoder') return normalizedStack(source, parsed, 'encoder');
  const { encoder: source_, decoder: target, crossAttention, ...rest } = parsed, common = Object.keys(stacks.decoder.shape);
  const shared = Object.fromEntries(Object.entries(rest).filter(([key]) => common.includes(key))), others = Object.fromEntries(Object.entries(rest).filter(([key]) => !common.includes(key)));
  const problems: string[] = [];
  const whole = <Schema extends z.ZodType>(stack: Schema, which: string, given: object): z.output<Schema> | undefined => {
    try { return parseConfig(stack, { ...shared, ...given }, [name, which].filter(Boolean).join(': ')); } catch (error) { problems.push(...(error as ConfigError).problems); return undefined; }
  };
  const both = { encoder: whole(stacks.encoder, 'encoder', source_), decoder: whole(stacks.decoder, 'decoder', target) };
  if (!both.encoder || !both.decoder) throw new ConfigError(problems);
  return { ...others, crossAttention: longForm(crossAttention), encoder: normalizedStack(source, both.encoder, 'encoder'), decoder: normalizedStack(source, both.decoder, 'decoder') } as EncoderDecoderConfig;
}

/**
 * The model that a config describes, of the class that its `modelType` names.
 * @param options.seed Of the first weights; default 0. `none`: they are 0, to be written by `load`, and take no memory before.
 * @param options.parts Parts that the config may name beside those of the catalogue: `{ attention: { mine: entry } }`.
 * @throws {ConfigError | CombinationError | RangeError} where the config is wrong, or its parts do not fit together.
 */
export function build<Type extends ModelType, Parts extends OwnParts = Record<never, never>>(config: ConfigInputWith<Type, Parts>, { seed = 0, parts }: { readonly seed?: number | 'none'; readonly parts?: Parts } = {}): Models[Type] {
  const parsed = parseModelConfig(config as unknown, undefined, parts), source = sourceWith(parts);
  const made = (): Model => {
    if (parsed.modelType === 'decoder') {
      const { modelType: _, ...rest } = parsed;
      return decoder({ ...stackOptions(source, rest), seed });
    }
    if (parsed.modelType === 'encoder') {
      const { modelType: _, ...rest } = parsed;
      return encoder({ ...stackOptions(source, rest), seed });
    }
    const { modelType: _, encoder: encoding, decoder: decoding, crossAttention, ...rest } = parsed;
    return encoderDecoder({ ...rest, seed, encoder: stackOptions(source, encoding), decoder: { ...stackOptions(source, decoding), crossAttention: partOf(source, 'attention', crossAttention) } });
  };
  return made() as Models[Type];
}

/** The published JSON Schema of a model's config. */
export const modelJsonSchema = (): z.core.JSONSchema.BaseSchema => z.toJSONSchema(modelSchema, { io: 'input', reused: 'ref' });

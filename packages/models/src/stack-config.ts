import { z } from 'zod';
import { catalogue, type PartKind } from './catalogue.js';
import { activationNames } from '@ashlar/nn';
import { closedObject } from './config-errors.js';
import { longForm, lookingBothWays, partOf, type PartConfig, type PartSchemas, type PartSource } from './config-parts.js';
import type { StackOptions } from './layer-stack.js';

export const count = (): z.ZodInt => z.int().min(1);
const rate = (): z.ZodNumber => z.number().min(0).lt(1);
const factor = (): z.ZodNumber => z.number().gt(0);

/** What every stack of layers has, without the defaults. Axis letters: C width, L depth. */
export const stackShape = ({ attention, positional, norm, residual, feedForward }: PartSchemas) => ({
  width: count().describe('C, width of the residual stream.'),
  embeddingWidth: count().optional().describe('Width of the token table; default width. Else a projection leads to the width, and one back to a tied head.'),
  embeddingScale: factor().optional().describe('Factor of the token embeddings, such as √C; default 1.'),
  embeddingNorm: z.boolean().optional().describe('Whether the sum of the embeddings is normalized before the first layer; default false.'),
  depth: count().describe('L, layers of attention and feed-forward.'),
  maxLength: count().optional().describe('The longest sequence, in tokens.'),
  attention, positional,
  norm: norm.optional().describe('Left out where the residual scheme has none.'),
  residual: residual.describe('Default preNorm.'),
  feedForward,
  bias: z.boolean().describe('Whether linear layers and norms have a bias; parts may say otherwise. Default false.'),
  dropout: z.union([rate(), closedObject({ token: rate().optional(), embedding: rate().optional(), attention: rate().optional(), residual: rate().optional(), depth: rate().optional() })])
    .describe('Rates of dropout in training: one for embedding, attention and residual, or each; token is that of whole tokens, depth of whole sublayers. Default 0.'),
  initialisation: closedObject({
    scheme: z.enum(['normal', 'truncatedNormal', 'perMatrix']).optional().describe('From which distribution: normal, the same cut off at two std (BERT), or by the sizes of each matrix (T5); default normal.'),
    std: z.number().min(0).optional().describe('Standard deviation of weights and tables; default 0.02, of perMatrix 1.'),
    scaledResidual: z.boolean().optional().describe('Whether weights that end a sublayer begin with std / √(number of sublayers); default true.'),
  }).optional(),
});

/** The same, with the defaults of what need not be given. */
export function fullStackShape(schemas: PartSchemas) {
  const shape = stackShape(schemas);
  return { ...shape, residual: shape.residual.default({ type: 'preNorm' }), bias: shape.bias.default(false), dropout: shape.dropout.default(0) };
}

export const tokenTypes = count().optional().describe('How many kinds of tokens there are, each with a learned vector; default: none.');

export const vocabularyShape = {
  vocabulary: count().describe('V, number of tokens.'),
  vocabularyMultiple: count().optional().describe('Token tables have a multiple of so many rows; default 1.'),
};

/** How states become logits of tokens. */
export const vocabularyHeadShape = {
  tiedHead: z.boolean().default(true).describe('Whether the output head is the token embedding.'),
  headBias: z.union([z.boolean(), z.literal('fixed')]).optional().describe('A number a token that is added to its logit: learned, or fixed; default false.'),
  logitScale: factor().optional().describe('Factor of the logits, such as C^−½; default 1.'),
  logitSoftcap: factor().optional().describe('No logit beyond ±cap; default none.'),
};

const transform = closedObject({
  activation: z.enum(activationNames), norm: z.boolean().optional().describe('Default false.'), bias: z.boolean().optional().describe('Default: that of the model.'),
}).optional().describe('norm(activation(x W + b)) before the last projection; default none.');
const classes = { classes: count().describe('How many.'), transform, bias: z.boolean().optional().describe('Of the last projection; default true.'), dropout: rate().optional().describe('Of what goes into the last projection; default 0.') };
const pooling = z.enum(['first', 'mean']).optional().describe("The first token's state, or the mean of all; default first.");

/** What an encoder says of its states. */
export const encoderHeadSchema = z.discriminatedUnion('type', [
  closedObject({ type: z.literal('language'), transform, ...vocabularyHeadShape }).describe('Predicts tokens. arXiv 1810.04805'),
  closedObject({ type: z.literal('classes'), pooling, ...classes }).describe('Says which class a sequence is of.'),
  closedObject({ type: z.literal('tokenClasses'), ...classes }).describe('Says which class each token is of.'),
], { error: ({ input }) => `must be of type language, classes, tokenClasses, got ${JSON.stringify((input as { type?: unknown } | null | undefined)?.type ?? input) ?? 'nothing'}` });

type StackConfig = z.output<z.ZodObject<ReturnType<typeof fullStackShape>>>;

/** A stack with its parts in their long form; those of an encoder look both ways. */
export function normalizedStack<Config extends StackConfig>(source: PartSource, config: Config, topology: 'encoder' | 'decoder'): Config {
  const kinds = (Object.keys(catalogue) as PartKind[]).filter((kind) => config[kind] !== undefined);
  const parts = Object.fromEntries(kinds.map((kind) => [kind, longForm(config[kind] as object | string)]));
  return { ...config, ...parts, ...(topology === 'encoder' ? { attention: lookingBothWays(source, config.attention) } : {}) };
}

/** The options of a stack whose config is normalized: its parts are made. */
export function stackOptions<Config extends StackConfig>(source: PartSource, config: Config): Omit<Config, PartKind> & Pick<StackOptions, PartKind> {
  const { attention, positional, norm, residual, feedForward, ...rest } = config;
  const part = <Kind extends PartKind>(kind: Kind, given: PartConfig<Kind>) => partOf(source, kind, given);
  return {
    ...rest, attention: part('attention', attention), positional: part('positional', positional),
    ...(norm ? { norm: part('norm', norm) } : {}), residual: part('residual', residual), feedForward: part('feedForward', feedForward),
  };
}

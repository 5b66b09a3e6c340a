/** Every part that a config can name: its options' schema and its factory. A variant is one line here. */
import { grouped, multiHead } from '@ashlar/attention';
import { activationNames, geglu, mlp, swiglu, type AttentionVariant, type FeedForwardVariant, type NormVariant, type PositionalVariant, type ResidualVariant } from '@ashlar/nn';
import { layerNorm, postNorm, preNorm, rmsNorm } from '@ashlar/norm';
import { learned, rotary } from '@ashlar/positional';
import { z } from 'zod';

export interface CatalogueEntry<Shape extends z.ZodRawShape, Part> {
  /** One line for people. */
  readonly summary: string;
  readonly paper: string;
  readonly options: Shape;
  create(options: z.output<z.ZodObject<Shape>>): Part;
}

const entry = <Part>() => <Shape extends z.ZodRawShape>(one: CatalogueEntry<Shape, Part>): CatalogueEntry<Shape, Part> => one;
const [attention, positional, norm, residual, feedForward] = [entry<AttentionVariant>(), entry<PositionalVariant>(), entry<NormVariant>(), entry<ResidualVariant>(), entry<FeedForwardVariant>()];

const count = () => z.int().min(1);
const epsilon = (otherwise: string) => z.number().gt(0).optional().describe(`Added to the variance or mean square; default ${otherwise}.`);
const bias = z.boolean().optional().describe('Default: that of the model.');
const hidden = (otherwise: string) => count().optional().describe(`F; default ${otherwise}.`);
const heads = {
  heads: count().describe('H, query heads.'),
  headWidth: count().optional().describe('D; default width / heads.'),
  bias,
  causal: z.boolean().optional().describe('Whether a token sees only itself and those before it; default true.'),
  scale: z.number().gt(0).optional().describe('Factor of the scores; default 1/√D.'),
};

export const catalogue = {
  attention: {
    multiHead: attention({ summary: 'Softmax attention, each head with keys and values of its own', paper: 'arXiv 1706.03762', options: heads, create: (options) => multiHead(options) }),
    grouped: attention({
      summary: 'Softmax attention, several query heads a key/value head', paper: 'arXiv 2305.13245',
      options: { ...heads, kvHeads: count().describe('G, a divisor of heads.') }, create: (options) => grouped(options),
    }),
  },
  positional: {
    learned: positional({ summary: 'A learned vector a position, added to the embeddings', paper: 'arXiv 1705.03122', options: { maxLength: count().optional().describe('Default: that of the model.') }, create: (options) => learned(options) }),
    rotary: positional({
      summary: 'Queries and keys turned by angles proportional to their position', paper: 'arXiv 2104.09864',
      options: {
        base: z.number().gt(0).optional().describe('Default 10000.'),
        layout: z.enum(['halfSplit', 'interleaved']).optional().describe('Which elements form pairs; default halfSplit.'),
        dimensions: z.int().min(2).multipleOf(2).optional().describe('How many elements of a head turn; default all.'),
      },
      create: (options) => rotary(options),
    }),
  },
  norm: {
    layerNorm: norm({ summary: 'Mean and variance of each row', paper: 'arXiv 1607.06450', options: { epsilon: epsilon('1e-5'), bias }, create: (options) => layerNorm(options) }),
    rmsNorm: norm({ summary: 'Root mean square of each row', paper: 'arXiv 1910.07467', options: { epsilon: epsilon('1e-6') }, create: (options) => rmsNorm(options) }),
  },
  residual: {
    preNorm: residual({ summary: 'x + f(norm(x))', paper: 'arXiv 2002.04745', options: {}, create: () => preNorm() }),
    postNorm: residual({ summary: 'norm(x + f(x))', paper: 'arXiv 1706.03762', options: {}, create: () => postNorm() }),
  },
  feedForward: {
    mlp: feedForward({
      summary: 'activation(x U) D', paper: 'arXiv 1706.03762',
      options: { activation: z.enum(activationNames).optional().describe('Default gelu.'), hidden: hidden('4 C'), bias }, create: (options) => mlp(options),
    }),
    swiglu: feedForward({ summary: '(silu(x G) ⊙ x U) D', paper: 'arXiv 2002.05202', options: { hidden: hidden('8/3 C'), bias }, create: (options) => swiglu(options) }),
    geglu: feedForward({ summary: '(gelu(x G) ⊙ x U) D', paper: 'arXiv 2002.05202', options: { hidden: hidden('8/3 C'), bias }, create: (options) => geglu(options) }),
  },
} as const;

export type PartKind = keyof typeof catalogue;

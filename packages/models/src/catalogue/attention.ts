import { bigBird, cross, grouped, latent, longformer, multiHead, topK, type Mask } from '@ashlar/attention';
import type { AttentionVariant } from '@ashlar/nn';
import { z } from 'zod';
import { bias, count, entriesOf, epsilon } from './entry.js';
import { maskOf, maskSchema, type MaskConfig } from './mask.js';
import { mixers } from './mixer.js';

const attention = entriesOf<AttentionVariant>();

/** Options of every attention over a softmax of scores. */
const softmax = {
  bias,
  outputBias: z.boolean().optional().describe('Of the output projection; default: as the others.'),
  scale: z.number().gt(0).optional().describe('Factor of the scores; default 1/√D.'),
  softcap: z.number().gt(0).optional().describe('No scaled score beyond ±softcap; default none.'),
  sinks: z.boolean().optional().describe('A learned score a head for a key of value 0; default false.'),
  gate: z.enum(['perHead', 'perElement']).optional().describe('What heads give, times a sigmoid of the input; default none.'),
};
const norms = {
  queryKeyNorm: z.enum(['perHead', 'fullWidth']).optional().describe('Root-mean-square norm of queries and keys, of each head or of all at once; default none.'),
  normEpsilon: epsilon('1e-6', 'the mean square of the queryKeyNorm'),
};
const masked = {
  causal: z.boolean().optional().describe('Whether a token sees only itself and those before it, beside the mask; default: true in decoders, false in encoders.'),
  mask: maskSchema.optional().describe('Which scores count; a list: what all of its masks let through.'),
};
const heads = { heads: count().describe('H, query heads.'), headWidth: count().optional().describe('D; default width / heads.') };
const kvHeads = (otherwise?: string) => count().describe(`G, a divisor of heads${otherwise ? `; default ${otherwise}` : ''}.`);

/** With its mask made from data. */
const made = <Options extends { readonly mask?: MaskConfig | undefined }>({ mask, ...rest }: Options): Omit<Options, 'mask'> & { readonly mask: Mask | undefined } => ({ ...rest, mask: mask && maskOf(mask) });

export const attentions = {
  multiHead: attention({
    summary: 'Softmax attention, each head with keys and values of its own', formula: 'softmax(scale · Q Kᵀ) V, of each head', paper: 'arXiv 1706.03762',
    options: { ...heads, ...softmax, ...norms, ...masked }, example: { heads: 2 }, create: (options) => multiHead(made(options)),
  }),
  grouped: attention({
    summary: 'Softmax attention, several query heads a key/value head', formula: 'softmax(scale · Q[h] K[g]ᵀ) V[g], with g = ⌊h G / H⌋', paper: 'arXiv 2305.13245',
    options: { ...heads, kvHeads: kvHeads(), ...softmax, ...norms, ...masked }, example: { heads: 2, kvHeads: 1 }, create: (options) => grouped(made(options)),
  }),
  latent: attention({
    summary: 'Softmax attention, keys and values of all heads made from one narrow latent', formula: 'softmax((qᶜ·kᶜ + qᴿ·kᴿ) / √(D + P)) v, with kᶜ = c Wᵏ, v = c Wᵛ, c = norm(x Wᵈ)', paper: 'arXiv 2405.04434',
    options: {
      ...heads, kvRank: count().describe('Width of the latent of keys and values.'), queryRank: count().optional().describe('Width of the latent of queries; default: none.'),
      rotatedWidth: z.int().min(2).multipleOf(2).describe('Width of the part that turns with the position.'), valueWidth: count().optional().describe('Of a head; default headWidth.'),
      latentEpsilon: epsilon('1e-6', "the mean square of the latents' norms"), ...softmax, ...masked,
    },
    example: { heads: 2, kvRank: 6, rotatedWidth: 8 }, create: (options) => latent(made(options)),
  }),
  topK: attention({
    summary: 'Softmax attention over the keys with the greatest scores', formula: 'softmax(scale · Q Kᵀ, over the greatest scores of each query) V', paper: 'arXiv 1912.11637',
    options: { ...heads, kvHeads: kvHeads('heads').optional(), keys: count().describe('How many keys of each query count.'), ...softmax, ...norms, ...masked },
    example: { heads: 2, keys: 3 }, create: (options) => topK(made(options)),
  }),
  longformer: attention({
    summary: 'A window about each token, and global tokens with projections of their own; both ways', formula: 'softmax(scale · Q Kᵀ, over |q − k| ≤ (windowKeys − 1) / 2 and global tokens) V', paper: 'arXiv 2004.05150',
    options: { ...heads, windowKeys: count().describe('How many keys a token sees, itself and as many on either side: odd.'), globalTokens: count().describe('How many tokens, the first ones, see all and are seen by all.'), ...softmax, ...norms },
    example: { heads: 2, windowKeys: 3, globalTokens: 1 }, create: (options) => longformer(options),
  }),
  bigBird: attention({
    summary: 'Blocks: a window, the first and last block, and some at random; both ways', formula: 'softmax(scale · Q Kᵀ, over a window of blocks, the first and last block, and random ones) V', paper: 'arXiv 2007.14062',
    options: {
      ...heads, seed: z.int().min(0).describe('Of the random blocks.'), block: count().optional().describe('Tokens of a block; default 64.'),
      windowBlocks: count().optional().describe("Blocks about a query's own, odd; default 3."), randomBlocks: z.int().min(0).optional().describe('Default 3.'), ...softmax, ...norms,
    },
    example: { heads: 2, seed: 0 }, create: (options) => bigBird(options),
  }),
  cross: attention({
    summary: 'Softmax attention to another sequence', formula: 'softmax(scale · Q(x) K(context)ᵀ) V(context)', paper: 'arXiv 1706.03762',
    options: { ...heads, kvHeads: kvHeads('heads').optional(), ...softmax, ...norms, mask: masked.mask }, example: { heads: 2 }, create: (options) => cross(made(options)),
  }),
  ...mixers,
} as const;

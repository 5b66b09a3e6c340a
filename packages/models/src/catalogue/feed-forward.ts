import { activationNames, bilinearGlu, geglu, gegluTanh, glu, mixtureOfExperts, mlp, reglu, swiglu, type FeedForwardVariant, type GatedOptions } from '@ashlar/nn';
import { z } from 'zod';
import { bias, count, entriesOf } from './entry.js';

const feedForward = entriesOf<FeedForwardVariant>();

const hidden = (otherwise: string) => count().optional().describe(`F; default ${otherwise}.`);
const gated = (by: string, formula: string, create: (options: GatedOptions) => FeedForwardVariant, paper = 'arXiv 2002.05202') =>
  feedForward({ summary: `Two projections, one gated by ${by} of the other, and one back`, formula, paper, options: { hidden: hidden('8/3 C'), bias }, example: {}, create });

export const feedForwards = {
  mlp: feedForward({
    summary: 'Two layers with an activation between them', formula: 'activation(x U) D', paper: 'arXiv 1706.03762',
    options: { activation: z.enum(activationNames).optional().describe('Default gelu.'), hidden: hidden('4 C'), bias }, example: {}, create: (options) => mlp(options),
  }),
  glu: gated('the sigmoid', '(σ(x G) ⊙ x U) D', glu, 'arXiv 1612.08083'),
  bilinearGlu: gated('the value', '(x G ⊙ x U) D', bilinearGlu),
  reglu: gated('the ReLU', '(relu(x G) ⊙ x U) D', reglu),
  geglu: gated('the GELU (error function)', '(gelu(x G) ⊙ x U) D', geglu),
  gegluTanh: gated('the GELU (tanh form)', '(geluTanh(x G) ⊙ x U) D', gegluTanh),
  swiglu: gated('the SiLU', '(silu(x G) ⊙ x U) D', swiglu),
  mixtureOfExperts: feedForward({
    summary: 'Experts, of which a router chooses some for each token', formula: 'Σ gate · expert(x), over the k experts with the greatest gates', paper: 'arXiv 2101.03961',
    options: {
      experts: count().describe('E.'), active: count().optional().describe('k, experts a token; default 2.'), hidden: hidden('8/3 C, or 4 C where not gated'),
      activation: z.enum(activationNames).optional().describe('Default silu.'), gated: z.boolean().optional().describe('(activation(x G) ⊙ x U) D, or activation(x U) D; default true.'),
      capacity: z.number().gt(0).optional().describe('In training an expert takes at most this times its even share of tokens; default: all that come.'),
      balanceLoss: z.number().min(0).optional().describe('Factor of the balance loss; default 0.01.'), zLoss: z.number().min(0).optional().describe('Factor of the router z-loss; default 0.001.'),
    },
    example: { experts: 4 }, create: (options) => mixtureOfExperts(options),
  }),
} as const;

import type { PositionalVariant } from '@ashlar/nn';
import { alibi, learned, noPositions, rotary, shaw, sinusoidal, t5Bias, xPos } from '@ashlar/positional';
import { z } from 'zod';
import { closedObject } from '../config-errors.js';
import { count, entriesOf } from './entry.js';

const positional = entriesOf<PositionalVariant>();

const base = z.number().gt(0).optional().describe('Of the angles; default 10000.');
const factor = z.number().min(1).describe('How many times as long sequences are as those trained on.');
const originalLength = count().describe('The length trained on.');
const turns = (otherwise: number, which: string, what: string) => z.number().gt(0).optional().describe(`Pairs that turn ${which} often than this over the original length ${what}; default ${otherwise}.`);
const wave = (otherwise: number, which: string, what: string) => z.number().gt(0).optional().describe(`Pairs whose wavelength is ${which} the original length divided by this ${what}; default ${otherwise}.`);
const scaling = z.discriminatedUnion('type', [
  closedObject({ type: z.literal('linear'), factor }),
  closedObject({ type: z.literal('ntk'), factor }),
  closedObject({
    type: z.literal('yarn'), factor, originalLength,
    fastTurns: turns(32, 'more', 'stay as they are'), slowTurns: turns(1, 'less', 'are divided by the factor'),
    attentionFactor: z.number().gt(0).optional().describe('Factor of queries and keys; default 0.1 ln(factor) + 1.'),
  }),
  closedObject({
    type: z.literal('llama3'), factor, originalLength,
    lowFrequencyFactor: wave(1, 'above', 'are divided by the factor'), highFrequencyFactor: wave(4, 'below', 'stay as they are'),
  }),
]).optional().describe('For sequences longer than those trained on; default none.');

export const positionals = {
  none: positional({ summary: 'Nothing: the order is learned from what tokens see', formula: 'x', paper: 'arXiv 2305.19466', options: {}, example: {}, create: () => noPositions() }),
  learned: positional({
    summary: 'A learned vector a position, added to the embeddings', formula: 'x + W[position]', paper: 'arXiv 1705.03122',
    options: { maxLength: count().optional().describe('Default: that of the model.'), offset: z.int().min(0).optional().describe('How many rows of the table stand before that of position 0; default 0.') }, example: {}, create: (options) => learned(options),
  }),
  sinusoidal: positional({
    summary: 'Sines and cosines of the position, added to the embeddings', formula: 'x + (sin(p θᵢ), cos(p θᵢ), …), with θᵢ = base^(−2i/C)', paper: 'arXiv 1706.03762',
    options: { base, layout: z.enum(['interleaved', 'halves']).optional().describe('Sine and cosine in turn, or all sines first; default interleaved.') },
    example: {}, create: (options) => sinusoidal(options),
  }),
  rotary: positional({
    summary: 'Queries and keys turned by angles proportional to their position', formula: '(a cos φ − b sin φ, b cos φ + a sin φ), with φ = position · base^(−2i/d)', paper: 'arXiv 2104.09864',
    options: {
      base,
      layout: z.enum(['halfSplit', 'interleaved']).optional().describe('Which elements form pairs; default halfSplit.'),
      dimensions: z.int().min(2).multipleOf(2).optional().describe('How many elements of a head turn; default all.'),
      scaling,
    },
    example: {}, create: (options) => rotary(options),
  }),
  xPos: positional({
    summary: 'Rotary, with scores that decay with distance', formula: 'rotary q · ζᵢ^(n/scaleBase), rotary k · ζᵢ^(−m/scaleBase), with ζᵢ = (2i/d + 0.4) / 1.4', paper: 'arXiv 2212.10554',
    options: {
      base,
      layout: z.enum(['halfSplit', 'interleaved']).optional().describe('Which elements form pairs; default interleaved.'),
      scaleBase: z.number().gt(0).optional().describe('Over how many tokens a pair decays by its factor; default 512.'),
    },
    example: {}, create: (options) => xPos(options),
  }),
  alibi: positional({ summary: 'Scores lowered in proportion to distance, a slope a head', formula: 'score − mₕ |q − k|, with mₕ = 2^(−8h/H)', paper: 'arXiv 2108.12409', options: {}, example: {}, create: () => alibi() }),
  t5Bias: positional({
    summary: 'A learned number a head and range of distances, added to the scores', formula: 'score + table[bucket(k − q), h]', paper: 'arXiv 1910.10683',
    options: {
      buckets: z.int().min(4).multipleOf(4).optional().describe('Rows of the table; default 32.'),
      maxDistance: count().optional().describe('From where on all distances share the last bucket; default 128.'),
    },
    example: {}, create: (options) => t5Bias(options),
  }),
  shaw: positional({
    summary: 'A learned vector a distance, added to the keys', formula: 'score + scale · q · a[clip(k − q)]', paper: 'arXiv 1803.02155',
    options: { maxDistance: count().optional().describe('Distances beyond it share its vector; default 16.') }, example: {}, create: (options) => shaw(options),
  }),
} as const;

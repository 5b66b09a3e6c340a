import { and, blockLayout, blockLocal, causal, dilatedWindow, fixedPattern, globalTokens, not, or, prefixLm, slidingWindow, strided, symmetricWindow, type Mask } from '@ashlar/attention';
import { z } from 'zod';
import { closedObject } from '../config-errors.js';
import { count } from './entry.js';

/** A mask as data: its name, or its type and options, or a list of masks that must all hold. */
export type MaskConfig =
  | 'causal'
  | { readonly type: 'causal' }
  | { readonly type: 'slidingWindow'; readonly windowKeys: number }
  | { readonly type: 'symmetricWindow'; readonly windowKeys: number }
  | { readonly type: 'dilatedWindow'; readonly windowKeys: number; readonly dilation: number }
  | { readonly type: 'blockLocal'; readonly size: number }
  | { readonly type: 'globalTokens'; readonly count: number }
  | { readonly type: 'prefixLm'; readonly length: number }
  | { readonly type: 'strided'; readonly stride: number }
  | { readonly type: 'fixedPattern'; readonly stride: number; readonly summary?: number | undefined }
  | { readonly type: 'blockLayout'; readonly matrix: readonly (readonly number[])[]; readonly blockSize: number }
  | { readonly type: 'and' | 'or'; readonly masks: readonly MaskConfig[] }
  | { readonly type: 'not'; readonly mask: MaskConfig }
  | readonly MaskConfig[];

const inner = z.lazy((): z.ZodType<MaskConfig> => maskSchema), several = () => z.array(inner).min(1);
const windowKeys = count().describe('How many keys a query sees, itself included.');
const objects = [
  closedObject({ type: z.literal('causal') }).describe('A query sees itself and what stands before it.'),
  closedObject({ type: z.literal('slidingWindow'), windowKeys }).describe('A query sees itself and the windowKeys − 1 keys before it. arXiv 2310.06825'),
  closedObject({ type: z.literal('symmetricWindow'), windowKeys }).describe('A query sees itself and as many keys on either side. arXiv 2004.05150'),
  closedObject({ type: z.literal('dilatedWindow'), windowKeys, dilation: count().describe('How far apart they stand.') }).describe('A query sees itself and every dilation-th key before it. arXiv 2004.05150'),
  closedObject({ type: z.literal('blockLocal'), size: count() }).describe('A query sees the keys of its own block.'),
  closedObject({ type: z.literal('globalTokens'), count: count() }).describe('The first tokens see all and are seen by all. arXiv 2004.05150'),
  closedObject({ type: z.literal('prefixLm'), length: count() }).describe('The first tokens see each other both ways, the others what stands before. arXiv 1910.10683'),
  closedObject({ type: z.literal('strided'), stride: count() }).describe('A query sees the stride − 1 keys before it and every stride-th one. arXiv 1904.10509'),
  closedObject({ type: z.literal('fixedPattern'), stride: count(), summary: count().optional().describe('Default 1.') }).describe('A query sees its block and the last keys of each block before. arXiv 1904.10509'),
  closedObject({ type: z.literal('blockLayout'), matrix: z.array(z.array(z.union([z.literal(0), z.literal(1)])).min(1)).min(1), blockSize: count() }).describe('Queries of block i see the keys of block j where matrix[i][j] is 1.'),
  closedObject({ type: z.literal('and'), masks: several() }).describe('What all of them let through.'),
  closedObject({ type: z.literal('or'), masks: several() }).describe('What one of them lets through.'),
  closedObject({ type: z.literal('not'), mask: inner }).describe('What it does not let through.'),
] as const;
const names = objects.map((object) => object.shape.type.value);

/** The schema of a mask. A list is what all of its masks let through. */
export const maskSchema: z.ZodType<MaskConfig> = z.union([
  z.literal('causal'), z.array(inner).min(1),
  z.discriminatedUnion('type', objects, { error: ({ input }) => `must be a mask, or a list of masks, of type ${names.join(', ')}, got ${JSON.stringify((input as { type?: unknown } | null | undefined)?.type ?? input) ?? 'nothing'}` }),
]) as unknown as z.ZodType<MaskConfig>;

/** The mask that a checked config describes. */
export function maskOf(config: MaskConfig): Mask {
  if (config === 'causal') return causal;
  if (isList(config)) return joined(and, config);
  switch (config.type) {
    case 'causal': return causal;
    case 'slidingWindow': return slidingWindow(config.windowKeys);
    case 'symmetricWindow': return symmetricWindow(config.windowKeys);
    case 'dilatedWindow': return dilatedWindow(config);
    case 'blockLocal': return blockLocal(config.size);
    case 'globalTokens': return globalTokens(config.count);
    case 'prefixLm': return prefixLm(config.length);
    case 'strided': return strided(config);
    case 'fixedPattern': return fixedPattern(config);
    case 'blockLayout': return blockLayout(config.matrix, config.blockSize);
    case 'and': return joined(and, config.masks);
    case 'or': return joined(or, config.masks);
    case 'not': return not(maskOf(config.mask));
  }
}

const isList = (config: MaskConfig): config is readonly MaskConfig[] => Array.isArray(config);
const joined = (join: typeof and, masks: readonly MaskConfig[]): Mask => {
  const [first, ...rest] = masks.map(maskOf);
  return join(first!, ...rest);
};

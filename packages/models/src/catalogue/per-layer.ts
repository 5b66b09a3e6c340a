import type { LayerPatternOptions } from '@ashlar/nn';
import { z } from 'zod';
import { entriesSchema } from './entries-schema.js';
import type { AnyEntry, CatalogueEntry } from './entry.js';

/** A part as data, as a pattern of layers holds it. */
export interface PatternPart { readonly type: string; readonly [option: string]: unknown }

const shapeOf = (entries: Readonly<Record<string, AnyEntry<never>>>) => ({
  order: z.string().min(1).describe('A letter a layer, from the first.'),
  variants: z.record(z.string().length(1), entriesSchema(entries) as unknown as z.ZodType<PatternPart | string>).describe('What the letters stand for.'),
  overrides: z.record(z.string(), z.string().length(1)).optional().describe('Letters of single layers, by their number from 0.'),
  repeat: z.boolean().optional().describe('Whether the order begins again where it ends; default true.'),
});

export interface PatternFamily<Part> {
  /** What layers differ in. */
  readonly what: string;
  readonly paper: string;
  readonly example: { readonly order: string; readonly variants: Readonly<Record<string, PatternPart>> };
  create(options: LayerPatternOptions<Part>): Part;
}

/** Entries of a family, and a pattern by which each layer has one of them. */
export function withPerLayer<Part, Entries extends object>(entries: Entries, { what, paper, example, create }: PatternFamily<Part>): Entries & { readonly perLayer: CatalogueEntry<ReturnType<typeof shapeOf>, Part> } {
  const known = entries as Readonly<Record<string, AnyEntry<Part>>>;
  const made = (part: PatternPart | string): Part => {
    const { type, ...options } = typeof part === 'string' ? { type: part } : part;
    return known[type]!.create(options);
  };
  return {
    ...entries,
    perLayer: {
      summary: `Another ${what} for each layer, by a pattern such as LLLG`, formula: 'variants[order[layer mod length of order]]', paper, options: shapeOf(known as Readonly<Record<string, AnyEntry<never>>>), example: example as never,
      create: ({ variants, ...options }) => create({ ...options, variants: Object.fromEntries(Object.entries(variants).map(([letter, part]) => [letter, made(part)])) }),
    },
  };
}

import { z } from 'zod';

/** A part that a config can name. */
export interface CatalogueEntry<Shape extends z.ZodRawShape, Part> {
  /** One line for people. */
  readonly summary: string;
  /** What it computes, in a line. */
  readonly formula: string;
  readonly paper: string;
  readonly options: Shape;
  /** The options that are required, as they suit a small model: width 16, heads of width 8. */
  readonly example: NoInfer<z.input<z.ZodObject<Shape>>>;
  create(options: z.output<z.ZodObject<Shape>>): Part;
}

/** An entry, with the schema of its options forgotten. */
export type AnyEntry<Part> = CatalogueEntry<z.ZodRawShape, Part>;

/** Types an entry by its schema: `entriesOf<AttentionVariant>()({ summary, …, create })`. */
export const entriesOf = <Part>() => <Shape extends z.ZodRawShape>(one: CatalogueEntry<Shape, Part>): CatalogueEntry<Shape, Part> => one;

export const count = () => z.int().min(1);
export const epsilon = (otherwise: string, of = 'the variance or mean square') => z.number().gt(0).optional().describe(`Added to ${of}; default ${otherwise}.`);
export const bias = z.boolean().optional().describe('Default: that of the model.');

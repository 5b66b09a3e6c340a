import { z } from 'zod';
import { closedObject } from '../config-errors.js';

interface Entry { readonly options: z.ZodRawShape; readonly summary: string; readonly paper: string }

/** One of these by its type with options, or by its type's name alone where no option is required. */
export function entriesSchema(entries: Readonly<Record<string, Entry>>): z.ZodType<{ readonly type: string } | string> {
  const types = Object.entries(entries), names = types.map(([type]) => type);
  const objects = types.map(([type, { options, summary, paper }]) => closedObject({ type: z.literal(type), ...options }).describe(`${summary}. ${paper}`));
  const full = z.discriminatedUnion('type', objects as [typeof objects[0]], { error: ({ input }) => unknownType((input as { type?: unknown } | null | undefined)?.type ?? input, names) });
  const short = types.filter(([, { options }]) => z.object(options).safeParse({}).success).map(([type]) => type);
  if (short.length === 0) return full as unknown as z.ZodType<{ readonly type: string }>;
  return z.union([z.enum(short, { error: ({ input }) => unknownType(input, names) }), full]) as unknown as z.ZodType<{ readonly type: string } | string>;
}

function unknownType(got: unknown, names: readonly string[]): string {
  if (typeof got === 'string' && names.includes(got)) return `${got} has options that it needs: write { "type": ${JSON.stringify(got)}, … }`;
  return `must be of type ${names.join(', ')}, got ${JSON.stringify(got) ?? 'nothing'}`;
}

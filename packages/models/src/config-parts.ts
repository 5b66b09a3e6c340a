import { z } from 'zod';
import { catalogue, catalogueWith, type Catalogue, type OwnParts, type PartKind } from './catalogue.js';
import { entriesSchema } from './catalogue/entries-schema.js';

/** A part of a config: its type and options. */
export type PartConfig<Kind extends PartKind> = EntryConfig<Catalogue[Kind]>;
export type EntryConfig<Entries> = { [Type in keyof Entries & string]: { readonly type: Type } & PartOptions<Entries[Type]> }[keyof Entries & string];
type PartOptions<Entry> = Entry extends { readonly options: infer Shape extends z.ZodRawShape } ? (keyof Shape extends never ? unknown : z.output<z.ZodObject<Shape>>) : never;

/** The variant that the family's entries create. */
type PartOf<Kind extends PartKind> = ReturnType<Catalogue[Kind][keyof Catalogue[Kind]] extends { create(options: never): infer Part } ? () => Part : never>;

export type PartSchemas = { readonly [Kind in PartKind]: z.ZodType<PartConfig<Kind>, PartConfig<Kind> | string> };

const schemasOf = (entries: Catalogue): PartSchemas =>
  Object.fromEntries((Object.keys(catalogue) as PartKind[]).map((kind) => [kind, entriesSchema(entries[kind])])) as unknown as PartSchemas;

/** A catalogue and the schemas of its parts, each made once. */
export interface PartSource { readonly entries: Catalogue; readonly schemas: PartSchemas }
export const ownSource: PartSource = { entries: catalogue, schemas: schemasOf(catalogue) };
export function sourceWith(parts: OwnParts | undefined): PartSource {
  if (!parts) return ownSource;
  const entries = catalogueWith(parts);
  return { entries, schemas: schemasOf(entries) };
}

/** A part in its long form. */
export const longForm = <Config extends object>(part: Config | string): Config => (typeof part === 'string' ? { type: part } as unknown as Config : part);

/** An attention in its long form, with `causal: false` in it, and in those of a pattern, where it is an option that is not given. */
export function lookingBothWays({ entries }: PartSource, attention: PartConfig<'attention'> | string): PartConfig<'attention'> {
  const filled = (part: { readonly type: string; readonly [option: string]: unknown } | string): object => {
    const given = longForm(part), { variants } = given as { variants?: Readonly<Record<string, { readonly type: string }>> };
    if (variants) return { ...given, variants: Object.fromEntries(Object.entries(variants).map(([letter, variant]) => [letter, filled(variant)])) };
    return 'causal' in (entries.attention as Readonly<Record<string, { readonly options: object }>>)[given.type]!.options ? { causal: false, ...given } : given;
  };
  return filled(attention) as PartConfig<'attention'>;
}

/** The part of a catalogue that a checked config names. */
export function partOf<Kind extends PartKind>({ entries }: PartSource, kind: Kind, { type, ...options }: PartConfig<Kind>): PartOf<Kind> {
  return (entries[kind] as unknown as Record<string, { create(options: unknown): PartOf<Kind> }>)[type]!.create(options);
}

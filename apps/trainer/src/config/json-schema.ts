/** A JSON Schema, as far as it is walked here. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly items?: JsonSchema;
  readonly prefixItems?: readonly JsonSchema[];
}

/** Every schema that may describe the part at `path` of `whole`: through unions and references, of unions only branches whose constants agree with it. */
function schemasAt(root: JsonSchema, path: readonly PropertyKey[], whole: unknown): JsonSchema[] {
  let found = branches(root, root, whole);
  let inside = whole;
  for (const key of path) {
    inside = typeof inside === 'object' && inside !== null ? (inside as Record<PropertyKey, unknown>)[key] : undefined;
    found = found.flatMap((schema) => {
      const next = typeof key === 'number' ? schema.prefixItems?.[key] ?? schema.items : schema.properties?.[String(key)];
      return next === undefined ? [] : branches(root, next, inside);
    });
  }
  return found;
}

/** The keys that the object at `path` of `whole` may have. */
export function keysAt(root: JsonSchema, path: readonly PropertyKey[], whole: unknown): string[] {
  return [...new Set(schemasAt(root, path, whole).flatMap((schema) => Object.keys(schema.properties ?? {})))];
}

function branches(root: JsonSchema, schema: JsonSchema, value: unknown): JsonSchema[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace(/^#\/\$defs\//, '');
    const target = schema.$ref === '#' ? root : root.$defs?.[name];
    return target === undefined ? [] : branches(root, target, value);
  }
  const parts = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])];
  if (parts.length === 0) return [schema];
  const all = parts.flatMap((part) => branches(root, part, value));
  const agreeing = all.filter((part) => agrees(part, value));
  return agreeing.length > 0 ? agreeing : all;
}

/** Whether the constants among a schema's properties, such as a `type`, are those of the value. */
function agrees({ properties = {} }: JsonSchema, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(properties).every(([key, property]) => property.const === undefined || (value as Record<string, unknown>)[key] === property.const);
}

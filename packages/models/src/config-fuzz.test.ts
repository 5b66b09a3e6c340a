// Configs that are changed at random: each is parsed and built, or refused by an error of ours.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CombinationError, ConfigError, build, parseModelConfig, presets, type ModelConfigInput } from './index.js';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
const sizes = { vocabulary: 11, width: 8, depth: 3, heads: 2, hidden: 12, maxLength: 8 }, grouped = { ...sizes, kvHeads: 1, headWidth: 4 };
const wholes = [presets.gpt2(sizes), presets.gemma3(grouped), presets.modernBert(sizes), presets.linearHybrid(grouped), presets.bart(sizes), presets.t5(sizes), presets.bert(sizes)] as unknown as Json[];

/** Every place in a value, as a path. */
const places = (value: Json): (string | number)[][] => [[], ...(typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([key, inner]) => places(inner as Json).map((path) => [key, ...path])) : [])];
const valueAt = (value: Json, path: readonly (string | number)[]): Json => path.reduce<Json>((inner, key) => (inner as Record<string, Json>)[key]!, value);
const changedAt = (value: Json, path: readonly (string | number)[], change: Json | undefined): Json => {
  const [key, ...rest] = path as [string, ...string[]];
  if (path.length === 0) return change ?? null;
  const copy = structuredClone(value) as Record<string, Json>;
  if (rest.length === 0 && change === undefined) delete copy[key];
  else copy[key] = changedAt(copy[key]!, rest, change);
  return copy;
};
const small = fc.oneof(fc.constantFrom<Json>(null, true, false, 0, 1, 2, 3, 0.5, -1, 'rotary', 'alibi', 'multiHead', 'layerNorm', 'reZero', 'subNorm', 'L', ''), fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>);

test('a config that is changed somewhere is built, or refused with a message', () => {
  fc.assert(fc.property(fc.constantFrom(...wholes), fc.double({ min: 0, max: 1, noNaN: true }), fc.option(small, { nil: undefined }), fc.option(fc.tuple(fc.constantFrom(...wholes), fc.double({ min: 0, max: 1, noNaN: true })), { nil: undefined }), (config, where, change, part) => {
    const all = places(config), path = all[Math.floor(where * (all.length - 1))]!;
    // Another value, or a part of another config.
    const other = part && places(part[0]), given = changedAt(config, path, other ? valueAt(part[0], other[Math.floor(part[1] * (other.length - 1))]!) : change);
    try {
      const parsed = parseModelConfig(given as unknown);
      expect(parseModelConfig(parsed as unknown)).toEqual(parsed);
      const { width, depth, vocabulary } = JSON.parse(JSON.stringify(given)) as Record<string, number>;
      if ([width, depth, vocabulary].every((size) => size === undefined || size < 100)) expect(build(given as ModelConfigInput, { seed: 'none' }).parameterCount).toBeGreaterThan(0);
    } catch (error) {
      if (error instanceof ConfigError || error instanceof CombinationError) return;
      // What a part refuses names the part.
      expect((error as Error).message).toMatch(/^[\w (),]+: |does not/);
      expect(error).not.toBeInstanceOf(TypeError);
    }
  }), { numRuns: 400, seed: 7 });
});

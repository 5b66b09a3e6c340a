import { Ajv } from 'ajv';
import formatsOf from 'ajv-formats';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hostRandom, randomKey } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { build } from '@ashlar/models';
import { byteTokenizer, characterTokenizer, type Tokenizer } from '@ashlar/text';
import { generate, jsonOf, jsonSchemaPattern, matching, type Constraint, type JsonSchema } from '../index.js';
import { automatonOf, type Automaton } from './automaton.js';

const bytes = byteTokenizer();

function accepts({ next, final }: Automaton, text: string): boolean {
  let state = 0;
  for (const byte of new TextEncoder().encode(text)) if (state >= 0) state = next[state * 256 + byte]!;
  return state >= 0 && final[state]!;
}

/** A text of the constraint, token by token at random; ends early where it may. */
function anyText(constraint: Constraint, tokenizer: Tokenizer, seed: number, end: number): string {
  const text = constraint.begin(), random = hostRandom(randomKey(seed)), tokens: number[] = [];
  while (!text.finished) {
    const logits = new Float32Array(end + 1);
    text.mask(logits);
    const allowed = [...logits.keys()].filter((id) => logits[id] === 0), token = allowed.includes(end) && (tokens.length > 60 || random() < 0.2) ? end : allowed[Math.floor(random() * allowed.length)]!;
    if (token === end) break;
    text.accept(token);
    tokens.push(token);
    if (tokens.length > 3000) throw new Error(`no end: ${tokenizer.decode(tokens)}`);
  }
  return tokenizer.decode(tokens);
}

describe('the automaton of a regular expression', () => {
  const patterns = ['a*b', '(?:ab|a)*', '[^a]{1,2}', 'é|€|😀', '[à-ÿ]+b?', '[^\\u0100-\\uffff]a', '\\d{2,3}|\\s', '.', '^a+$', '[\\u{10000}-\\u{10ffff}]', '(?:)'] as const;
  const texts = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', ' ', '\n', 'à', 'é', 'ÿ', 'Ā', '€', '\uffff', '😀', '\u{10ffff}'), maxLength: 5 });
  test.each(patterns)('%s takes what JavaScript matches from end to end', (pattern) => {
    const automaton = automatonOf(pattern), whole = new RegExp(`^(?:${pattern})$`, 'u');
    fc.assert(fc.property(texts, (text) => { expect(accepts(automaton, text), text).toBe(whole.test(text)); }), { numRuns: 400 });
  });
  test('every code point, at the borders of the lengths of UTF-8', () => {
    const automaton = automatonOf('[^x]');
    for (const point of [0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff]) expect(accepts(automaton, String.fromCodePoint(point))).toBe(true);
    const after = (...given: number[]): number => given.reduce((state, byte) => (state < 0 ? state : automaton.next[state * 256 + byte]!), 0);
    for (const broken of [[0x80], [0xc0, 0x80], [0xc1], [0xe0, 0x80], [0xed, 0xa0], [0xf0, 0x80], [0xf4, 0x90], [0xf5], [0xff]]) expect(after(...broken), broken.join()).toBe(-1);
  });
  test('upper and lower case', () => {
    expect([...['ab', 'AB', 'aB']].every((text) => accepts(automatonOf(/ab/i), text))).toBe(true);
    expect(accepts(automatonOf(/ab/), 'AB')).toBe(false);
  });
  test.each<[string | RegExp, string]>([['(', 'Unterminated group'], ['a(?=b)', 'a(?=b): Assertions are not supported'], ['\\ba', 'Assertions'], ['(a+)\\1', 'Backreferences are not supported'], ['a|$', 'Assertions'], ['[]', 'no text matches it'], [/a/m, 'the flag m is not supported'], ['(?:a|b)*a(?:a|b){20}', 'it has more than 10000 states; make it smaller']])('refuses %s', (pattern, message) => {
    expect(() => automatonOf(pattern)).toThrow(message);
  });
  // Here the time is what is asked for; it is some tenths of a second on an idle machine.
  test.each<[string, string]>([
    ['repetitions of nothing', '(?:(?:){100000}){100000}'], ['repetitions inside each other', '(?:(?:(?:a?){99}){99}){99}'], ['many paths of one text', '(?:(?:a?){50}){50}'], ['stars inside each other', `${'(?:'.repeat(2000)}a${')*'.repeat(2000)}`],
    ['many letters', '\\p{L}'.repeat(14_000)], ['letters of either case', '[\\p{L}\\p{N}]{1,5000}'], ['all texts with a letter far from the end', `.*a.{${200}}`], ['a long choice', Array.from({ length: 20_000 }, (_, i) => i).join('|')], ['a very long text', 'a'.repeat(100_001)],
  ])('%s: done or refused at once', (_, pattern) => {
    const start = process.cpuUsage();
    try {
      automatonOf(pattern);
    } catch (error) {
      expect((error as Error).message).toMatch(/too much work|more than 10000 |up to 100000 characters|nested too deep/);
      expect((error as Error).message.length).toBeLessThan(300);
    }
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1e6, 'seconds').toBeLessThan(2);
  });
});

describe('tokens', () => {
  const masked = (constraint: Constraint, tokenizer: Tokenizer, given: readonly number[], size = tokenizer.vocabularySize): number[] => {
    const text = constraint.begin(), logits = new Float32Array(size);
    for (const token of given) text.accept(token);
    text.mask(logits);
    return [...logits.keys()].filter((id) => logits[id] === 0);
  };
  test('of several letters stand where all their letters may', () => {
    const pieces = ['a', 'ab', 'abc', 'b', 'bc', 'x', '', ' a'], tokenizer = { vocabularySize: 8, decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => pieces[id]!).join('').trimStart(), idToToken: (id: number) => pieces[id]! } as Tokenizer;
    const constraint = matching('ab{1,2}c? a|x', { tokenizer, endTokens: [6] });
    expect(masked(constraint, tokenizer, [])).toEqual([0, 1, 2, 5]);
    expect(masked(constraint, tokenizer, [1])).toEqual([3, 4, 7]);
    expect(masked(constraint, tokenizer, [5])).toEqual([6]);
    expect(() => constraint.begin().accept(4)).toThrow('token 4 cannot stand here');
  });
  test('of single bytes stand where the character may still become one that is asked for', () => {
    const constraint = matching('é|€', { tokenizer: bytes });
    expect(masked(constraint, bytes, [])).toEqual([0xc3, 0xe2]);
    expect(masked(constraint, bytes, [0xe2])).toEqual([0x82]);
  });
  test('where the vocabulary has none, it says so', () => {
    const constraint = matching('ac', { tokenizer: characterTokenizer('ab') }).begin();
    constraint.accept(0);
    expect(() => constraint.mask(new Float32Array(2))).toThrow('the vocabulary has no token with which the text could go on');
  });
});

const schemas: Record<string, JsonSchema> = {
  person: { type: 'object', properties: { name: { type: 'string', minLength: 1, maxLength: 4 }, age: { type: 'integer' }, tags: { type: 'array', items: { type: 'string', maxLength: 2 }, maxItems: 3 } }, required: ['name', 'age'], additionalProperties: false },
  options: { type: 'object', properties: { a: { type: 'boolean' }, b: { type: ['null', 'number'] }, c: { const: 'x"\\/' } } },
  last: { type: 'object', properties: { a: { type: 'boolean' }, b: { type: 'null' }, c: { type: 'integer' }, d: { type: 'null' } }, required: ['c'] },
  nested: { $ref: '#/$defs/pair', $defs: { pair: { type: 'array', items: { $ref: '#/$defs/leaf' }, minItems: 2, maxItems: 2 }, leaf: { anyOf: [{ enum: [1, 'two', null, [3]] }, { type: 'object', properties: {} }] } }, title: 'pairs' },
  formats: { type: 'array', items: { anyOf: ['date', 'time', 'date-time', 'uuid'].map((format) => ({ type: 'string', format })) }, minItems: 1, maxItems: 2 },
  numbers: { type: 'array', items: { type: 'number' }, minItems: 3 },
};

describe('JSON by a schema', () => {
  const ajv = new Ajv({ allowUnionTypes: true, strictTypes: false });
  formatsOf.default(ajv);
  test.each(Object.keys(schemas))('%s: any text that it lets pass is JSON that another validator takes', (name) => {
    const schema = schemas[name]!, constraint = jsonOf(schema, { tokenizer: bytes, endTokens: [256] }), isValid = ajv.compile(schema as object), seen = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const text = anyText(constraint, bytes, seed, 256), value: unknown = JSON.parse(text);
      expect(isValid(value), text).toBe(true);
      seen.add(text);
    }
    expect(seen.size).toBeGreaterThan(8);
  });
  test('what JSON.stringify writes passes', () => {
    const automaton = automatonOf(jsonSchemaPattern(schemas.person!));
    const value = fc.record({ name: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 2 }), age: fc.integer(), tags: fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 2 }), { maxLength: 3 }) }, { requiredKeys: ['name', 'age'] });
    fc.assert(fc.property(value, (one) => {
      const points = [...one.name].length, expected = points >= 1 && points <= 4;
      expect(accepts(automaton, JSON.stringify({ name: one.name, age: one.age, ...(one.tags ? { tags: one.tags } : {}) }))).toBe(expected);
    }));
    expect(accepts(automaton, '{"age":1,"name":"x"}')).toBe(false);
    expect(accepts(automaton, '{"name":"x"}')).toBe(false);
  });
  test('what grows with each reference is refused at once', () => {
    const $defs = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`a${i}`, i === 39 ? { type: 'null' } : { anyOf: [{ $ref: `#/$defs/a${i + 1}` }, { type: 'object', properties: Object.fromEntries(Array.from({ length: 9 }, (_, k) => [k, { $ref: `#/$defs/a${i + 1}` }])) }] }]));
    expect(() => jsonSchemaPattern({ $ref: '#/$defs/a0', $defs })).toThrow('as a regular expression it would have more than 100000 characters');
  });
  test.each<[JsonSchema, string]>([
    [true, 'at its root: expected a schema object, got true'],
    [{}, 'say a type, enum, const, anyOf or $ref'],
    [{ not: { type: 'string' } }, 'not alone is not supported'],
    [{ type: 'array', items: { type: 'integer', minimum: 3 } }, 'at /items: minimum is not supported for integer'],
    [{ type: 'object', properties: { a: { type: 'strin' } } }, 'at /properties/a: type must be one of object, array, string, integer, number, boolean, null, got "strin"'],
    [{ type: 'array' }, 'an array needs items'],
    [{ type: 'array', items: { type: 'null' }, uniqueItems: true }, 'uniqueItems is not supported for array'],
    [{ type: 'string', pattern: 'a' }, 'pattern is not supported for string'],
    [{ type: 'string', format: 'email' }, 'format must be one of date, time, date-time, uuid, got "email"'],
    [{ type: 'string', minLength: 3, maxLength: 2 }, 'the most (2) is less than the least (3)'],
    [{ type: 'string', maxLength: -1 }, 'maxLength must be a whole number from 0'],
    [{ type: 'object', properties: {}, required: ['a'] }, '"a" is required, and properties does not name it'],
    [{ enum: [] }, 'enum must be an array of at least one value'],
    [{ type: 'string', enum: ['a', 1] }, '1 is not of type string'],
    [{ anyOf: [{ type: 'null' }], minLength: 3 }, 'anyOf beside minLength is not supported'],
    [{ $ref: '#/$defs/a', $defs: { a: { type: 'array', items: { $ref: '#/$defs/a' } } } }, '#/$defs/a holds itself'],
    [{ $ref: '#/$defs/b' }, 'there is nothing at #/$defs/b'],
    [{ $ref: 'http://x' }, '$ref must begin with "#/"'],
  ])('refuses %j by name', (schema, message) => { expect(() => jsonSchemaPattern(schema)).toThrow(message); });
});

test('a model writes what it is held to, whatever it would rather write', async () => {
  const model = build({ modelType: 'decoder', vocabulary: 257, width: 8, depth: 1, maxLength: 96, attention: { type: 'multiHead', heads: 1 }, positional: 'learned', norm: 'rmsNorm', feedForward: 'swiglu' }, { seed: 2 }), device = reference();
  const schema = schemas.person!, constraint = jsonOf(schema, { tokenizer: bytes, endTokens: [256] }), isValid = new Ajv().compile(schema as object);
  for (let seed = 0; seed < 3; seed++) {
    const tokens: number[] = [], written = generate({ model, device, prompt: [65], maxTokens: 90, seed, temperature: 3, endTokens: [256], constraint });
    for (;;) {
      const { value, done } = await written.next();
      if (done) { expect(['constraint', 'endToken']).toContain(value); break; }
      tokens.push(value);
    }
    const text = bytes.decode(tokens);
    expect(isValid(JSON.parse(text)), text).toBe(true);
  }
});

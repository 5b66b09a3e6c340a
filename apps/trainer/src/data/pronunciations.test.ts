import { beforeAll, describe, expect, test } from 'vitest';
import { readPronunciations } from './pronunciations.js';
import { dividedByGroup, fieldsOf, type DataRecord } from './records.js';

/** ARPAbet as the dictionary has it, without stress. */
const phonemes = 'AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH'.split(' ');

let rows: DataRecord[];
beforeAll(async () => { rows = await readPronunciations(); });
const of = (word: string): string[] => rows.flatMap(({ source, target }) => (source === word ? [target!] : []));

describe('pronunciations', () => {
  test('are of 39 phonemes without stress or remarks; words are of letters and apostrophes', () => {
    expect([...new Set(rows.flatMap(({ target }) => target!.split(' ')))].sort()).toEqual(phonemes);
    expect(rows.filter(({ source }) => !/^[a-z']+$/.test(source!))).toEqual([]);
    expect(rows.length).toBeGreaterThan(130_000);
    expect(of('aalto')).toEqual(['AA L T OW']);
  });

  test('a word has each of its pronunciations once', () => {
    expect(of('tomato')).toEqual(['T AH M EY T OW', 'T AH M AA T OW']);
    expect(of('abstract')).toEqual(['AE B S T R AE K T']);
    expect(new Set(rows.map(({ source, target }) => `${source} ${target}`)).size).toBe(rows.length);
  });

  test('all of a word are trained on, or all held out', () => {
    const examples = fieldsOf({ name: 'words', rows, hash: '' }, ['source', 'target']), parts = dividedByGroup('words', examples, 0.05);
    const wordsOf = (part: typeof examples): Set<string> => new Set(part.map(({ source }) => source)), held = wordsOf(parts.validation), trained = wordsOf(parts.train);
    expect([...held].filter((word) => trained.has(word))).toEqual([]);
    expect(held.size / (held.size + trained.size)).toBeCloseTo(0.05, 4);
    expect(parts.validation.length).toBeGreaterThan(held.size);
  });
});

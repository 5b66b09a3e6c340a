import { assertToken, UnknownCharacterError, type Tokenizer } from './tokenizer.js';

/**
 * One token a symbol, such as a word or a phoneme: a text is symbols with spaces between them. Token n is
 * `symbols[n]`.
 * @throws {RangeError} where a symbol is empty, has a space in it or comes twice.
 */
export function symbolTokenizer(symbols: readonly string[]): Tokenizer {
  const numbers = new Map(symbols.map((symbol, id) => [symbol, id]));
  const bad = symbols.find((symbol, id) => !/^\S+$/u.test(symbol) || numbers.get(symbol) !== id);
  if (bad !== undefined || symbols.length === 0) throw new RangeError(`symbolTokenizer: symbols must be different, without spaces and at least one, got ${JSON.stringify(bad)}`);
  const V = symbols.length, symbol = (id: number): string => {
    assertToken(id, V, 'symbolTokenizer');
    return symbols[id]!;
  };
  return {
    vocabularySize: V,
    encode: (text) => Uint32Array.from(text.matchAll(/\S+/gu), ({ 0: one, index }) => {
      const id = numbers.get(one);
      if (id === undefined) throw new UnknownCharacterError('symbolTokenizer', one, index, `the vocabulary has ${V} symbols, such as ${symbols.slice(0, 5).join(', ')}`);
      return id;
    }),
    decode: (ids) => Array.from(ids, symbol).join(' '),
    idToToken: symbol,
    toJSON: () => ({ type: 'symbol', symbols: [...symbols] }),
  };
}

/** The different symbols of texts, in the order of their code points. */
export function symbolsOf(texts: Iterable<string>): string[] {
  const found = new Set<string>();
  for (const text of texts) for (const [symbol] of text.matchAll(/\S+/gu)) found.add(symbol);
  return [...found].sort((a, b) => (a < b ? -1 : 1));
}

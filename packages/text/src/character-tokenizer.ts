import { assertToken, codePointName, UnknownCharacterError, type Tokenizer } from './tokenizer.js';

const surrogate = /^\p{Surrogate}$/u;

/**
 * One token a Unicode code point: the sorted set of those that occur in `text` is the vocabulary, and a code point's
 * rank in it is its token number.
 *
 * @param text Any text, or the code points themselves in any order and number.
 * @throws Error where `text` is empty or holds half a surrogate pair.
 */
export function characterTokenizer(text: string | Iterable<number>): Tokenizer {
  const codePoints = new Set<number>();
  if (typeof text === 'string') for (const character of text) codePoints.add(character.codePointAt(0)!);
  else for (const codePoint of text) codePoints.add(codePoint);
  const vocabulary = Uint32Array.from(codePoints).sort();
  if (vocabulary.length === 0) throw new Error('characterTokenizer: the text must hold at least one character, got none');
  const characters = Array.from(vocabulary, (codePoint) => String.fromCodePoint(codePoint));
  const broken = characters.find((character) => surrogate.test(character));
  if (broken !== undefined) throw new Error(`characterTokenizer: the text must be well-formed Unicode, got the lone surrogate ${codePointName(broken)}`);

  const rank = new Int32Array(vocabulary[vocabulary.length - 1]! + 1).fill(-1);
  vocabulary.forEach((codePoint, id) => { rank[codePoint] = id; });

  return {
    vocabularySize: vocabulary.length,
    encode(input) {
      const ids = new Uint32Array(input.length);
      let count = 0;
      for (let at = 0; at < input.length; at++) {
        const codePoint = input.codePointAt(at)!;
        const id = rank[codePoint];
        if (id === undefined || id < 0) throw unknownCharacter(String.fromCodePoint(codePoint), at, characters);
        ids[count++] = id;
        if (codePoint > 0xffff) at++;
      }
      return count === ids.length ? ids : ids.slice(0, count);
    },
    decode(ids) {
      const parts: string[] = [];
      for (let i = 0; i < ids.length; i++) {
        assertToken(ids[i]!, characters.length, 'character tokenizer');
        parts.push(characters[ids[i]!]!);
      }
      return parts.join('');
    },
    idToToken(id) {
      assertToken(id, characters.length, 'character tokenizer');
      return characters[id]!;
    },
    toJSON: () => ({ type: 'character', characters: characters.join('') }),
  };
}

const shownCharacters = 120;

function unknownCharacter(character: string, position: number, known: readonly string[]): UnknownCharacterError {
  const shown = known.slice(0, shownCharacters).map((one) => JSON.stringify(one).slice(1, -1)).join(' ');
  const rest = known.length > shownCharacters ? ` … and ${known.length - shownCharacters} more` : '';
  return new UnknownCharacterError('character tokenizer', character, position,
    `leave it out or use one of the ${known.length} known characters: ${shown}${rest}`);
}

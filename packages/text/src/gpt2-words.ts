/** Words as GPT-2 cuts them: no pair crosses their borders. ByteLevel of `tokenizer.json` cuts the same. */
export const gpt2Words = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** The last place from `least` on where a word ends whatever comes after it: before a space or newline that stands after something else. 0: none. */
export function gpt2Border(text: string, least: number): number {
  for (let at = text.length - 1; at >= Math.max(1, least); at--) if ((text[at] === ' ' || text[at] === '\n') && /\S/.test(text[at - 1]!)) return at;
  return 0;
}

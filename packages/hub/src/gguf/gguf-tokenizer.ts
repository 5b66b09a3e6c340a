import { byteTokens, type Tokenizer, type TokenizerJSON } from '@ashlar/text';
import { GgufError, type GgufMetadata, type GgufValue } from './gguf-format.js';
import { flag, text, u32 } from './gguf-names.js';

/** Kinds of tokens, by llama.cpp's numbers. */
const kinds = { normal: 1, unknown: 2, control: 3, byte: 6 } as const;
/** How a space is written in a vocabulary of SentencePiece. */
const blank = '\u2581';

/** What a file says of a tokenizer. @throws {GgufError} where llama.cpp has none such. */
export function ggufTokenizer(tokenizer: Tokenizer): GgufMetadata {
  const json = tokenizer.toJSON();
  return new Map([...entriesOf(json)].map(([key, value]) => [`tokenizer.ggml.${key}`, value]));
}

function entriesOf(json: TokenizerJSON): Map<string, GgufValue> {
  switch (json.type) {
    case 'scoredPieces': return scoredPieces(json);
    case 'byte': return matched(Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)));
    case 'character': return matched([...json.characters].map((character) => new TextEncoder().encode(character)));
    case 'huggingFace': return mergedPairs(json.tokenizer as TokenizerFile, json);
    default: throw new GgufError(`llama.cpp has no tokenizer of type ${(json as { readonly type: string }).type}; it has those of bytes, characters, scored pieces and byte-level BPE`);
  }
}

const strings = (value: readonly string[]): GgufValue => ({ type: 'array', of: 'string', value });
const types = (value: readonly number[]): GgufValue => ({ type: 'array', of: 'i32', value });

function special({ begin, end }: { readonly begin?: number | undefined; readonly end?: number | undefined }): [string, GgufValue][] {
  return [...(begin === undefined ? [] : [['bos_token_id', u32(begin)] as [string, GgufValue]]), ...(end === undefined ? [] : [['eos_token_id', u32(end)] as [string, GgufValue]]), ['add_bos_token', flag(begin !== undefined)], ['add_eos_token', flag(false)]];
}

/** SentencePiece's pairs by score. */
function scoredPieces({ pieces, scores, begin, end }: Extract<TokenizerJSON, { readonly type: 'scoredPieces' }>): Map<string, GgufValue> {
  const bytes = new Set(byteTokens(pieces)), kindOf = (id: number): number => (id === begin || id === end ? kinds.control : bytes.has(id) ? kinds.byte : id === 0 ? kinds.unknown : kinds.normal);
  return new Map([
    ['model', text('llama')],
    ['tokens', strings(pieces.map((piece, id) => (id === begin ? '<s>' : id === end ? '</s>' : piece.replaceAll(' ', blank))))],
    ['scores', { type: 'array', of: 'f32', value: scores }],
    ['token_type', types(pieces.map((_, id) => kindOf(id)))],
    ['unknown_token_id', u32(0)], ['add_space_prefix', flag(true)], ...special({ begin, end }),
  ]);
}

/**
 * Tokens that are found where their bytes stand, the longest first: llama.cpp's tokenizer of RWKV, which has no special
 * tokens. What is no token becomes the first one, as llama.cpp must have one for it.
 */
function matched(tokens: readonly Uint8Array[]): Map<string, GgufValue> {
  const escaped = (bytes: Uint8Array): string => Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  return new Map([['model', text('rwkv')], ['tokens', strings(tokens.map(escaped))], ['token_type', types(tokens.map(() => kinds.normal))], ['unknown_token_id', u32(0)]]);
}

interface TokenizerFile {
  readonly model?: { readonly type?: string; readonly vocab?: Readonly<Record<string, number>>; readonly merges?: readonly (string | readonly [string, string])[]; readonly byte_fallback?: boolean };
  readonly pre_tokenizer?: unknown;
  readonly added_tokens?: readonly { readonly id: number; readonly content: string; readonly special?: boolean }[];
}

/** How byte-level tokenizers cut a text into words before they merge: the pattern, and llama.cpp's name for it. */
const preTokenizers: readonly (readonly [pattern: string, name: string])[] = [
  ["(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", 'llama-bpe'],
  ["(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", 'qwen2'],
];

/** Byte-level pairs of a tokenizer.json, as GPT-2, Llama 3 and Qwen have them. */
function mergedPairs({ model = {}, pre_tokenizer: before, added_tokens: added = [] }: TokenizerFile, { begin, end }: { readonly begin?: number; readonly end?: readonly number[] }): Map<string, GgufValue> {
  if (model.type !== 'BPE' || model.byte_fallback === true) throw new GgufError(`a tokenizer.json of type ${model.type ?? 'nothing'}${model.byte_fallback ? ' with byte fallback' : ''} has no form here: byte-level BPE has, and so have tokenizers of bytes, characters and scored pieces`);
  const name = preTokenizerName(before), tokens: string[] = [], kind: number[] = [], { vocab = {}, merges = [] } = model;
  const put = (id: number, token: string, type: number): void => { tokens[id] = token; kind[id] = type; };
  for (const [token, id] of Object.entries(vocab)) put(id, token, kinds.normal);
  for (const { id, content, special: isSpecial = false } of added) put(id, content, isSpecial ? kinds.control : 4);
  const missing = Array.from(tokens).findIndex((token) => token === undefined);
  if (missing >= 0) throw new GgufError(`tokenizer.json has no token ${missing}, and GGUF needs every one`);
  return new Map([
    ['model', text('gpt2')], ['pre', text(name)], ['tokens', strings(tokens)], ['token_type', types(kind)],
    ['merges', strings(merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' '))))], ...special({ begin, end: end?.[0] }),
  ]);
}

function preTokenizerName(before: unknown): string {
  const found = JSON.stringify(before ?? null), parts = ((before as { pretokenizers?: unknown[] } | null)?.pretokenizers ?? [before]) as ({ type?: string; use_regex?: boolean; add_prefix_space?: boolean; pattern?: { Regex?: string } } | null)[];
  const pattern = parts.find((part) => part?.type === 'Split')?.pattern?.Regex, known = preTokenizers.find(([regex]) => regex === pattern)?.[1];
  if (known !== undefined) return known;
  if (parts.length === 1 && parts[0]?.type === 'ByteLevel' && parts[0].use_regex !== false && parts[0].add_prefix_space !== true) return 'gpt-2';
  throw new GgufError(`the pre_tokenizer of tokenizer.json must be that of GPT-2, Llama 3 or Qwen 2, got ${found.slice(0, 120)}`);
}

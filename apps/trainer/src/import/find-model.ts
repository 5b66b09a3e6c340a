import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { loadGguf, loadHuggingFace, loadHuggingFaceTokenizer, loadLlama2c, loadLlama2cTokenizer } from '@ashlar/hub/node';
import type { HuggingFaceModel, PretrainedModel } from '@ashlar/hub';
import type { Tokenizer } from '@ashlar/text';
import { exitCodes, Failure } from '../failure.js';

/** A model of another program, and what it was made for. */
export interface FoundModel {
  /** For people. */
  readonly form: string;
  /** The name that a run of it has unless another is given. */
  readonly name: string;
  readonly pretrained: PretrainedModel;
  /** Of Hugging Face's. */
  readonly family?: string;
  readonly tokenizer: Tokenizer;
  /** Of what an encoder-decoder writes. */
  readonly targetTokenizer?: Tokenizer;
  /** Worth telling. */
  readonly notes: readonly string[];
}

/** llama2.c's tokenizers are called tokenizer.bin, or tok512.bin by the number of their tokens. */
const tokenizerName = /^tok.*\.bin$/;

/**
 * The model in a folder (Hugging Face's files, else a checkpoint of llama2.c) or in files (a GGUF file, or a checkpoint and
 * its tokenizer).
 * @param tokenizerFile Of a Hugging Face folder that lacks one: a tokenizer.json, or a folder with one.
 * @throws Failure with exit code 2 or 3, HuggingFaceConfigError, SafetensorsError, Llama2cError, GgufError
 */
export function findModel(paths: readonly string[], tokenizerFile?: string): FoundModel {
  for (const path of paths) if (!existsSync(path)) throw new Failure(exitCodes.data, `${path}: there is no such file or folder`);
  const [first] = paths, isFolder = paths.length === 1 && statSync(first!).isDirectory();
  if (isFolder && existsSync(join(first!, 'config.json'))) return huggingFaceModel(first!, tokenizerFile);
  if (tokenizerFile !== undefined) throw new Failure(exitCodes.usage, '--tokenizer: goes with a Hugging Face folder; leave it out');
  if (paths.length === 1 && first!.endsWith('.gguf')) return ggufModel(first!);
  return llama2cModel(isFolder ? binFiles(first!) : paths, first!);
}

function huggingFaceModel(folder: string, tokenizerFile = folder): FoundModel {
  const pretrained = loadHuggingFace(folder), { family, specialTokens } = pretrained, tokenizer = loadHuggingFaceTokenizer(tokenizerFile, specialTokens) ?? llama2cTokenizer(folder);
  if (!tokenizer) throw new Failure(exitCodes.data, `${tokenizerFile}: it has no tokenizer.json, without which no text can be read; put it there, or name one by --tokenizer`);
  return { form: `Hugging Face, ${family}`, name: basename(resolve(folder)), family, pretrained, tokenizer, ...(pretrained.modelType === 'encoderDecoder' ? { targetTokenizer: targetTokenizerOf(pretrained, tokenizerFile) } : {}), notes: notesOf(pretrained) };
}

/** The same tokenizer, with the token that targets begin behind. */
function targetTokenizerOf({ specialTokens: { decoderStart, ...others } }: HuggingFaceModel, tokenizerFile: string): Tokenizer {
  if (decoderStart === undefined || others.end === undefined) throw new Failure(exitCodes.data, 'config.json: it must say decoder_start_token_id and eos_token_id, which targets begin behind and end with');
  return loadHuggingFaceTokenizer(tokenizerFile, { ...others, begin: decoderStart })!;
}

function ggufModel(path: string): FoundModel {
  const { tokenizer, ...pretrained } = loadGguf(path);
  if (!tokenizer) throw new Failure(exitCodes.data, `${path}: its tokenizer is none of those that are read from GGUF files, which is SentencePiece's pairs by score alone; import the Hugging Face files`);
  return { form: 'GGUF', name: basename(path, '.gguf'), pretrained, tokenizer, notes: [] };
}

const notesOf = ({ unused }: HuggingFaceModel): string[] => (unused.length === 0 ? [] : [`left out, as they belong to other heads: ${unused.join(', ')}`]);

function llama2cTokenizer(folder: string): Tokenizer | undefined {
  const path = binFiles(folder).find((file) => tokenizerName.test(basename(file)));
  return path === undefined ? undefined : loadLlama2cTokenizer(path);
}

function llama2cModel(files: readonly string[], given: string): FoundModel {
  const checkpoints = files.filter((path) => !tokenizerName.test(basename(path))), tokenizers = files.filter((path) => tokenizerName.test(basename(path)));
  const [checkpoint] = checkpoints;
  if (checkpoint === undefined || checkpoints.length > 1) throw new Failure(exitCodes.usage, `${given}: give a folder with config.json (Hugging Face), a GGUF file (.gguf), or one checkpoint of llama2.c (.bin), got ${checkpoints.length === 0 ? 'none' : checkpoints.join(', ')}`);
  const beside = tokenizers.length > 0 ? tokenizers : binFiles(dirname(checkpoint)).filter((path) => tokenizerName.test(basename(path)));
  if (beside.length !== 1) throw new Failure(exitCodes.usage, `${checkpoint}: give its tokenizer too, a file such as tokenizer.bin or tok512.bin, got ${beside.length === 0 ? 'none' : beside.join(', ')}`);
  return { form: 'llama2.c', name: basename(checkpoint, extname(checkpoint)), pretrained: loadLlama2c(checkpoint), tokenizer: loadLlama2cTokenizer(beside[0]!), notes: [] };
}

const binFiles = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.bin')).sort().map((name) => join(folder, name));

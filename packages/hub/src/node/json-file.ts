import { HuggingFaceConfigError } from '../config-keys.js';
import { openFileSource } from './file-source.js';

/** A tokenizer.json with its merges takes some 30 MB. */
const largestFile = 2 ** 28;
const greatestDepth = 200;

/**
 * The contents of a JSON file that comes from elsewhere.
 * @throws {HuggingFaceConfigError} where it is missing, no regular file, absurdly large or deep, or no JSON.
 */
export function readJsonFile(path: string): unknown {
  const text = readText(path);
  if (depthOf(text) > greatestDepth) throw new HuggingFaceConfigError(`${path}: it is nested more than ${greatestDepth} deep`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new HuggingFaceConfigError(`${path}: it is not valid JSON: ${(error as Error).message}`);
  }
}

function readText(path: string): string {
  using source = openFileSource(path, (problem) => new HuggingFaceConfigError(`${path}: ${problem}`));
  if (source.bytes > largestFile) throw new HuggingFaceConfigError(`${path}: at most ${largestFile} bytes are read, it has ${source.bytes}`);
  const bytes = new Uint8Array(source.bytes);
  source.read(0, bytes);
  return new TextDecoder().decode(bytes);
}

/** How deep brackets stand in each other, strings left out. */
function depthOf(text: string): number {
  let depth = 0, greatest = 0, inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x5b || code === 0x7b) greatest = Math.max(greatest, ++depth);
    else if (code === 0x5d || code === 0x7d) depth--;
  }
  return greatest;
}

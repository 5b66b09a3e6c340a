import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { HuggingFaceConfigError } from '../config-keys.js';

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
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    throw new HuggingFaceConfigError(`${path}: ${(error as { code?: string }).code === 'ENOENT' ? 'there is no such file' : (error as Error).message}`);
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new HuggingFaceConfigError(`${path}: it is no regular file`);
    if (status.size > largestFile) throw new HuggingFaceConfigError(`${path}: at most ${largestFile} bytes are read, it has ${status.size}`);
    const bytes = new Uint8Array(status.size);
    let done = 0;
    for (let size = -1; done < bytes.length && size !== 0; done += size) size = readSync(descriptor, bytes, done, bytes.length - done, done);
    return new TextDecoder().decode(bytes.subarray(0, done));
  } finally {
    closeSync(descriptor);
  }
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

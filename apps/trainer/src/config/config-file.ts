import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { parseDocument } from 'yaml';
import { exitCodes, Failure } from '../failure.js';

/**
 * Reads a config as data: `.json` is JSON, all else YAML.
 *
 * @throws Failure with exit code 2 where the file is missing, is not valid, or holds no object.
 */
export function readConfigFile(path: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Failure(exitCodes.usage, code === 'ENOENT' ? `${path}: there is no such config file` : `${path}: the config cannot be read: ${message}`);
  }
  const value = extname(path).toLowerCase() === '.json' ? parseJson(path, text) : parseYaml(path, text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Failure(exitCodes.usage, `${path}: a config must be an object with the keys model, data and training, got ${JSON.stringify(value) ?? 'nothing'}`);
  }
  return value as Record<string, unknown>;
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Failure(exitCodes.usage, `${path}: not valid JSON: ${(error as Error).message}`);
  }
}

function parseYaml(path: string, text: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  const [problem] = document.errors;
  if (problem !== undefined) throw new Failure(exitCodes.usage, `${path}: not valid YAML: ${problem.message.trimEnd()}`);
  return document.toJS();
}

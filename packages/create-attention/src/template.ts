import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NameError, type Names } from './names.js';

const folder = fileURLToPath(new URL('../template', import.meta.url));

/** The files of the template, whose variant is called my-attention, by their paths. npm would leave out a `.gitignore`: it has no dot there. */
export function templateFiles(): ReadonlyMap<string, string> {
  return new Map(readdirSync(folder, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name)).sort()
    .map((file) => [relative(folder, file).split(sep).join('/').replace(/^gitignore$/, '.gitignore'), readFileSync(file, 'utf8')]));
}

/**
 * Texts of the template, and their paths, with another name in place of the template's.
 * @throws {NameError} where the name stands for something else in the code.
 */
export function renamed(files: ReadonlyMap<string, string>, names: Names): Map<string, string> {
  const replaced = (text: string): string => text.replaceAll('my-attention', names.file).replaceAll('myAttention', names.camel).replaceAll('MyAttention', names.pascal);
  const taken = new RegExp(`\\b(${names.camel}|${names.pascal})\\b`);
  return new Map([...files].map(([path, text]) => {
    if (path.endsWith('.ts') && names.camel !== 'myAttention' && taken.test(text)) throw new NameError(`${JSON.stringify(names.camel)} stands for something else in the code of a variant; choose another name, such as ${names.file}-attention`);
    return [replaced(path), replaced(text)];
  }));
}

// Every part of the catalogue has a docstring with its formula and paper, and is judged by the kit of its family against a reference.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { catalogue, describeCatalogue, type PartKind } from '@ashlar/models';
import { describe, expect, test } from 'vitest';

const families: Readonly<Record<PartKind, { readonly folder: string; readonly kit: string }>> = {
  attention: { folder: 'attention', kit: 'testAttention' }, positional: { folder: 'positional', kit: 'testPositional' }, norm: { folder: 'norm', kit: 'testNorm' },
  residual: { folder: 'norm', kit: 'testResidual' }, feedForward: { folder: 'nn', kit: 'testFeedForward' },
};
const packages = fileURLToPath(new URL('../packages', import.meta.url));
const sources = (folder: string): string[] => readdirSync(join(packages, folder, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
/** The files of a package together, those that have a word in them. */
const text = (folder: string, wanted: (file: string) => boolean, word = ''): string => sources(folder).filter(wanted).map((file) => readFileSync(join(packages, folder, 'src', file), 'utf8')).filter((source) => source.includes(word)).join('\n');

describe.each(Object.entries(families) as [PartKind, typeof families[PartKind]][])('%s', (kind, { folder, kit }) => {
  const tests = text(folder, (file) => file.endsWith('.test.ts'), kit), code = text(folder, (file) => !file.endsWith('.test.ts'));
  test.each(Object.keys(catalogue[kind]).filter((name) => name !== 'perLayer'))('%s', (name) => {
    const factory = name === 'none' ? 'noPositions' : name, { paper } = describeCatalogue(kind).find((part) => part.name === name)!;
    expect(new RegExp(`(?:\\b${kit}\\(|\\[)(?:'[^']*'|\`[^\`]*\`), ${factory}\\b`).test(tests), `no ${kit}('…', ${factory}(…), { reference })`).toBe(true); // or a row of a table of such
    const docstring = new RegExp(`/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\nexport (?:const|function) ${factory}\\b`).exec(code)?.[1]?.replace(/\s*\n \* ?/g, ' ');
    expect(docstring, `${factory} has no docstring`).toBeDefined();
    if (paper !== 'unpublished') expect(docstring).toContain(paper);
    if (name !== 'none') expect(docstring, `${factory}: no formula`).toMatch(/[=·⊙√Σ()|+]/);
  });
});

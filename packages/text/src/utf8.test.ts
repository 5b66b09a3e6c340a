import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidUtf8Error, Utf8Scanner } from './utf8.js';

function scan(bytes: Uint8Array, chunk: number): void {
  const scanner = new Utf8Scanner('file.txt');
  for (let at = 0; at < bytes.length; at += chunk) scanner.push(bytes.subarray(at, at + chunk));
  scanner.end();
}

function accepts(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

describe('Utf8Scanner', () => {
  test('accepts exactly what the platform decoder accepts', () => {
    const lead = fc.constantFrom(0x41, 0x7f, 0x80, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff, 0x8f, 0x90, 0x9f);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 6 }), fc.array(lead, { maxLength: 6 }), (any, likely) => {
      for (const bytes of [any, Uint8Array.from(likely)]) {
        if (accepts(bytes)) scan(bytes, 2);
        else expect(() => scan(bytes, 2)).toThrow(InvalidUtf8Error);
      }
    }), { numRuns: 3000 });
  });

  test.each([
    [[0x61, 0x62, 0xff], 2, 'byte 0xFF'],
    [[0x61, 0xc3, 0x28], 1, 'byte 0x28'],
    [[0xe2, 0x82, 0xac, 0xe2, 0x82], 3, 'ends inside a character'],
    [[0xed, 0xa0, 0x80], 0, 'byte 0xA0'],
    [[0x61, 0xf0, 0x80, 0x80, 0x80], 1, 'byte 0x80'],
  ])('%j is invalid at byte %i', (bytes, offset, reason) => {
    for (const chunk of [1, 2, 100]) {
      expect(() => scan(Uint8Array.from(bytes), chunk)).toThrow(expect.objectContaining({ offset, source: 'file.txt', message: expect.stringContaining(reason) }));
    }
  });
});

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { build } from '@ashlar/models';
import { Llama2cError, readLlama2cCheckpoint, type ByteSource } from './index.js';
import { loadHuggingFace, loadLlama2c, loadLlama2cTokenizer } from './node.js';
import { halfSplitRows, interleavedRows } from './rotary-rows.js';

let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'ashlar-llama2c-')); });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = (bytes: Uint8Array): ByteSource => ({ name: 'model.bin', bytes: bytes.length, read: (start, into) => into.set(bytes.subarray(start, start + into.length)) });

const C = 8, F = 12, L = 2, H = 2, G = 1, V = 7, T = 6, D = C / H;
const header = (fields = [C, F, L, H, G, V, T]): Buffer => Buffer.from(Int32Array.from(fields).buffer);
const floats = (count: number, phase: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 7.31 + phase) * 0.3);
const sizes = { tokens: V * C, norms: L * C, q: L * C * C, k: L * G * D * C, v: L * G * D * C, o: L * C * C, ffnNorms: L * C, gate: L * F * C, down: L * C * F, up: L * F * C, final: C, angles: T * D };
const parts = Object.fromEntries(Object.entries(sizes).map(([name, size], i) => [name, floats(size, i)])) as Record<keyof typeof sizes, Float32Array>;
const bytesOf = (data: Float32Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
const whole = Buffer.concat([header(), ...Object.values(parts).map(bytesOf)]);

describe('readLlama2cCheckpoint', () => {
  test('gives what the same weights give whose pairs stand side by side', async () => {
    const { config, model } = readLlama2cCheckpoint(source(whole));
    const plain = build({ ...config, positional: { type: 'rotary', layout: 'interleaved' } }, { seed: 'none' });
    const layer = (data: Float32Array, i: number): Float32Array => data.slice(i * data.length / L, (i + 1) * data.length / L);
    plain.load(new Map([
      ['tokens.weight', parts.tokens], ['finalNorm.gain', parts.final],
      ...[0, 1].flatMap((i): [string, Float32Array][] => [
        [`layers.${i}.residual.norms.0.gain`, layer(parts.norms, i)], [`layers.${i}.attention.query.weight`, layer(parts.q, i)], [`layers.${i}.attention.key.weight`, layer(parts.k, i)], [`layers.${i}.attention.value.weight`, layer(parts.v, i)],
        [`layers.${i}.attention.output.weight`, layer(parts.o, i)], [`layers.${i}.residual.norms.1.gain`, layer(parts.ffnNorms, i)], [`layers.${i}.feedForward.gate.weight`, layer(parts.gate, i)], [`layers.${i}.feedForward.down.weight`, layer(parts.down, i)], [`layers.${i}.feedForward.up.weight`, layer(parts.up, i)],
      ]),
    ]));
    const tokens = tensor(Int32Array.of(1, 6, 3, 3, 0, 2), { shape: [1, 6] }), [ours, expected] = [await model.logits(tokens).data(reference()), await plain.logits(tokens).data(reference())];
    expect(Math.max(...ours.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-6);
    expect(Math.max(...ours.map(Math.abs))).toBeGreaterThan(0.1);
  });

  test('a head of its own stands at the end, behind a negative number of tokens', async () => {
    const head = floats(V * C, 99), { model, config } = readLlama2cCheckpoint(source(Buffer.concat([header([C, F, L, H, G, -V, T]), whole.subarray(28), bytesOf(head)])));
    expect(config.tiedHead).toBe(false);
    expect(await model.namedParameters().get('head.weight')!.read()).toEqual(head);
  });

  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'at least 28 bytes, this one has 0'],
    ['a newer version', Buffer.concat([header([0x616b3432, 1, 0, 0, 0, 0, 0]), whole]), 'it is of version 1; the first format alone is read'],
    ['no layers', header([C, F, 0, H, G, V, T]), 'how many layers there are, a whole number from 1, got 0'],
    ['heads that do not fit', header([C, F, L, 3, G, V, T]), 'its heads (3) must divide its width (8)'],
    ['key/value heads that do not fit', header([C, F, L, 4, 3, V, T]), 'its key/value heads (3) must divide its heads (4)'],
    ['a length too much', Buffer.concat([whole, Buffer.of(0)]), `its header asks for ${whole.length} bytes, and it has ${whole.length + 1}`],
    ['absurd sizes', header([2 ** 30, 2 ** 30, 2 ** 30, 2, 1, 2 ** 30, 2 ** 30]), 'and it has 28'],
    ['two thousand million layers', header([8, 8, 2 ** 31 - 1, 2, 1, 8, 8]), 'and it has 28'],
  ])('%s is refused', (_, bytes, message) => {
    expect(() => readLlama2cCheckpoint(source(bytes))).toThrow(Llama2cError);
    expect(() => readLlama2cCheckpoint(source(bytes))).toThrow(message);
  });

  test('any header and any length: refused with an error of its own, at once', () => {
    fc.assert(fc.property(fc.array(fc.oneof(fc.integer(), fc.integer({ min: 0, max: 9 })), { minLength: 7, maxLength: 7 }), fc.nat({ max: 200 }), (fields, rest) => {
      expect(() => readLlama2cCheckpoint(source(Buffer.concat([header(fields), Buffer.alloc(rest + 1)])))).toThrow(Llama2cError);
    }), { numRuns: 1000 });
  });
});

test('rows go from one order to the other and back', () => {
  const data = Float32Array.from({ length: 24 }, (_, i) => i);
  expect([...halfSplitRows(data, 2, 6)]).toEqual([0, 1, 4, 5, 8, 9, 2, 3, 6, 7, 10, 11, 12, 13, 16, 17, 20, 21, 14, 15, 18, 19, 22, 23]);
  expect(interleavedRows(halfSplitRows(data, 2, 6), 2, 6)).toEqual(data);
  expect(halfSplitRows(interleavedRows(data, 3, 4), 3, 4)).toEqual(data);
});

test('files that are missing or no tokenizer are named', () => {
  const path = join(folder, 'tok.bin');
  expect(() => loadLlama2cTokenizer(path)).toThrow(`${path}: there is no such file`);
  writeFileSync(path, Buffer.alloc(3));
  expect(() => loadLlama2cTokenizer(path)).toThrow(`${path}: it has 3 bytes`);
  expect(() => loadLlama2c(folder)).toThrow(`${folder}: it is no regular file`);
});

const real = new URL('../../../../shared/data/stories260K/', import.meta.url);
test('a published checkpoint has the same weights as its Hugging Face files', async (context) => {
  if (!existsSync(real)) return context.skip('../shared/data/stories260K is not here');
  const { model, config, specialTokens } = loadLlama2c(fileURLToPath(new URL('stories260K.bin', real))), other = loadHuggingFace(fileURLToPath(real), { modelType: 'decoder' });
  for (const [name, parameter] of model.namedParameters()) expect(await parameter.read(), name).toEqual(await other.model.namedParameters().get(name)!.read());
  expect({ ...config, dropout: other.config.dropout, specialTokens }).toEqual({ ...other.config, specialTokens: other.specialTokens });
});

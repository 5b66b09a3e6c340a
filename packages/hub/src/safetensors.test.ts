import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readSafetensors, safetensorsBytes, SafetensorsError, safetensorsReader, type HostTensor } from './index.js';

/** A file with the given header text and data. */
function file(header: string | object, data: number[] | Uint8Array = [], length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const one = (dtype: string, shape: number[], data: number[]) => file({ x: { dtype, shape, data_offsets: [0, data.length] } }, data);
const bytesOf = (array: ArrayBufferView) => [...new Uint8Array(array.buffer, array.byteOffset, array.byteLength)];

describe('reading each dtype', () => {
  const values = [0, -0, 1.5, -(2 ** 60), 1e-40, Infinity, NaN];
  test.each([
    ['F32', bytesOf(Float32Array.from(values)), 'f32', Float32Array.from(values)],
    ['F16', bytesOf(Uint16Array.of(0x3c00, 0x8000, 0x7c01)), 'f16', Uint16Array.of(0x3c00, 0x8000, 0x7c01)],
    ['BF16', [0x80, 0x3f, 0x00, 0xc0, 0x80, 0x7f], 'f32', Float32Array.of(1, -2, Infinity)],
    ['I32', bytesOf(Int32Array.of(-1, 2 ** 31 - 1)), 'i32', Int32Array.of(-1, 2 ** 31 - 1)],
    ['U32', bytesOf(Uint32Array.of(1, 2 ** 32 - 1)), 'u32', Uint32Array.of(1, 2 ** 32 - 1)],
    ['I64', bytesOf(BigInt64Array.of(-5n, 2n ** 31n - 1n, -(2n ** 31n))), 'i32', Int32Array.of(-5, 2 ** 31 - 1, -(2 ** 31))],
    ['BOOL', [1, 0, 1], 'bool', Uint32Array.of(1, 0, 1)],
    ['U8', [0, 255], 'u32', Uint32Array.of(0, 255)],
  ])('%s', (stored, data, dtype, expected) => {
    const tensor = readSafetensors(one(stored, [expected.length], data)).tensors.get('x')!;
    expect(tensor.dtype).toBe(dtype);
    expect(tensor.data.constructor).toBe(expected.constructor);
    expect(bytesOf(tensor.data)).toEqual(bytesOf(expected));
  });

  test('values that do not fit are refused', () => {
    expect(() => readSafetensors(one('I64', [2], bytesOf(BigInt64Array.of(0n, 2n ** 31n))))).toThrow('tensor "x": element 1 is 2147483648, and I64 is read where every value fits 32 bits');
    expect(() => readSafetensors(one('I64', [1], bytesOf(BigInt64Array.of(-(2n ** 31n) - 1n))))).toThrow('element 0 is -2147483649');
    expect(() => readSafetensors(one('BOOL', [3], [0, 1, 2]))).toThrow('element 2 of a BOOL must be 0 or 1, got 2');
  });

  test('scalars, empty tensors and data at odd places', () => {
    const header = { a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] }, b: { dtype: 'F32', shape: [], data_offsets: [1, 5] }, c: { dtype: 'F32', shape: [3, 0], data_offsets: [5, 5] } };
    const { tensors } = readSafetensors(file(header, [7, ...bytesOf(Float32Array.of(3.25))]));
    expect([...tensors.get('b')!.data]).toEqual([3.25]);
    expect(tensors.get('c')!.shape).toEqual([3, 0]);
    expect(tensors.get('c')!.data.length).toBe(0);
  });
});

describe('what is refused', () => {
  const entry = (extra: object) => file({ x: { dtype: 'F32', shape: [1], data_offsets: [0, 4], ...extra } }, [0, 0, 0, 0]);
  const pair = (a: [number, number], b: [number, number], dataBytes: number) => file({
    a: { dtype: 'U8', shape: [a[1] - a[0]], data_offsets: a }, b: { dtype: 'U8', shape: [b[1] - b[0]], data_offsets: b },
  }, new Uint8Array(dataBytes));
  test.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), 'at least 8 bytes, this one has 0'],
    ['a file of seven bytes', new Uint8Array(7), 'this one has 7'],
    ['a header of no bytes', file('', [], 0n), 'a header has at least 2 bytes, the file says 0'],
    ['a header longer than the file', file('{}', [], 3n), 'the header takes 3 bytes, and only 2 follow'],
    ['an absurd header length', file('{}', [], 2n ** 63n), 'at most 100000000 bytes are allowed'],
    ['a header that is no UTF-8', file('{"\u00e9', []).fill(0xff, 8), 'not valid UTF-8'],
    ['a header that begins with space', file(' {}'), 'it must begin with {'],
    ['a header that is a list', file('[]'), 'it must begin with {'],
    ['no end', file('{"x":'), 'header: character 5, at its end: { is expected'],
    ['a string without an end', file('{"x\\"'), 'the string does not end'],
    ['a control character in a string', file('{"x\n":1}'), 'the string is not valid JSON'],
    ['a second object', file('{}{}'), 'something follows the closing }'],
    ['a comma too many', file('{"__metadata__":{},}'), 'a string is expected'],
    ['a tensor twice', file('{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), 'tensor "x" stands twice'],
    ['the same name, written otherwise', file('{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0078":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), 'tensor "x" stands twice'],
    ['a key twice', file('{"x":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), 'dtype of tensor "x" stands twice'],
    ['metadata twice', file('{"__metadata__":{},"__metadata__":{}}'), '"__metadata__" stands twice'],
    ['a metadata key twice', file('{"__metadata__":{"a":"1","a":"2"}}'), 'metadata "a" stands twice'],
    ['metadata that is no string', file('{"__metadata__":{"a":1}}'), 'a string is expected'],
    ['an unknown key', entry({ strides: [1] }), 'unknown key "strides"; allowed are dtype, shape and data_offsets'],
    ['a missing key', file('{"x":{"dtype":"F32","shape":[1]}}', [0, 0, 0, 0]), 'tensor "x": it needs dtype, shape and data_offsets'],
    ['an unknown dtype', entry({ dtype: 'F64' }), 'dtype must be one of F32, F16, BF16, I32, U32, I64, BOOL, U8, got "F64"'],
    ['a dtype of Object.prototype', entry({ dtype: 'constructor' }), 'dtype must be one of'],
    ['a negative length', entry({ shape: [-1] }), 'a whole number from 0 is expected'],
    ['a fraction', entry({ shape: [0.5] }), 'a whole number from 0 is expected'],
    ['an exponent', file('{"x":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}', [0, 0, 0, 0]), 'a whole number from 0 is expected'],
    ['a leading zero', file('{"x":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}', [0, 0, 0, 0]), 'a whole number from 0 is expected'],
    ['an enormous number', file(`{"x":{"dtype":"F32","shape":[${'9'.repeat(200)}],"data_offsets":[0,4]}}`, [0, 0, 0, 0]), 'the number is too large'],
    ['an enormous product', entry({ shape: [2 ** 40, 2 ** 40] }), 'shape [1099511627776, 1099511627776] is too large'],
    ['a size that wraps to the right one', entry({ shape: [2 ** 32, 2 ** 31] }), 'is too large'],
    ['bytes that do not match the shape', entry({ shape: [2] }), 'F32 of shape [2] takes 8 bytes, data_offsets [0, 4] give it 4'],
    ['offsets in the wrong order', entry({ data_offsets: [4, 0] }), 'must be [start, end] with start ≤ end, got [4, 0]'],
    ['three offsets', entry({ data_offsets: [0, 4, 8] }), 'got [0, 4, 8]'],
    ['data cut off', pair([0, 2], [2, 6], 5), 'tensor "b": it ends at byte 6 of the data, and the file has 5: the file is truncated'],
    ['an overlap', pair([0, 3], [2, 4], 4), 'tensor "b": it begins at byte 2, inside tensor "a", which ends at 3'],
    ['a hole', pair([0, 2], [3, 4], 4), 'tensor "b": it begins at byte 3, and bytes 2 to 3 belong to no tensor'],
    ['a hole at the start', pair([1, 2], [2, 4], 4), 'bytes 0 to 1 belong to no tensor'],
    ['data left over', pair([0, 2], [2, 4], 7), 'data: 3 bytes after the last tensor belong to none'],
  ])('%s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes, 'my.safetensors')).toThrow(SafetensorsError);
    expect(() => readSafetensors(bytes, 'my.safetensors')).toThrow(message);
    expect(() => readSafetensors(bytes, 'my.safetensors')).toThrow(/^my\.safetensors: /);
  });

  test('a name that is not there', () => {
    const reader = safetensorsReader({ name: 'f', bytes: 10, read: (start, into) => into.set(file('{}').subarray(start, start + into.length)) });
    expect(() => reader.read('w')).toThrow('tensor "w": there is none of that name; the file has none');
  });
});

const hostTensor: fc.Arbitrary<HostTensor> = fc.tuple(fc.constantFrom('f32', 'f16', 'i32', 'u32', 'bool'), fc.array(fc.nat({ max: 4 }), { maxLength: 3 })).chain(([dtype, shape]) => {
  const size = shape.reduce((product, length) => product * length, 1);
  const words = (max: number) => fc.array(fc.nat({ max }), { minLength: size, maxLength: size });
  const make = (data: HostTensor['data']) => ({ dtype, shape, data }) as HostTensor;
  switch (dtype) {
    case 'f16': return words(0xffff).map((all) => make(Uint16Array.from(all)));
    case 'bool': return words(1).map((all) => make(Uint32Array.from(all)));
    case 'u32': return words(0x7fffffff).map((all) => make(Uint32Array.from(all)));
    case 'i32': return words(0x7fffffff).map((all) => make(Int32Array.from(all, (value) => -value)));
    default: return words(0x7fffffff).map((all) => make(new Float32Array(Uint32Array.from(all).buffer)));
  }
});
const name = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((text) => text !== '__metadata__');
const named = fc.array(fc.tuple(name, hostTensor), { maxLength: 6 }).map((all) => new Map(all));
const metadata = fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), { maxLength: 3 }).map((all) => new Map(all));

describe('writing', () => {
  test('round trip, bit for bit', () => {
    fc.assert(fc.property(named, metadata, (tensors, extra) => {
      const again = readSafetensors(safetensorsBytes(tensors, extra));
      expect(again.metadata).toEqual(extra);
      expect(new Set(again.tensors.keys())).toEqual(new Set(tensors.keys()));
      for (const [key, tensor] of tensors) {
        const read = again.tensors.get(key)!;
        expect([read.dtype, read.shape]).toEqual([tensor.dtype, tensor.shape]);
        expect(bytesOf(read.data)).toEqual(bytesOf(tensor.data));
      }
    }));
  });

  test('every tensor is aligned to its elements, and order of insertion does not matter', () => {
    fc.assert(fc.property(named, (tensors) => {
      const bytes = safetensorsBytes(tensors);
      expect(safetensorsBytes(new Map([...tensors].reverse()))).toEqual(bytes);
      const headerLength = Number(new DataView(bytes.buffer).getBigUint64(0, true));
      expect((8 + headerLength) % 8).toBe(0);
      const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerLength))) as Record<string, { dtype: string; data_offsets: [number, number] }>;
      for (const { dtype, data_offsets: [start] } of Object.values(header)) {
        expect(start % { F32: 4, I32: 4, U32: 4, F16: 2, BOOL: 1 }[dtype]!).toBe(0);
      }
    }));
  });

  test('names such as __proto__ are names like others', () => {
    const tensors = new Map([['__proto__', { dtype: 'f32', shape: [1], data: Float32Array.of(1) } as const], ['constructor', { dtype: 'i32', shape: [], data: Int32Array.of(2) } as const]]);
    expect([...readSafetensors(safetensorsBytes(tensors)).tensors.keys()].sort()).toEqual(['__proto__', 'constructor']);
  });

  const f32 = (shape: number[], data: HostTensor['data']): HostTensor => ({ dtype: 'f32', shape, data });
  test.each<[string, Record<string, HostTensor>, string]>([
    ['a size that differs', { w: f32([2, 2], new Float32Array(3)) }, 'tensor "w": shape [2, 2] has 4 elements, the data 3'],
    ['the wrong array', { w: f32([1], new Int32Array(1)) }, 'f32 data must be a Float32Array, got a Int32Array'],
    ['a broken shape', { w: f32([-1, -1], new Float32Array(1)) }, 'shape [-1, -1] must hold whole numbers from 0'],
    ['an unknown dtype', { w: { ...f32([1], new Float32Array(1)), dtype: 'f64' as 'f32' } }, 'dtype must be one of f32, f16, bf16, i32, u32, bool, got "f64"'],
    ['a bool of 2', { w: { dtype: 'bool', shape: [2], data: Uint32Array.of(1, 2) } }, 'element 1 of a bool must be 0 or 1, got 2'],
    ['the name of the metadata', { ['__metadata__']: f32([1], new Float32Array(1)) }, 'keeps this name'],
    ['half a character as name', { '\ud800': f32([1], new Float32Array(1)) }, 'well-formed Unicode'],
  ])('%s is refused', (_, tensors, message) => {
    expect(() => safetensorsBytes(tensors)).toThrow(SafetensorsError);
    expect(() => safetensorsBytes(tensors)).toThrow(message);
  });

  test('metadata that is no string is refused', () => {
    expect(() => safetensorsBytes({}, { a: 1 as unknown as string })).toThrow('metadata "a": it must be a string, got 1');
  });
});

describe('damaged files', () => {
  /** Reads a file and counts what it asks for and makes. */
  function readCounting(bytes: Uint8Array): { asked: number; made: number } {
    const count = { asked: 0, made: 0 };
    const reader = safetensorsReader({ name: 'fuzz', bytes: bytes.length, read: (start, into) => {
      if (start < 0 || start + into.length > bytes.length) throw new Error(`read of ${into.length} bytes at ${start} leaves the file`);
      count.asked += into.length;
      into.set(bytes.subarray(start, start + into.length));
    } });
    for (const key of reader.tensors.keys()) count.made += reader.read(key).data.byteLength;
    return count;
  }

  const damage = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), to: fc.nat({ max: 255 }) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), to: fc.nat({ max: 40 }) }),
    fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), to: fc.nat({ max: 255 }) }),
    fc.record({ kind: fc.constant('digit' as const), at: fc.nat(), to: fc.nat({ max: 9 }) }),
    fc.record({ kind: fc.constant('truncate' as const), at: fc.nat(), to: fc.constant(0) }),
  );

  function damaged(bytes: Uint8Array, { kind, at, to }: { kind: 'flip' | 'cut' | 'insert' | 'digit' | 'truncate'; at: number; to: number }): Uint8Array {
    const place = at % (bytes.length + 1);
    const before = [...bytes.subarray(0, place)], after = [...bytes.subarray(place)];
    switch (kind) {
      case 'flip': return Uint8Array.from([...before, to, ...after.slice(1)]);
      case 'cut': return Uint8Array.from([...before, ...after.slice(to)]);
      case 'insert': return Uint8Array.from([...before, to, ...after]);
      case 'truncate': return Uint8Array.from(before);
      case 'digit': {
        const digits = [...bytes.keys()].filter((i) => i >= 8 && bytes[i]! >= 0x30 && bytes[i]! <= 0x39);
        const copy = Uint8Array.from(bytes);
        if (digits.length > 0) copy[digits[at % digits.length]!] = 0x30 + to;
        return copy;
      }
    }
  }

  test('either read or give a SafetensorsError, and never ask for more than the file has', () => {
    let refused = 0, accepted = 0;
    fc.assert(fc.property(named, metadata, fc.array(damage, { minLength: 1, maxLength: 3 }), (tensors, extra, damages) => {
      const bytes = damages.reduce(damaged, safetensorsBytes(tensors, extra));
      try {
        const { asked, made } = readCounting(bytes);
        accepted++;
        expect(asked).toBeLessThanOrEqual(bytes.length);
        expect(made).toBeLessThanOrEqual(4 * bytes.length);
      } catch (error) {
        if (!(error instanceof SafetensorsError)) throw error;
        refused++;
      }
    }), { numRuns: 3000 });
    expect(refused).toBeGreaterThan(500);
    expect(accepted).toBeGreaterThan(50);
  });

  test('any bytes at all', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), fc.string({ maxLength: 60 }), (bytes, text) => {
      for (const one of [bytes, file(text, bytes), file(`{"x":${text}}`, bytes)]) expect(() => readCounting(one)).toThrow(SafetensorsError);
    }), { numRuns: 2000, examples: [] });
  });

  test('long strings, deep nesting and endless backslashes end quickly', () => {
    for (const text of [`{"${'\\\\'.repeat(2e6)}`, `{"${'a'.repeat(4e6)}`, `{"x":${'['.repeat(2e6)}`, `{"x":{"shape":[${'1,'.repeat(1e6)}`, `{"x":{"shape":[${'1'.repeat(4e6)}]}}`]) {
      const start = performance.now();
      expect(() => readSafetensors(file(text))).toThrow(SafetensorsError);
      expect(performance.now() - start).toBeLessThan(5000);
    }
  });
});

test.each(['gpt2', 'llama'])('the fixture %s, written by another program, reads and survives a round trip', (family) => {
  const bytes = readFileSync(new URL(`../fixtures/${family}/model.safetensors`, import.meta.url));
  const { tensors, metadata: extra } = readSafetensors(bytes);
  expect(extra.get('format')).toBe('pt');
  const embedding = tensors.get(family === 'gpt2' ? 'transformer.wte.weight' : 'model.embed_tokens.weight')!;
  expect([embedding.dtype, embedding.shape]).toEqual(['f32', [61, 32]]);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const headerLength = Number(view.getBigUint64(0, true));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<string, { data_offsets: [number, number] }>;
  for (const [key, { data }] of tensors) {
    const [start] = header[key]!.data_offsets;
    data.forEach((value, i) => expect(value).toBe(view.getFloat32(8 + headerLength + start + 4 * i, true)));
  }
  expect(readSafetensors(safetensorsBytes(tensors, extra)).tensors).toEqual(tensors);
});

import { describe, expect, test } from 'vitest';
import { add, call, choose, forRange, get, int, load, op, scaled, set, shuffle, splat, store, vectorConstant, whileBelow } from './code.js';
import { ModuleBuilder } from './encoder.js';
import { signed, unsigned } from './opcodes.js';

const builder = (): ModuleBuilder => new ModuleBuilder({ sharedMemory: false, maximumPages: 4, fusedMultiplyAdd: false });

function instantiate(module: ModuleBuilder): { exports: Record<string, (...args: number[]) => number>; memory: WebAssembly.Memory } {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 4 });
  const bytes = module.encode();
  expect(WebAssembly.validate(bytes)).toBe(true);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return { exports: exports as Record<string, (...args: number[]) => number>, memory };
}

describe('numbers', () => {
  test('unsigned', () => {
    expect(unsigned(0)).toEqual([0]);
    expect(unsigned(127)).toEqual([127]);
    expect(unsigned(128)).toEqual([128, 1]);
    expect(unsigned(2 ** 32 - 1)).toEqual([255, 255, 255, 255, 15]);
  });
  test('signed', () => {
    expect(signed(63)).toEqual([63]);
    expect(signed(64)).toEqual([192, 0]);
    expect(signed(-1)).toEqual([127]);
    expect(signed(-65)).toEqual([191, 127]);
    expect(signed(-(2 ** 31))).toEqual([128, 128, 128, 128, 120]);
  });
  test('integers survive the way through a module', () => {
    for (const value of [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 2 ** 31 - 1, -(2 ** 31), 3_000_000_000]) {
      const module = builder();
      module.export('f', module.define('f', [], ['i32'], (f) => { f.body.push(int(value)); }));
      expect(instantiate(module).exports['f']!()).toBe(value | 0);
    }
  });
});

describe('functions', () => {
  test('loops count, calls return, locals start at 0', () => {
    const module = builder();
    const square = module.define('square', ['i32'], ['i32'], (f) => { f.body.push(op('i32.mul', get(f.param(0)), get(f.param(0)))); });
    module.export('sum', module.define('sum', ['i32'], ['i32'], (f) => {
      const i = f.local('i32'), total = f.local('i32');
      f.body.push(forRange(i, int(0), get(f.param(0)), int(1), set(total, add(get(total), call(square, get(i))))), get(total));
    }));
    const { exports } = instantiate(module);
    expect(exports['sum']!(5)).toBe(30);
    expect(exports['sum']!(0)).toBe(0);
  });
  test('a loop that is done before it starts leaves its counter alone', () => {
    const module = builder();
    module.export('f', module.define('f', ['i32', 'i32'], ['i32'], (f) => { f.body.push(whileBelow(f.param(0), get(f.param(1)), int(4), []), get(f.param(0))); }));
    const { exports } = instantiate(module);
    expect(exports['f']!(10, 3)).toBe(10);
    expect(exports['f']!(0, 9)).toBe(12);
  });
  test('choose evaluates one side only', () => {
    const module = builder();
    module.export('f', module.define('f', ['i32'], ['i32'], (f) => { f.body.push(choose('i32', get(f.param(0)), int(7), op('unreachable'))); }));
    const { exports } = instantiate(module);
    expect(exports['f']!(1)).toBe(7);
    expect(() => exports['f']!(0)).toThrow(WebAssembly.RuntimeError);
  });
  test('scaling by a constant', () => {
    for (const factor of [0, 1, 2, 3, 8, -4, -1, 12]) {
      const module = builder();
      module.export('f', module.define('f', ['i32'], ['i32'], (f) => { f.body.push(scaled(get(f.param(0)), factor)); }));
      expect(instantiate(module).exports['f']!(5)).toBe(5 * factor);
    }
  });
  test('vectors: shared constants, shuffles, memory', () => {
    const module = builder();
    module.export('f', module.define('f', [], [], (f) => {
      const x = shuffle(vectorConstant([1, 2, 3, 4]), vectorConstant([5, 6, 7, 8]), [3, 4, 0, 7]);
      f.body.push(store('v128.store', int(16), x), store('v128.store', int(32), op('f32x4.add', splat(f, 1.5), splat(f, -0))), store('v128.store', int(48), load('v128.load', int(0), 16)));
      expect(splat(f, -0)).not.toEqual(splat(f, 0));
    }));
    const { exports, memory } = instantiate(module);
    exports['f']!();
    expect([...new Int32Array(memory.buffer, 16, 4)]).toEqual([4, 5, 1, 8]);
    expect([...new Float32Array(memory.buffer, 32, 4)]).toEqual([1.5, 1.5, 1.5, 1.5]);
    expect([...new Int32Array(memory.buffer, 48, 4)]).toEqual([4, 5, 1, 8]);
  });
  test('once defines once', () => {
    const module = builder();
    const make = () => module.once('key', () => module.define('f', [], [], () => {}));
    expect(make()).toBe(make());
    expect(module.size).toBe(1);
  });
  test('a wrong parameter number is named', () => {
    const module = builder();
    expect(() => module.define('f', ['i32'], [], (f) => { f.param(1); })).toThrow('f: has 1 parameters, asked for number 1');
  });
});

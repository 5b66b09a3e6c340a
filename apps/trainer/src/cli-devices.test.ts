import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ashlar, playground, rowsOf, type Playground } from '../test/ashlar-process.js';
import { mayHaveGpu } from './device-choice.js';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 }); // each process has 100 s, on a machine that may be busy

let ground: Playground;
beforeAll(() => { ground = playground(); });
afterAll(() => ground.remove());

/** Hides the system's drivers, so that on every machine it is the software adapter from the npm package that is taken. */
const env = { VK_ICD_FILENAMES: '/nonexistent/driver.json', VK_DRIVER_FILES: '/nonexistent/driver.json' };
const short = ['--set', 'training.steps=4', '--set', 'training.learningRate.warmup=1', '--set', 'sample.tokens=3'];
const train = (device: string, out: string) => ['train', '--config', ground.config, '--json', '--device', device, '--out', out, ...short];

const devices = ['wasm', 'reference', ...(process.platform === 'linux' && process.arch === 'x64' ? ['webgpu'] : [])];

describe.each(devices)('on %s', (device) => {
  test('a process ends by itself when all is done', async () => {
    const ended = await ashlar(train(device, ground.at(device)), { env });
    expect(ended).toMatchObject({ code: 0, byItself: true, stderr: expect.stringMatching(new RegExp(`^device: ${device}, .*\\(asked for`, 'm')) });
    expect(rowsOf(ground.at(device, 'metrics.jsonl')).map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  });

  test('and after an error with the device open', async () => {
    expect(await ashlar(train(device, ground.at('book.txt', 'run')), { env })).toMatchObject({ code: 5, byItself: true, stderr: expect.stringContaining('cannot write') });
  });

  test('generate and eval end by themselves', async () => {
    const run = ['--run', ground.at(device), '--device', device];
    expect(await ashlar(['generate', ...run, '--prompt', 'the ', '--tokens', '2'], { env })).toMatchObject({ code: 0, byItself: true });
    expect(await ashlar(['eval', ...run, '--json'], { env })).toMatchObject({ code: 0, byItself: true });
  });
});

test('all devices agree on the losses', () => {
  const [first, ...others] = devices.map((device) => rowsOf(ground.at(device, 'metrics.jsonl')));
  for (const other of others) other.forEach((row, i) => expect(Math.abs(row.loss - first![i]!.loss)).toBeLessThan(1e-4));
});

test('auto says which device it takes and why', async () => {
  const { code, stderr } = await ashlar(train('auto', ground.at('auto')), { env });
  expect(code).toBe(0);
  expect(stderr).toMatch(/^device: (wasm, .*\(auto: (the system shows no GPU|no real GPU was found).*\)|webgpu, .*\(auto: a real GPU is there\))$/m);
});

test('on Linux, drivers are asked only where the system shows a GPU', () => {
  expect(mayHaveGpu('linux', () => false)).toBe(false);
  expect(mayHaveGpu('linux', (path) => path === '/dev/dri')).toBe(true);
  expect(mayHaveGpu('linux', (path) => path === '/dev/dxg')).toBe(true);
  expect([mayHaveGpu('darwin', () => false), mayHaveGpu('win32', () => false)]).toEqual([true, true]);
});

test('doctor tells what is there, as text and as JSON', async () => {
  const text = await ashlar(['doctor'], { env });
  expect(text).toMatchObject({ code: 0, byItself: true });
  expect(text.stdout).toMatch(/^ {2}SIMD +yes$/m);
  expect(text.stdout).toMatch(/^--device auto takes (wasm|webgpu)/m);
  const json = await ashlar(['doctor', '--json'], { env });
  const diagnosis = JSON.parse(json.stdout) as { auto: string; wasm: object; webgpu: { adapters: { name: string; chosen: boolean; features: string[]; limits: object }[] }; advice: string[] };
  expect(diagnosis.wasm).toMatchObject({ simd: true, sharedMemory: true });
  if (devices.includes('webgpu')) {
    expect(diagnosis.webgpu.adapters.some(({ name }) => /SwiftShader/i.test(name))).toBe(true);
    expect(diagnosis.webgpu.adapters.filter(({ chosen }) => chosen)).toHaveLength(1);
    expect(diagnosis.webgpu.adapters[0]!.limits).toMatchObject({ maxBufferSize: expect.any(Number) });
  }
  if (diagnosis.auto === 'wasm') expect(diagnosis.advice.some((line) => line.startsWith('no real GPU was found'))).toBe(true);
});

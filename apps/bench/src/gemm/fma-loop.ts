/**
 * The bare fused-multiply-add loop: what WebAssembly SIMD can do on a core when nothing is loaded or stored. Matrix
 * products are measured against it.
 */
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';

const accumulators = 12;

/** Floating-point operations of one turn of the loop: a multiplication and an addition in 4 lanes of each accumulator. */
export const flopsPerTurn = accumulators * 4 * 2;

const unsigned = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]);
const simd = (code: number): number[] => [0xfd, ...unsigned(code)];
const vector = (value: number): number[] => [...simd(12), ...Array.from({ length: 4 }, () => [...new Uint8Array(Float32Array.of(value).buffer)]).flat()];
const section = (id: number, body: readonly number[]): number[] => [id, ...unsigned(body.length), ...body];

const i32 = 0x7f, f32 = 0x7d, v128 = 0x7b;
const localGet = 0x20, localSet = 0x21, localTee = 0x22, i32Const = 0x41, end = 0x0b;

/**
 * A module with one function `run(turns: i32) → f32`: each turn sets every accumulator to accumulator · ½ + ½, which
 * tends to 1; it returns lane 0 of their mean. `fused` uses relaxed multiply-add, else a multiplication and an addition.
 */
export function fmaModule(fused: boolean): Uint8Array<ArrayBuffer> {
  const multiplyAdd = fused ? simd(0x105) : undefined;
  const [turns, first, half] = [0, 1, accumulators + 1];
  const body = [
    ...vector(0.5), localSet, half,
    0x03, 0x40, // loop
    ...Array.from({ length: accumulators }, (_, i) => [
      localGet, first + i, localGet, half,
      ...(multiplyAdd ? [localGet, half, ...multiplyAdd] : [...simd(0xe6), localGet, half, ...simd(0xe4)]),
      localSet, first + i,
    ]).flat(),
    localGet, turns, i32Const, 1, 0x6b, localTee, turns, 0x0d, 0, end, // branch back until turns = 0
    localGet, first, ...Array.from({ length: accumulators - 1 }, (_, i) => [localGet, first + 1 + i, ...simd(0xe4)]).flat(),
    ...vector(1 / accumulators), ...simd(0xe6), ...simd(0x1f), 0, end,
  ];
  const code = [1, ...unsigned(accumulators + 1), v128, ...body];
  return new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, i32, 1, f32]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, 0x72, 0x75, 0x6e, 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}

/** Whether relaxed SIMD compiles here; on Node 20 it is switched on by V8's flag. */
export function relaxedSimd(): boolean {
  if (WebAssembly.validate(fmaModule(true))) return true;
  setFlagsFromString('--experimental-wasm-relaxed-simd');
  return WebAssembly.validate(fmaModule(true));
}

/** The loop in threads of its own, which wait between runs. */
export interface FmaLoop {
  /** Whether a turn multiplies and adds in one instruction. */
  readonly fused: boolean;
  /** Runs this many turns in each thread at once. Throws where a result is not 1. */
  run(turns: number): Promise<void>;
  close(): Promise<void>;
}

export async function fmaLoop(threads: number): Promise<FmaLoop> {
  const fused = relaxedSimd(), module = new WebAssembly.Module(fmaModule(fused));
  const source = `
    const { parentPort, workerData: module } = require('node:worker_threads');
    const { run } = new WebAssembly.Instance(module).exports;
    parentPort.on('message', (turns) => parentPort.postMessage(run(turns)));
    parentPort.postMessage('ready');`;
  const workers = Array.from({ length: threads }, () => new Worker(source, { eval: true, workerData: module }));
  await Promise.all(workers.map((worker) => message(worker)));
  return {
    fused,
    async run(turns) {
      const means = await Promise.all(workers.map((worker) => {
        worker.postMessage(turns);
        return message<number>(worker);
      }));
      const wrong = means.find((mean) => Math.abs(mean - 1) > 1e-6);
      if (wrong !== undefined) throw new Error(`the multiply-add loop gave ${wrong}, expected 1`);
    },
    async close() { await Promise.all(workers.map((worker) => worker.terminate())); },
  };
}

const message = <T>(worker: Worker): Promise<T> => new Promise((resolve, reject) => {
  worker.once('message', resolve);
  worker.once('error', reject);
});

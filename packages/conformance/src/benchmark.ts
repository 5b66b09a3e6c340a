/**
 * What a benchmark is. A file `bench/NAME.bench.ts` of a package exports a list `benchmarks`; the harness finds it,
 * checks each case and then times it. Loading the file must not start any work.
 */
import type { Device } from '@ashlar/tensor';

export { compiledCase, withGradients, type CompiledCaseOptions, type HostTensor } from './compiled-case.js';

/** What tells the cases of a benchmark apart. */
export type CaseParameters = Readonly<Record<string, string | number | boolean>>;

export interface Benchmark<P extends CaseParameters = CaseParameters> {
  /** What is run, shown and stored together, such as `kernels`. */
  readonly suite: string;
  /** Unique among all benchmarks. */
  readonly name: string;
  /** What one call does, in a line. */
  readonly description: string;
  /** The values of each parameter; the cases are all combinations. Numbers may be replaced on the command line, of texts some chosen. */
  readonly parameters: { readonly [K in keyof P]: readonly P[K][] };
  /** Whether a combination is a case. Default: each is. */
  when?(parameters: P): boolean;
  /**
   * Makes everything ready for the case, before any time is taken. All cases of a benchmark are ready at the same time
   * and are timed in turns. What throws here, such as a library that cannot run, is reported as failed.
   */
  prepare(parameters: P, place: BenchmarkPlace): PreparedCase | Promise<PreparedCase>;
  /** What must hold of the figures, such as a bar or a fitted exponent; told of the cases that were timed. */
  judge?(results: readonly TimedCase<P>[], kind: BenchmarkPlace['kind']): readonly Judgement[];
}

/** Where a benchmark runs. */
export interface BenchmarkPlace {
  readonly kind: 'wasm' | 'webgpu';
  /** The WebGPU adapter that was asked for: `auto`, `hardware`, `software` or `swiftshader`. */
  readonly adapter: string;
  /** Threads of the wasm device, and of other libraries that compute on the processor. */
  readonly threads: number;
  /** The device that all cases share; it is opened at the first call, and closed by the harness. */
  device(): Promise<Device>;
  /** A device of one's own, which the caller closes. */
  openDevice(): Promise<Device>;
}

/** Work of one call, from which rates are told. */
export interface CaseWork {
  /** Floating-point operations, a multiply-add counted as two. */
  readonly flops?: number;
  /** Bytes read and written, each once. */
  readonly bytes?: number;
  readonly tokens?: number;
}

/** A case, ready to be timed. */
export interface PreparedCase {
  readonly work?: CaseWork;
  /** Throws where the result is wrong; the case then gets no time. It runs before anything is timed. */
  check(): void | Promise<void>;
  /** One call. It may only enqueue the work. */
  run(): void | Promise<void>;
  /** Resolves when all work is done that was enqueued. Absent: a call is done when `run` is. */
  synchronise?(): Promise<void>;
  /** What else is to be told, asked after the timing; names of bytes end with `Bytes`, of milliseconds with `Ms`. */
  figures?(): Readonly<Record<string, number>> | Promise<Readonly<Record<string, number>>>;
  release?(): void | Promise<void>;
}

export interface TimedCase<P extends CaseParameters = CaseParameters> {
  readonly parameters: P;
  /** Median over the rounds, of one call. */
  readonly ms: number;
  readonly work: CaseWork;
  /** Those of `figures()`; and where the shared device computes on the processor, `processorMs`, the median of what all threads of the process took for one call. */
  readonly figures: Readonly<Record<string, number>>;
}

export interface Judgement {
  /** What is judged, with its value and its bar: `exponent of time in layers: 1.02 (1.00 ± 0.05)`. */
  readonly what: string;
  readonly holds: boolean;
}

/** The benchmark itself, its parameters typed from their values. */
export const defineBenchmark = <P extends CaseParameters>(one: Benchmark<P>): Benchmark => one as unknown as Benchmark;

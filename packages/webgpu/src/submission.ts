/**
 * The order of things: at most two runs are on the device, later ones wait on the host, and what comes between runs
 * (writes, reads, releases) keeps its place among them.
 *
 * A run's end is seen by mapping a four-byte buffer that the run copies into. Dawn's event loop spins while a mapping is
 * pending and takes a processor from a software driver, so with `patient` the wait sleeps through most of the time that
 * the run is known to take and asks only near its end.
 */
import { mapModeRead, usage, type Memory } from './memory.js';

interface Flight { readonly fence: GPUBuffer; readonly clock: RunClock; readonly submitted: number }

/** What one executable's runs take, in milliseconds: the shortest so far. The first run does not count: drivers compile in it. */
export interface RunClock { runs: number; shortest: number }

/** How long a wait may surely sleep: most of the shortest run, and never long enough to be felt. */
const patience = (clock: RunClock): number => (clock.runs < 2 ? 0 : Math.min(0.8 * clock.shortest, 1000));

interface Operation { readonly isRun: boolean; readonly act: () => void }

const runsInFlight = 2;

export class Submissions {
  readonly #waiting: Operation[] = [];
  readonly #flights: Flight[] = [];
  readonly #fences: GPUBuffer[] = [];
  readonly #fenceSource: GPUBuffer;
  #lastEnd = 0;
  #watching = false;
  #readers: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #failure: Error | undefined;

  constructor(readonly device: GPUDevice, readonly memory: Memory, readonly patient: boolean) {
    this.#fenceSource = memory.buffer(4, usage.copySource, 'fence source');
  }

  get waitingRuns(): number { return this.#waiting.reduce((count, operation) => count + (operation.isRun ? 1 : 0), 0); }
  get underWay(): number { return this.#flights.length + this.waitingRuns; }

  /** Does `act` now, or when everything enqueued before has been submitted. */
  enqueue(act: () => void, isRun = false): void {
    this.#waiting.push({ isRun, act });
    this.#advance();
  }

  #advance(): void {
    while (this.#waiting.length > 0) {
      if (this.#waiting[0]!.isRun && this.#flights.length >= runsInFlight) { void this.#watch(); return; }
      this.#waiting.shift()!.act();
    }
  }

  /** Called while a run is encoded, before its submit: adds the copy that tells its end. */
  launch(encoder: GPUCommandEncoder, clock: RunClock): void {
    const fence = this.#fences.pop() ?? this.memory.buffer(4, usage.mapRead | usage.copyTarget, 'fence');
    encoder.copyBufferToBuffer(this.#fenceSource, 0, fence, 0, 4);
    this.#flights.push({ fence, clock, submitted: now() });
  }

  /** Resolves when at most `count` runs are under way. */
  async atMost(count: number): Promise<void> {
    while (this.underWay > count) {
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve, reject) => {
        this.#readers.push({ resolve, reject });
        void this.#watch();
      });
    }
    if (this.#failure) throw this.#failure;
  }

  async #watch(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    try {
      while (this.#flights.length > 0 && (this.#waiting.length > 0 || this.#readers.length > 0)) {
        const flight = this.#flights[0]!;
        await this.#sleep(patience(flight.clock) - (now() - Math.max(flight.submitted, this.#lastEnd)));
        if (this.#flights[0] !== flight) continue; // a read saw its end meanwhile
        await flight.fence.mapAsync(mapModeRead);
        flight.fence.unmap();
        if (this.#flights[0] === flight) this.#land();
        this.#wake();
        this.#advance();
      }
    } catch (error) {
      this.fail(error as Error);
    } finally {
      this.#watching = false;
    }
    this.#wake();
  }

  #land(): void {
    const flight = this.#flights.shift()!, end = now();
    const took = end - Math.max(flight.submitted, this.#lastEnd);
    if (flight.clock.runs++ > 0) flight.clock.shortest = Math.min(flight.clock.shortest, took);
    this.#lastEnd = end;
    this.#fences.push(flight.fence);
  }

  #wake(): void {
    const readers = this.#readers;
    this.#readers = [];
    for (const reader of readers) reader.resolve();
  }

  /**
   * Calls back once everything submitted so far is done and `buffer`, which the last submit wrote, is mapped.
   * Runs submitted before are known to have ended then.
   */
  async mapAfterAll(buffer: GPUBuffer, bytes: number): Promise<void> {
    const before = [...this.#flights];
    const last = before.at(-1);
    if (last) {
      const start = Math.max(before[0]!.submitted, this.#lastEnd);
      await this.#sleep(before.reduce((sum, flight) => sum + patience(flight.clock), 0) - (now() - start));
    }
    await buffer.mapAsync(mapModeRead, 0, bytes);
    if (last && !this.#watching && this.#flights.includes(last)) {
      while (this.#flights.length > 0 && before.includes(this.#flights[0]!)) this.#land();
      this.#wake();
      this.#advance();
    }
  }

  async #sleep(milliseconds: number): Promise<void> {
    if (this.patient && milliseconds > 2) await new Promise((resolve) => setTimeout(resolve, milliseconds - 1));
  }

  /** No run will end any more. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting.length = 0;
    this.#flights.length = 0;
    const readers = this.#readers;
    this.#readers = [];
    for (const reader of readers) reader.reject(this.#failure);
  }
}

const now = (): number => performance.now();

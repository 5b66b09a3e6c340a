/**
 * The order of things: at most two runs are on the device, later ones wait on the host, and what comes between runs
 * (writes, reads, releases) keeps its place among them.
 *
 * A run's end is seen by mapping a four-byte buffer that the run copies into. Dawn in Node spins while a mapping is
 * pending and takes a processor from a software driver; there a wait asks, withdraws the question if there is no answer,
 * and sleeps for a twentieth of the time waited so far.
 */
import { mapModeRead, usage, type Memory } from './memory.js';

interface Flight { readonly fence: GPUBuffer }

/** Lets the event loop turn once. */
export type Turn = () => Promise<void>;

/** Turns of the event loop after which Dawn has told what is already done. */
const turnsToAnswer = 3;

interface Operation { readonly isRun: boolean; readonly act: () => void }

const runsInFlight = 2;

export class Submissions {
  readonly #waiting: Operation[] = [];
  readonly #flights: Flight[] = [];
  readonly #fences: GPUBuffer[];
  readonly #fenceSource: GPUBuffer;
  #watching = false;
  #readers: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #failure: Error | undefined;

  /** `turn`: given where pending questions spin the event loop. */
  constructor(readonly device: GPUDevice, readonly memory: Memory, readonly turn: Turn | undefined) {
    this.#fenceSource = memory.buffer(4, usage.copySource, 'fence source');
    this.#fences = Array.from({ length: runsInFlight }, () => memory.buffer(4, usage.mapRead | usage.copyTarget, 'fence'));
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
  launch(encoder: GPUCommandEncoder): void {
    const fence = this.#fences.pop()!; // there is one for each run that may be in flight
    encoder.copyBufferToBuffer(this.#fenceSource, 0, fence, 0, 4);
    this.#flights.push({ fence });
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
        // A read may see the run's end meanwhile.
        if (!(await this.#mapped(flight.fence, 4, () => this.#flights[0] !== flight))) continue;
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

  #land(): void { this.#fences.push(this.#flights.shift()!.fence); }

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
    await this.#mapped(buffer, bytes, () => false);
    if (this.#watching) return;
    let landed = false;
    while (this.#flights.length > 0 && before.includes(this.#flights[0]!)) { this.#land(); landed = true; }
    if (!landed) return;
    this.#wake();
    this.#advance();
  }

  /** Resolves to true when the buffer is mapped, to false when `isMoot` says that nobody needs to know. */
  async #mapped(buffer: GPUBuffer, bytes: number, isMoot: () => boolean): Promise<boolean> {
    if (!this.turn) {
      await buffer.mapAsync(mapModeRead, 0, bytes);
      return true;
    }
    const start = performance.now();
    for (;;) {
      let settled = false, failure: Error | undefined;
      const answer = buffer.mapAsync(mapModeRead, 0, bytes).then(() => { settled = true; }, (error: Error) => { settled = true; failure = error; });
      for (let i = 0; i < turnsToAnswer && !settled; i++) await this.turn();
      const withdrawn = !settled;
      if (withdrawn) buffer.unmap();
      await answer;
      if (!withdrawn) {
        if (failure) throw failure;
        return true;
      }
      if (this.#failure) throw this.#failure;
      if (isMoot()) return false;
      await new Promise((resolve) => setTimeout(resolve, Math.min(20, Math.max(1, (performance.now() - start) / 20))));
      if (this.#failure) throw this.#failure;
      if (isMoot()) return false;
    }
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

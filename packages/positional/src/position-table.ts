import { tensor, type Tensor } from '@ashlar/tensor';
import type { Positions } from '@ashlar/nn';

/** A row of numbers for each position, computed in f64 on the host. The last table is kept: every layer asks for the same. */
export class PositionTable {
  readonly #owner: string;
  readonly #maxLength: number | undefined;
  readonly #row: (position: number, width: number) => ArrayLike<number>;
  #last: { readonly key: string; readonly rows: Tensor } | undefined;

  constructor(owner: string, maxLength: number | undefined, row: (position: number, width: number) => ArrayLike<number>) {
    this.#owner = owner;
    this.#maxLength = maxLength;
    this.#row = row;
  }

  /**
   * The rows of `count` positions: [count, width], or [B, count, width] for positions [B, count]. Positions given as a
   * tensor are clamped to those of the model.
   * @throws {RangeError} where positions are a tensor and the model has no maxLength.
   */
  rows(positions: Positions, count: number, width: number): Tensor {
    if (typeof positions === 'number') return this.#range(positions, count, width);
    if (this.#maxLength === undefined) throw new RangeError(`${this.#owner}: positions given as a tensor need a table of all positions; give the model a maxLength`);
    return this.#range(0, this.#maxLength, width).gather(positions);
  }

  #range(start: number, count: number, width: number): Tensor {
    const key = `${start} ${count} ${width}`;
    if (this.#last?.key !== key) {
      const data = new Float32Array(count * width);
      for (let t = 0; t < count; t++) data.set(this.#row(start + t, width), t * width);
      this.#last = { key, rows: tensor(data, { shape: [count, width] }) };
    }
    return this.#last.rows;
  }
}

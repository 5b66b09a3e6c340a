/** Rows of q, k, v and their like: D numbers held as ⌈D/4⌉ vec4, loaded from a strided view or from workgroup memory. */
import type { View } from '@ashlar/tensor';
import type { SlotAccess } from './bindings.js';
import type { Body } from './emitter.js';
import { loadScalar, loadVector, storeScalar, storeVector } from './memory-access.js';

/** A view [B, heads, length, D] from which rows are read. */
export class RowSource {
  readonly #vector: boolean;
  readonly width: number;
  constructor(readonly view: View, readonly access: SlotAccess) {
    const [b, h, t, d] = view.strides as [number, number, number, number];
    this.width = view.shape[3]!;
    this.#vector = access.binding.vector && d === 1 && [view.offset, b, h, t, this.width].every((value) => value % 4 === 0);
  }

  /** The first element of a row, as a WGSL expression. */
  start(batch: string, head: string, position: string): string {
    const [b, h, t] = this.view.strides as [number, number, number, number];
    return `${this.view.offset} + ${batch} * ${b} + ${head} * ${h} + (${position}) * ${t}`;
  }

  /** Elements 4c … 4c + 3 of the row that begins at `start`; zeros past D. `c` is a number or a WGSL variable. */
  chunk(start: string, c: string): string {
    const d = this.view.strides[3]!;
    if (this.#vector) return loadVector(this.access, `${start} + ${c} * 4`);
    return `vec4<f32>(${[0, 1, 2, 3].map((i) => {
      if (this.width % 4 === 0) return loadScalar(this.access, `${start} + (${c} * 4 + ${i}) * ${d}`);
      const element = loadScalar(this.access, `${start} + min(${c} * 4 + ${i}, ${this.width - 1}) * ${d}`);
      return `select(0.0, ${element}, ${c} * 4 + ${i} < ${this.width})`;
    }).join(', ')})`;
  }
}

/** Where rows are written: contiguous, D innermost. */
export class RowTarget {
  constructor(readonly access: SlotAccess, readonly width: number) {}

  /** Writes the row that begins at `start`: chunk `c` is `chunk(c)`. */
  store(body: Body, start: string, chunks: number, chunk: (c: string) => string): void {
    if (this.access.binding.vector && this.width % 4 === 0) {
      overChunks(body, chunks, (c) => body.line(storeVector(this.access, `${start} + ${c} * 4`, chunk(c))));
      return;
    }
    body.block(`for (var e = ${body.zero}; e < ${this.width}; e++)`, () => body.line(storeScalar(this.access, `${start} + e`, `(${chunk('(e >> 2u)')})[e & 3]`)));
  }
}

/** Short rows are written out; longer ones are walked in a loop, which compiles in a fraction of the time. */
const isWrittenOut = (body: Body, chunks: number): boolean => chunks <= body.style.writtenOut;

/** Does something for each chunk of a row. */
export function overChunks(body: Body, chunks: number, each: (c: string) => void): void {
  if (isWrittenOut(body, chunks)) { for (let c = 0; c < chunks; c++) each(String(c)); return; }
  body.block(`for (var c = ${body.zero}; c < ${chunks}; c++)`, () => each('c'));
}

/** Declares a row in registers, filled chunk by chunk. */
export function declareChunks(body: Body, name: string, chunks: number, value?: (c: string) => string): void {
  body.line(`var ${name} = array<vec4<f32>, ${chunks}>();`); // written out: within a loop, drivers keep what a turn left
  if (value) overChunks(body, chunks, (c) => body.line(`${name}[${c}] = ${value(c)};`));
}

/**
 * Makes a row known by chunk: where rows are written out, each chunk is loaded here, once; else at each use.
 * Call it before the loops that use the chunks.
 */
export function holdChunks(body: Body, name: string, chunks: number, value: (c: string) => string): (c: string) => string {
  if (!isWrittenOut(body, chunks)) return value;
  for (let c = 0; c < chunks; c++) body.line(`let ${name}_${c} = ${value(String(c))};`);
  return (c) => `${name}_${c}`;
}

/** Σ over chunks of row · other. */
export function dotChunks(body: Body, name: string, chunks: number, term: (c: string) => string): void {
  if (isWrittenOut(body, chunks)) { body.line(`let ${name} = ${Array.from({ length: chunks }, (_, c) => term(String(c))).join(' + ')};`); return; }
  body.line(`var ${name} = 0.0f;`);
  overChunks(body, chunks, (c) => body.line(`${name} += ${term(c)};`));
}

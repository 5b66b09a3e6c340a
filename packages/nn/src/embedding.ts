import { read, type Tensor } from '@ashlar/tensor';
import type { Initializer } from './initializers.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { requireCount } from './require-count.js';

/** Rows of a table by number: tokens [...] (i32) give [..., C]. Numbers outside the table are clamped to it. */
export class Embedding extends Module {
  /** [V, C] */
  readonly weight: Parameter;

  /** @throws {RangeError} where a size is not a whole number from 1. */
  constructor({ rows, width, initializer }: { readonly rows: number; readonly width: number; readonly initializer: Initializer }) {
    super();
    requireCount('Embedding', 'rows', rows);
    requireCount('Embedding', 'width', width);
    this.weight = new Parameter([rows, width], { initializer });
  }

  forward(tokens: Tensor): Tensor { return read(this.weight).gather(tokens); }

  /** The table as an output head: x [..., C] gives x Wᵀ [..., V]. */
  attend(x: Tensor): Tensor { return x.matmul(read(this.weight).transpose()); }
}

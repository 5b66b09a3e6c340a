import { tensor } from '@ashlar/tensor';
import { requireCount } from '@ashlar/nn';
import type { Mask } from './mask.js';

/**
 * Any layout of blocks: queries of block i see the keys of block j where matrix[i][j] is true (or not 0).
 * @throws {RangeError} where the matrix is ragged or empty; in use, where a sequence is longer than the layout.
 */
export function blockLayout(matrix: readonly (readonly (boolean | number)[])[], blockSize: number): Mask {
  requireCount('blockLayout', 'blockSize', blockSize);
  const rows = matrix.length, columns = matrix[0]?.length ?? 0;
  if (rows === 0 || columns === 0 || matrix.some((row) => row.length !== columns)) throw new RangeError(`blockLayout: the matrix must have rows of one length, got lengths [${matrix.map((row) => row.length).join(', ')}]`);
  const table = tensor(Int32Array.from(matrix.flat(), (value) => (value ? 1 : 0)));
  return ({ q, k }) => {
    const T = q.size, S = k.size;
    if (T > rows * blockSize || S > columns * blockSize) throw new RangeError(`blockLayout: ${rows} × ${columns} blocks of ${blockSize} do not cover ${T} queries and ${S} keys; give a larger matrix or larger blocks`);
    return table.at(q.div(blockSize).mul(columns).add(k.div(blockSize))).ne(0);
  };
}

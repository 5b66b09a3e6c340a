/** (I + L)⁻¹ of strictly lower triangular matrices L, in matrix products. */
import { defineFused, ShapeError, where, type Tensor } from '@ashlar/tensor';
import { after, identity } from './chunks.js';

/** Blocks of this size are inverted by (I + M)(I + M²)(I + M⁴), M = −L; the powers of larger ones could grow and cancel. */
const smallest = 8;

/** The blocks [rows, columns] at (row, column) from the start of each diagonal block of `step`: […, C, C] → […, C/step, rows, columns]. */
function blocks(x: Tensor, step: number, row: number, column: number, size: number): Tensor {
  const C = x.shape.at(-1)!, leading = x.shape.slice(0, -2), keep = leading.map(() => undefined), count = C / step;
  // Diagonal blocks lie step · (C + 1) elements apart.
  const apart = x.reshape([...leading, C * C]).pad(...keep, [0, C]).reshape([...leading, count, step * (C + 1)]).slice(...keep, undefined, [0, step * C]);
  return apart.reshape([...leading, count, step, C]).slice(...keep, undefined, [row, row + size], [column, column + size]);
}

function inverse(lower: Tensor): Tensor {
  const C = lower.shape.at(-1)!, leading = lower.shape.slice(0, -2), keep = leading.map(() => undefined), base = Math.min(smallest, C);
  let power = where(after(base), blocks(lower, base, 0, 0, base).neg(), 0), result = power.add(identity(base));
  for (let covered = 2; covered < base; covered *= 2) {
    power = power.matmul(power);
    result = result.add(result.matmul(power));
  }
  for (let size = base; size < C; size *= 2) { // [[A, 0], [L, B]]⁻¹ = [[A⁻¹, 0], [−B⁻¹ L A⁻¹, B⁻¹]]
    const pairs = result.reshape([...leading, C / size / 2, 2, size, size]);
    const [top, bottom] = [0, 1].map((half) => pairs.slice(...keep, undefined, [half, half + 1]).reshape([...leading, C / size / 2, size, size])) as [Tensor, Tensor];
    const corner = bottom.matmul(blocks(lower, 2 * size, size, 0, size)).matmul(top).neg(), low = [0, size] as const, high = [size, 0] as const;
    result = top.pad(...keep, undefined, low, low).add(corner.pad(...keep, undefined, high, low)).add(bottom.pad(...keep, undefined, high, high));
  }
  return result.reshape(lower.shape);
}

const apply = defineFused<Record<string, never>>({
  name: 'unitTriangularInverse',
  outputs: ([lower]) => {
    const [rows, columns] = lower!.shape.slice(-2);
    if (lower!.dtype !== 'f32' || rows !== columns || rows === undefined || !Number.isInteger(Math.log2(rows))) throw new ShapeError(`unitTriangularInverse takes f32 […, C, C], C a power of two, got ${lower!.dtype} [${lower!.shape.join(', ')}]`);
    return [{ shape: lower!.shape, dtype: 'f32' }];
  },
  reference: ([lower]) => [inverse(lower!)],
  vjp: ({ outputs: [result], cotangents: [g] }) => {
    const turned = result!.transpose();
    return [where(after(result!.shape.at(-1)!), turned.matmul(g!).matmul(turned).neg(), 0)];
  },
  tolerance: { f32: 1e-4 },
  cases: [{ inputs: [{ shape: [3, 16, 16] }], attributes: {} }, { inputs: [{ shape: [2, 4, 4] }], attributes: {} }],
});

/** (I + L)⁻¹ [..., C, C]; what L has on and above its diagonal is not read. C must be a power of two. */
export const unitTriangularInverse = (lower: Tensor): Tensor => apply([lower], {})[0]!;

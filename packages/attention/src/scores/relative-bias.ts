import { ShapeError, type ScoreMod, type Tensor } from '@ashlar/tensor';

/**
 * score + table[h][clip(k − q)]: a number a head and distance. table, f32 [H, 2 R + 1], for distances −R … R; keys further
 * away count as ±R. The table gets its gradient. The scalar form of Shaw et al. 2018, arXiv 1803.02155.
 * @throws {ShapeError} where the table has another form.
 */
export function relativeBias(table: Tensor): ScoreMod {
  const [H, entries] = table.shape;
  if (table.rank !== 2 || entries! % 2 === 0) throw new ShapeError(`relativeBias: the table must be [H, 2 R + 1], got [${table.shape.join(', ')}]`);
  const reach = (entries! - 1) / 2, flat = table.reshape([H! * entries!]);
  return ({ score, h, q, k }) => score.add(flat.at(h.mul(entries!).add(k.sub(q).maximum(-reach).minimum(reach).add(reach))));
}

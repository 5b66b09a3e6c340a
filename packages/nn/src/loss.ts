import { softmaxCrossEntropy, where, type Tensor } from '@ashlar/tensor';

/**
 * Mean of −log softmax(logits)[target] over the tokens whose target is not negative: logits [..., V], targets [...]
 * (i32); with `weights` [...] (f32, ≥ 0), Σ w · loss / Σ w. Where no token counts, the loss is 0. Result: a scalar, f32.
 * @throws {TypeError} where targets or weights have another shape than the rows of logits.
 */
export function crossEntropy(logits: Tensor, targets: Tensor, weights?: Tensor): Tensor {
  const rows = logits.shape.slice(0, -1), count = targets.size;
  for (const [name, given] of [['targets', targets], ['weights', weights]] as const) {
    if (given && given.shape.join() !== rows.join()) throw new TypeError(`crossEntropy: ${name} must have the shape of the logits' rows [${rows.join(', ')}], got [${given.shape.join(', ')}]`);
  }
  const losses = softmaxCrossEntropy(logits.reshape([count, logits.shape.at(-1)!]), targets.reshape([count]));
  const counted = targets.reshape([count]).ge(0);
  const share = weights ? where(counted, weights.reshape([count]), 0) : counted.cast('f32');
  const total = share.sum();
  return losses.mul(share).sum().div(where(total.gt(0), total, 1));
}

import { tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { evaluationBatches } from '@ashlar/text';
import { describe, expect, test } from 'vitest';
import { evaluator } from './evaluator.js';

/** A model whose loss of a prediction is (table[token] − target)², so that an oracle is plain arithmetic. */
function squareModel(table: readonly number[]) {
  let traces = 0;
  const model = {
    loss(tokens: Tensor, targets: Tensor, weights?: Tensor): Tensor {
      traces++;
      const errors = tensor([...table]).gather(tokens).sub(targets.cast('f32')).square();
      return errors.mul(weights!).sum().div(weights!.sum());
    },
  };
  return { model, get traces() { return traces; } };
}

const table = [0.5, 3, -1, 2.25, 7];
const text = Int32Array.from({ length: 98 }, (_, i) => (i * i + 3 * i) % 5);

function expectedMean(): number {
  let sum = 0;
  for (let i = 1; i < text.length; i++) sum += (table[text[i - 1]!]! - text[i]!) ** 2;
  return sum / (text.length - 1);
}

describe('evaluator', () => {
  test.each([[1, 7], [4, 8], [3, 97], [200, 3]])('%d rows of %d: the mean over every prediction, also where the last batch is not full', async (batch, context) => {
    await using device = reference();
    const evaluate = evaluator({ model: squareModel(table).model, device, batches: evaluationBatches({ tokens: text, context, batch }) });
    expect(await evaluate()).toBeCloseTo(expectedMean(), 5);
  });

  test('is compiled once, and says the same again', async () => {
    await using device = reference();
    const counting = squareModel(table);
    const evaluate = evaluator({ model: counting.model, device, batches: evaluationBatches({ tokens: text, context: 5, batch: 2 }) });
    const first = await evaluate();
    expect(await evaluate()).toBe(first);
    expect(counting.traces).toBe(1);
    evaluate.release();
  });

  test('more batches than are read at a time', async () => {
    await using device = reference();
    const long = Int32Array.from({ length: 601 }, (_, i) => (i * 7) % 5);
    let sum = 0;
    for (let i = 1; i < long.length; i++) sum += (table[long[i - 1]!]! - long[i]!) ** 2;
    const evaluate = evaluator({ model: squareModel(table).model, device, batches: evaluationBatches({ tokens: long, context: 1, batch: 1 }) });
    expect(await evaluate()).toBeCloseTo(sum / 600, 5);
  });
});

/** Forward and backward of a model as a case: its loss and the norm of every gradient are compared with the f64 interpreter. */
import type { PreparedCase } from '@ashlar/conformance/benchmark';
import type { Model } from '@ashlar/models';
import { training } from '@ashlar/nn';
import { gradients, jit, plannedBytes, read, tensor, type Device, type Jitted, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';

export const vocabulary = 65;

interface Step { readonly run: Jitted<[Tensor, Tensor], { readonly loss: Tensor; readonly norms: readonly Tensor[] }>; readonly tokens: Tensor; readonly targets: Tensor }

/** Loss and the norm of every gradient. */
function stepOf(model: Model, device: Device, rows: number, columns: number): Step {
  const count = rows * columns, shape = [rows, columns];
  const tokens = tensor(Int32Array.from({ length: count }, (_, i) => (i * 31 + 7 * Math.floor(i / columns)) % vocabulary), { shape }), targets = tensor(Int32Array.from({ length: count }, (_, i) => (i * 17 + 3) % vocabulary), { shape });
  const lossOf = (x: Tensor, y: Tensor): Tensor => {
    if ('encoder' in model) return model.loss(x, x, y);
    return 'states' in model ? model.states(x).square().mean() : model.loss(x, y);
  };
  const run = jit((x: Tensor, y: Tensor) => training({ key: tensor(Uint32Array.of(1, 2)) }, () => {
    const loss = lossOf(x, y);
    return { loss, norms: gradients(loss, model.parameters().map(read)).map((slope) => slope.square().sum().sqrt()) };
  }), { device });
  return { run, tokens, targets };
}

async function check(model: Model, device: Device): Promise<void> {
  const results: { loss: number; norms: number[] }[] = [];
  for (const where of [reference(), device]) {
    const { run, tokens, targets } = stepOf(model, where, 1, 12), { loss, norms } = run(tokens, targets);
    results.push({ loss: await loss.item(), norms: await Promise.all(norms.map((norm) => norm.item())) });
    run.release();
    await model.toHost();
  }
  const [expected, got] = results as [typeof results[0], typeof results[0]], whole = Math.hypot(...expected.norms);
  if (!(Math.abs(got.loss / expected.loss - 1) <= 1e-4)) throw new Error(`the loss is ${got.loss}, expected ${expected.loss}`);
  const names = [...model.namedParameters().keys()];
  expected.norms.forEach((norm, i) => { if (!(Math.abs(got.norms[i]! - norm) <= 2e-3 * (norm + 1e-2 * whole))) throw new Error(`the gradient of ${names[i]} has the norm ${got.norms[i]}, expected ${norm}`); });
}

/** One call is a batch of `batch` sequences of `length` tokens. */
export function trainingCase(model: Model, device: Device, batch: number, length: number): PreparedCase {
  const { run, tokens, targets } = stepOf(model, device, batch, length);
  let last: Tensor;
  return {
    work: { tokens: batch * length },
    check: () => check(model, device),
    async run() {
      last = run(tokens, targets).loss;
      await run.ready();
    },
    async synchronise() { await last.item(); },
    figures: () => ({ parameters: model.parameterCount, planBytes: plannedBytes(run.plan!), workBytes: run.plan!.workBytes, kernels: run.plan!.steps.length }),
    release: () => run.release(),
  };
}

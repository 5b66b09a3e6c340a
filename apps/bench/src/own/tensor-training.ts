/** R0 written on `@ashlar/tensor` alone: variables, one jitted function, the fused operations. */
import {
  assign, attention, gradients, jit, layerNorm, read, softmaxCrossEntropy, tensor, Variable, type Device, type Jitted, type Tensor,
} from '@ashlar/tensor';
import type { R0Batch } from '../r0/batches.js';
import { r0, r0Parameters } from '../r0/definition.js';
import { r0Weights } from '../r0/weights.js';

const { batch: B, context: T, heads: H, width: C } = r0;
const epsilon = r0.normEpsilon;

/** Mean cross-entropy of [B, T] token ids under the parameters. */
export function r0Loss(p: ReadonlyMap<string, Tensor>, inputs: Tensor, targets: Tensor): Tensor {
  const at = (name: string): Tensor => p.get(name)!;
  let h = at('tokens').gather(inputs).add(at('positions')).reshape([B * T, C]);
  for (let layer = 0; layer < r0.layers; layer++) {
    const own = (name: string): Tensor => at(`layers.${layer}.${name}`);
    const heads = layerNorm(h, { gain: own('norm1'), epsilon }).matmul(own('qkv')).reshape([B, T, 3 * H, C / H]).permute(0, 2, 1, 3);
    const [q, k, v] = heads.split(3, 1) as [Tensor, Tensor, Tensor];
    h = h.add(attention(q, k, v, { causal: true }).permute(0, 2, 1, 3).reshape([B * T, C]).matmul(own('projection')));
    const inner = layerNorm(h, { gain: own('norm2'), epsilon }).matmul(own('expand'));
    h = h.add(inner.mul(0.5).mul(inner.mul(Math.SQRT1_2).erf().add(1)).matmul(own('contract')));
  }
  const logits = layerNorm(h, { gain: at('norm'), epsilon }).matmul(at('tokens').transpose());
  return softmaxCrossEntropy(logits, targets).mean();
}

export interface TensorTraining {
  readonly step: Jitted<[Tensor, Tensor], { loss: Tensor; norm: Tensor }>;
  run(batch: R0Batch): { loss: Tensor; norm: Tensor };
  readonly parameters: readonly Variable[];
}

/** One jitted training step of R0 on the device, its weights and optimizer state in variables. */
export function tensorTraining(device: Device): TensorTraining {
  const weights = r0Weights();
  const cells = r0Parameters.map(({ name, shape, decay }) => ({
    decay, name,
    parameter: new Variable(shape, 'f32', weights.get(name)!, { name }),
    first: new Variable(shape, 'f32'),
    second: new Variable(shape, 'f32'),
  }));
  const count = new Variable([], 'f32');
  const step = jit((inputs: Tensor, targets: Tensor) => {
    const values = cells.map(({ parameter }) => read(parameter));
    const loss = r0Loss(new Map(cells.map(({ name }, i) => [name, values[i]!])), inputs, targets.reshape([-1]));
    const slopes = gradients(loss, values);
    const norm = slopes.map((g) => g.square().sum()).reduce((sum, x) => sum.add(x)).sqrt();
    const clip = norm.add(1e-6).reciprocal().mul(r0.clipNorm).minimum(1);
    const t = read(count).add(1);
    assign(count, t);
    const correct1 = t.mul(Math.log(r0.beta1)).exp().neg().add(1).reciprocal(), correct2 = t.mul(Math.log(r0.beta2)).exp().neg().add(1).reciprocal();
    cells.forEach(({ parameter, first, second, decay }, i) => {
      const g = slopes[i]!.mul(clip);
      const m = read(first).mul(r0.beta1).add(g.mul(1 - r0.beta1)), v = read(second).mul(r0.beta2).add(g.square().mul(1 - r0.beta2));
      assign(first, m);
      assign(second, v);
      const direction = m.mul(correct1).div(v.mul(correct2).sqrt().add(r0.epsilon));
      assign(parameter, values[i]!.mul(decay ? 1 - r0.learningRate * r0.weightDecay : 1).sub(direction.mul(r0.learningRate)));
    });
    return { loss, norm };
  }, { device, name: 'R0' });
  return {
    step, parameters: cells.map(({ parameter }) => parameter),
    run: ({ inputs, targets }) => step(tensor(inputs, { shape: [B, T] }), tensor(targets, { shape: [B, T] })),
  };
}

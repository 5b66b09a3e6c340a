/** A training step in TensorFlow.js: eager operations under `tidy`, gradients from `variableGrads`, AdamW written out in operations. */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import { stepParameters, type StepDefinition } from '../steps/definition.js';
import { stepWeights } from '../steps/weights.js';
import type { Training } from '../serve.js';

/** x̂ · gain over the last axis. */
function layerNorm(x: tf.Tensor2D, gain: tf.Tensor, epsilon: number): tf.Tensor2D {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(epsilon).rsqrt()).mul(gain);
}

const gelu = (x: tf.Tensor2D): tf.Tensor2D => x.mul(0.5).mul(x.mul(Math.SQRT1_2).erf().add(1));

/** Gathers rows by a product with one-hot vectors, whose gradient needs no scatter. */
const embed = (inputs: tf.Tensor1D, table: tf.Tensor2D): tf.Tensor2D => tf.matMul(tf.oneHot(inputs, table.shape[0]).toFloat() as tf.Tensor2D, table);

export async function startTfjs(step: StepDefinition, device: 'wasm' | 'webgpu'): Promise<Training> {
  const { batch: B, context: T, heads: H, width: C, vocabulary: V } = step, D = C / H, parameters = stepParameters(step);
  const about: Record<string, string | number | boolean> = { tfjs: tf.version.tfjs, device, node: process.versions.node };
  if (device === 'wasm') {
    const wasm = await import('@tensorflow/tfjs-backend-wasm');
    wasm.setWasmPaths(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json').replace(/package\.json$/, 'dist/'));
  } else {
    await import('@tensorflow/tfjs-backend-webgpu');
  }
  if (!await tf.setBackend(device)) throw new Error(`tfjs: backend ${device} could not be set up`);
  await tf.ready();
  if (device === 'wasm') {
    const { getThreadsCount } = await import('@tensorflow/tfjs-backend-wasm');
    about['simd'] = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT') as boolean;
    const threaded = await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT') as boolean;
    about['threads'] = threaded ? getThreadsCount() : 1;
  }

  const weights = stepWeights(step);
  const variables = new Map<string, tf.Variable>(), first = new Map<string, tf.Variable>(), second = new Map<string, tf.Variable>();
  for (const { name, shape } of parameters) {
    variables.set(name, tf.variable(tf.tensor(weights.get(name)!, [...shape]), true, name));
    first.set(name, tf.variable(tf.zeros([...shape]), false));
    second.set(name, tf.variable(tf.zeros([...shape]), false));
  }
  const list = [...variables.values()];
  const parameter = <R extends tf.Rank>(name: string): tf.Tensor<R> => variables.get(name)! as tf.Tensor as tf.Tensor<R>;
  const mask = tf.tidy(() => tf.linalg.bandPart(tf.ones([T, T]), -1, 0).sub(1).mul(1e30));

  function attend(h: tf.Tensor2D, qkv: tf.Tensor2D, projection: tf.Tensor2D): tf.Tensor2D {
    const [q, k, v] = tf.split(tf.matMul(h, qkv), 3, 1).map((x) => x.reshape([B, T, H, D]).transpose([0, 2, 1, 3])) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const scores = tf.matMul(q, k, false, true).mul(1 / Math.sqrt(D)).add(mask);
    const mixed = tf.matMul(tf.softmax(scores, -1), v).transpose([0, 2, 1, 3]).reshape([B * T, C]) as tf.Tensor2D;
    return tf.matMul(mixed, projection);
  }

  function loss(inputs: tf.Tensor1D, targets: tf.Tensor1D): tf.Scalar {
    const table = parameter<tf.Rank.R2>('tokens');
    let h = embed(inputs, table).reshape([B, T, C]).add(parameter('positions')).reshape([B * T, C]) as tf.Tensor2D;
    for (let layer = 0; layer < step.layers; layer++) {
      const at = <R extends tf.Rank>(name: string): tf.Tensor<R> => parameter<R>(`layers.${layer}.${name}`);
      h = h.add(attend(layerNorm(h, at('norm1'), step.normEpsilon), at('qkv'), at('projection')));
      h = h.add(tf.matMul(gelu(tf.matMul(layerNorm(h, at('norm2'), step.normEpsilon), at('expand'))), at('contract')));
    }
    const logits = tf.matMul(layerNorm(h, parameter('norm'), step.normEpsilon), table, false, true);
    return tf.logSoftmax(logits).mul(tf.oneHot(targets, V)).sum().mul(-1 / (B * T)) as tf.Scalar;
  }

  function adamW(name: string, decay: boolean, gradient: tf.Tensor, count: number): void {
    const m = first.get(name)!, v = second.get(name)!, p = variables.get(name)!;
    m.assign(m.mul(step.beta1).add(gradient.mul(1 - step.beta1)));
    v.assign(v.mul(step.beta2).add(gradient.square().mul(1 - step.beta2)));
    const rate = step.learningRate / (1 - step.beta1 ** count);
    const direction = m.div(v.mul(1 / (1 - step.beta2 ** count)).sqrt().add(step.epsilon));
    p.assign(p.mul(decay ? 1 - step.learningRate * step.weightDecay : 1).sub(direction.mul(rate)));
  }

  let count = 0;
  return {
    about,
    step(batch) {
      count++;
      const [value, norm] = tf.tidy(() => {
        const inputs = tf.tensor1d(batch.inputs, 'int32'), targets = tf.tensor1d(batch.targets, 'int32');
        const { value, grads } = tf.variableGrads(() => loss(inputs, targets), list);
        const norm = Object.values(grads).map((g) => g.square().sum()).reduce((sum, x) => sum.add(x)).sqrt();
        const clip = tf.minimum(1, tf.scalar(step.clipNorm).div(norm.add(1e-6)));
        for (const { name, decay } of parameters) adamW(name, decay, grads[name]!.mul(clip), count);
        return [value, norm];
      }) as [tf.Scalar, tf.Scalar];
      return {
        loss: async () => (await value.data())[0]!,
        gradientNorm: async () => (await norm.data())[0]!,
        dispose: () => { value.dispose(); norm.dispose(); },
      };
    },
    // The last variable is assigned last, and a read waits for all that was enqueued before.
    async synchronise() { await variables.get(parameters.at(-1)!.name)!.data(); },
    async parameterNorm() {
      let sum = 0;
      for (const variable of list) for (const x of await variable.data()) sum += x * x;
      return Math.sqrt(sum);
    },
    close: () => tf.disposeVariables(),
  };
}

/** R0 in TensorFlow.js: eager operations under `tidy`, gradients from `variableGrads`, AdamW written out in operations. */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs';
import { r0, r0Parameters } from '../r0/definition.js';
import { r0Weights } from '../r0/weights.js';
import type { Training } from '../serve.js';

const { batch: B, context: T, heads: H, width: C, vocabulary: V } = r0;
const D = C / H;

/** x̂ · gain over the last axis. */
function layerNorm(x: tf.Tensor2D, gain: tf.Tensor): tf.Tensor2D {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(r0.normEpsilon).rsqrt()).mul(gain);
}

const gelu = (x: tf.Tensor2D): tf.Tensor2D => x.mul(0.5).mul(x.mul(Math.SQRT1_2).erf().add(1));

/** Gathers rows by a product with one-hot vectors, whose gradient needs no scatter. */
const embed = (inputs: tf.Tensor1D, table: tf.Tensor2D): tf.Tensor2D => tf.matMul(tf.oneHot(inputs, V).toFloat() as tf.Tensor2D, table);

export async function startTfjs(device: 'wasm' | 'webgpu'): Promise<Training> {
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

  const weights = r0Weights();
  const variables = new Map<string, tf.Variable>(), first = new Map<string, tf.Variable>(), second = new Map<string, tf.Variable>();
  for (const { name, shape } of r0Parameters) {
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
    for (let layer = 0; layer < r0.layers; layer++) {
      const at = <R extends tf.Rank>(name: string): tf.Tensor<R> => parameter<R>(`layers.${layer}.${name}`);
      h = h.add(attend(layerNorm(h, at('norm1')), at('qkv'), at('projection')));
      h = h.add(tf.matMul(gelu(tf.matMul(layerNorm(h, at('norm2')), at('expand'))), at('contract')));
    }
    const logits = tf.matMul(layerNorm(h, parameter('norm')), table, false, true);
    return tf.logSoftmax(logits).mul(tf.oneHot(targets, V)).sum().mul(-1 / (B * T)) as tf.Scalar;
  }

  function adamW(name: string, decay: boolean, gradient: tf.Tensor, count: number): void {
    const m = first.get(name)!, v = second.get(name)!, p = variables.get(name)!;
    m.assign(m.mul(r0.beta1).add(gradient.mul(1 - r0.beta1)));
    v.assign(v.mul(r0.beta2).add(gradient.square().mul(1 - r0.beta2)));
    const rate = r0.learningRate / (1 - r0.beta1 ** count);
    const direction = m.div(v.mul(1 / (1 - r0.beta2 ** count)).sqrt().add(r0.epsilon));
    p.assign(p.mul(decay ? 1 - r0.learningRate * r0.weightDecay : 1).sub(direction.mul(rate)));
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
        const clip = tf.minimum(1, tf.scalar(r0.clipNorm).div(norm.add(1e-6)));
        for (const { name, decay } of r0Parameters) adamW(name, decay, grads[name]!.mul(clip), count);
        return [value, norm];
      }) as [tf.Scalar, tf.Scalar];
      return {
        loss: async () => (await value.data())[0]!,
        gradientNorm: async () => (await norm.data())[0]!,
        dispose: () => { value.dispose(); norm.dispose(); },
      };
    },
    // The last variable is assigned last, and a read waits for all that was enqueued before.
    async synchronise() { await variables.get(r0Parameters.at(-1)!.name)!.data(); },
    async parameterNorm() {
      let sum = 0;
      for (const variable of list) for (const x of await variable.data()) sum += x * x;
      return Math.sqrt(sum);
    },
    close: () => tf.disposeVariables(),
  };
}

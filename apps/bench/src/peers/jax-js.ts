/** A training step in jax-js: one jitted function from parameters, optimizer state and a batch to their successors. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  blockUntilReady, defaultDevice, init, jit, nn, numpy as np, tree, valueAndGrad, type Array as JaxArray,
} from '@jax-js/jax';
import { stepParameters, type StepDefinition } from '../steps/definition.js';
import { stepWeights } from '../steps/weights.js';
import type { Training } from '../serve.js';

type Parameters = Record<string, JaxArray>;

/** x̂ · gain over the last axis. Owns x; borrows nothing. */
function layerNorm(x: JaxArray, gain: JaxArray, epsilon: number): JaxArray {
  return nn.standardize(x, -1, { epsilon }).mul(gain);
}

/** Causal attention in plain operations: the library's own `dotProductAttention` is as fast, but fails before Node 22. */
function attend({ batch: B, context: T, heads: H, width: C }: StepDefinition, h: JaxArray, qkv: JaxArray, projection: JaxArray): JaxArray {
  const heads = np.dot(h, qkv).reshape([B, T, 3 * H, C / H]).transpose([0, 2, 1, 3]);
  const [q, k, v] = np.split(heads, 3, 1) as [JaxArray, JaxArray, JaxArray];
  const scores = np.matmul(q, k.transpose([0, 1, 3, 2])).mul(1 / Math.sqrt(C / H));
  const weights = nn.softmax(np.where(np.tri(T, T, 0, { dtype: np.bool }), scores, -1e30), -1);
  return np.dot(np.matmul(weights, v).transpose([0, 2, 1, 3]).reshape([B * T, C]), projection);
}

/** Mean cross-entropy; owns its arguments. */
function loss(step: StepDefinition, p: Parameters, inputs: JaxArray, targets: JaxArray): JaxArray {
  const { batch: B, context: T, width: C, vocabulary: V, normEpsilon } = step;
  const take = (name: string): JaxArray => p[name]!;
  const oneHot = nn.oneHot(inputs, V);
  let h = np.dot(oneHot, take('tokens').ref).reshape([B, T, C]).add(take('positions')).reshape([B * T, C]);
  for (let layer = 0; layer < step.layers; layer++) {
    const own = (name: string): JaxArray => take(`layers.${layer}.${name}`);
    h = h.ref.add(attend(step, layerNorm(h, own('norm1'), normEpsilon), own('qkv'), own('projection')));
    const inner = nn.gelu(np.dot(layerNorm(h.ref, own('norm2'), normEpsilon), own('expand')), { approximate: false });
    h = h.add(np.dot(inner, own('contract')));
  }
  const logits = np.dot(layerNorm(h, take('norm'), normEpsilon), take('tokens').transpose());
  return nn.logSoftmax(logits, -1).mul(nn.oneHot(targets, V)).sum().mul(-1 / (B * T));
}

type State = { parameters: Parameters; first: Parameters; second: Parameters };
type Updated = { state: State; loss: JaxArray; norm: JaxArray };

/** One training step; owns its arguments. `count` is the number of this update, from 1, as an f32 scalar. */
function update(step: StepDefinition, state: State, count: JaxArray, inputs: JaxArray, targets: JaxArray): Updated {
  const [value, gradients] = valueAndGrad((p: Parameters, x: JaxArray, y: JaxArray) => loss(step, p, x, y))(tree.ref(state.parameters), inputs, targets);
  const norm = np.sqrt(Object.values(gradients).map((g) => np.square(g.ref).sum()).reduce((sum, x) => sum.add(x)));
  const clip = np.minimum(np.array(1), np.reciprocal(norm.ref.add(1e-6)).mul(step.clipNorm));
  const correct1 = np.reciprocal(np.array(1).sub(np.exp(count.ref.mul(Math.log(step.beta1)))));
  const correct2 = np.reciprocal(np.array(1).sub(np.exp(count.mul(Math.log(step.beta2)))));
  const next: State = { parameters: {}, first: {}, second: {} };
  for (const { name, decay } of stepParameters(step)) {
    const g = gradients[name]!.mul(clip.ref);
    const m = state.first[name]!.mul(step.beta1).add(g.ref.mul(1 - step.beta1));
    const v = state.second[name]!.mul(step.beta2).add(np.square(g).mul(1 - step.beta2));
    const direction = m.ref.mul(correct1.ref).div(np.sqrt(v.ref.mul(correct2.ref)).add(step.epsilon));
    const kept = state.parameters[name]!.mul(decay ? 1 - step.learningRate * step.weightDecay : 1);
    next.parameters[name] = kept.sub(direction.mul(step.learningRate));
    next.first[name] = m;
    next.second[name] = v;
  }
  clip.dispose();
  correct1.dispose();
  correct2.dispose();
  return { state: next, loss: value, norm };
}

export async function startJaxJs(step: StepDefinition, device: 'wasm' | 'webgpu'): Promise<Training> {
  const available = await init(device);
  if (!available.includes(device)) throw new Error(`jax-js: device ${device} is not available here; available: ${available.join(', ') || 'none'}`);
  defaultDevice(device);

  const weights = stepWeights(step);
  const each = (make: (name: string, shape: number[]) => JaxArray): Parameters =>
    Object.fromEntries(stepParameters(step).map(({ name, shape }) => [name, make(name, [...shape])]));
  let state: State = {
    parameters: each((name, shape) => np.array(weights.get(name)!).reshape(shape)),
    first: each((_, shape) => np.zeros(shape)),
    second: each((_, shape) => np.zeros(shape)),
  };
  const compiled = jit((state: State, count: JaxArray, inputs: JaxArray, targets: JaxArray) => update(step, state, count, inputs, targets));
  let count = 0;
  const manifest = createRequire(import.meta.url).resolve('@jax-js/jax').replace(/dist[/\\][^/\\]*$/, 'package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return {
    about: { 'jax-js': version, device, node: process.versions.node },
    async step({ inputs, targets }) {
      const result = compiled(
        state, np.array(++count, { dtype: np.float32 }),
        np.array(inputs, { dtype: np.int32 }), np.array(targets, { dtype: np.int32 }),
      );
      state = result.state;
      // The library itself asks callers not to queue steps without end.
      await blockUntilReady(state.parameters);
      const read = async (x: JaxArray): Promise<number> => (await x.ref.data())[0]!;
      return {
        loss: () => read(result.loss),
        gradientNorm: () => read(result.norm),
        dispose: () => { result.loss.dispose(); result.norm.dispose(); },
      };
    },
    async synchronise() { await blockUntilReady(state); },
    async parameterNorm() {
      let sum = 0;
      for (const parameter of Object.values(state.parameters)) for (const x of await parameter.ref.data()) sum += x * x;
      return Math.sqrt(sum);
    },
  };
}


/** R0 from our public packages, as anybody would write it. */
import { multiHead } from '@ashlar/attention';
import { decoder, type Decoder } from '@ashlar/models';
import { mlp } from '@ashlar/nn';
import { layerNorm } from '@ashlar/norm';
import { adamW } from '@ashlar/optim';
import { learned } from '@ashlar/positional';
import type { Device } from '@ashlar/tensor';
import { trainStep, type StepBatch, type TrainStep } from '@ashlar/train';
import type { R0Batch } from '../r0/batches.js';
import { r0, r0Parameters } from '../r0/definition.js';
import { r0Weights } from '../r0/weights.js';

/** Our names of R0's parameters. */
function ownParameterName(name: string): string {
  const [part, layer, field] = name.split('.');
  if (part === 'layers') {
    const own: Readonly<Record<string, string>> = {
      norm1: 'residual.norms.0.gain', qkv: 'attention.qkv.weight', projection: 'attention.output.weight',
      norm2: 'residual.norms.1.gain', expand: 'feedForward.up.weight', contract: 'feedForward.down.weight',
    };
    return `layers.${layer}.${own[field!]}`;
  }
  return { tokens: 'tokens.weight', positions: 'positional.weight', norm: 'finalNorm.gain' }[part!]!;
}

/** Rows and columns exchanged: R0's linear maps are [in, out], ours [out, in]. */
function transposed(values: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows!; i++) for (let j = 0; j < columns!; j++) out[j * rows! + i] = values[i * columns! + j]!;
  return out;
}

/** The model with R0's initial weights. */
export function r0Model(): Decoder {
  const model = decoder({
    vocabulary: r0.vocabulary, width: r0.width, depth: r0.layers, maxLength: r0.context,
    attention: multiHead({ heads: r0.heads }), positional: learned(), norm: layerNorm({ epsilon: r0.normEpsilon }),
    feedForward: mlp({ hidden: r0.feedForward, activation: 'gelu' }), seed: 'none',
  });
  const weights = r0Weights();
  model.load(new Map(r0Parameters.map(({ name, shape }) => {
    const values = weights.get(name)!, linear = shape.length === 2 && name.startsWith('layers.');
    return [ownParameterName(name), linear ? transposed(values, shape) : values];
  })));
  return model;
}

/** The training step of R0 on the device. */
export function r0Step(model: Decoder, device: Device): TrainStep {
  return trainStep({
    model, device, clip: r0.clipNorm,
    optimizer: adamW({ learningRate: r0.learningRate, betas: [r0.beta1, r0.beta2], epsilon: r0.epsilon, weightDecay: r0.weightDecay }),
  });
}

/** A batch as the step takes it. */
export const stepBatch = ({ inputs, targets }: R0Batch): StepBatch => ({ tokens: inputs, targets, shape: [r0.batch, r0.context] });

/** The training steps from our public packages, as anybody would write them. */
import { multiHead } from '@ashlar/attention';
import { decoder, type Decoder } from '@ashlar/models';
import { mlp } from '@ashlar/nn';
import { layerNorm } from '@ashlar/norm';
import { adamW } from '@ashlar/optim';
import { learned } from '@ashlar/positional';
import type { Device } from '@ashlar/tensor';
import { trainStep, type StepBatch as TrainBatch, type TrainStep } from '@ashlar/train';
import type { StepBatch } from '../steps/batches.js';
import { stepParameters, type StepDefinition } from '../steps/definition.js';
import { stepWeights } from '../steps/weights.js';

/** Our names of the step's parameters. */
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

/** Rows and columns exchanged: the step's linear maps are [in, out], ours [out, in]. */
function transposed(values: Float32Array, [rows, columns]: readonly number[]): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows!; i++) for (let j = 0; j < columns!; j++) out[j * rows! + i] = values[i * columns! + j]!;
  return out;
}

/** The model with the step's initial weights. */
export function stepModel(step: StepDefinition): Decoder {
  const model = decoder({
    vocabulary: step.vocabulary, width: step.width, depth: step.layers, maxLength: step.context,
    attention: multiHead({ heads: step.heads }), positional: learned(), norm: layerNorm({ epsilon: step.normEpsilon }),
    feedForward: mlp({ hidden: step.feedForward, activation: 'gelu' }), seed: 'none',
  });
  const weights = stepWeights(step);
  model.load(new Map(stepParameters(step).map(({ name, shape }) => {
    const values = weights.get(name)!, linear = shape.length === 2 && name.startsWith('layers.');
    return [ownParameterName(name), linear ? transposed(values, shape) : values];
  })));
  return model;
}

/** The training step on the device. */
export function compiledStep(step: StepDefinition, model: Decoder, device: Device): TrainStep {
  return trainStep({
    model, device, clip: step.clipNorm,
    optimizer: adamW({ learningRate: step.learningRate, betas: [step.beta1, step.beta2], epsilon: step.epsilon, weightDecay: step.weightDecay }),
  });
}

/** A batch as the step takes it. */
export const trainBatch = ({ batch, context }: StepDefinition, { inputs, targets }: StepBatch): TrainBatch => ({ tokens: inputs, targets, shape: [batch, context] });

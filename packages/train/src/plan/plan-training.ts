/** What training a model takes, from the plans of its real step; nothing runs and nothing is allocated. */
import { bytesPerElement, foldKey, gradients, jit, planningDevice, plannedBytes, plannedFlops, randomKey, read, tensor, zeros, type Device, type Plan, type Slot, type Tensor } from '@ashlar/tensor';
import { Decoder, Encoder, EncoderDecoder, build, type ModelConfigInput, type OwnParts, type ParameterCounts } from '@ashlar/models';
import { training } from '@ashlar/nn';
import { adamW, type Optimizer } from '@ashlar/optim';
import { trainStep, type TrainableModel } from '../train-step.js';

/** A training, as far as its cost goes. */
export interface TrainingSizes {
  readonly model: ModelConfigInput;
  /** Parts that it names beside those of the catalogue. */
  readonly parts?: OwnParts;
  /** B, rows of a batch. */
  readonly batch: number;
  /** T, tokens of a row; of an encoder-decoder: of the target. */
  readonly context: number;
  /** S, tokens of the source of an encoder-decoder; default T. */
  readonly sourceContext?: number;
  /** Of a decoder: whether documents share rows (`packedBatches`). Default false. */
  readonly packing?: boolean;
  readonly microBatches?: number;
  readonly recompute?: boolean;
  /** Whether gradients are clipped by their global norm; default true. */
  readonly clip?: boolean;
  /** Default AdamW. */
  readonly optimizer?: Optimizer;
}

export interface TrainingPlan {
  readonly parameters: number;
  /** Parameters by part; the sum is `parameters`. */
  readonly parameterCounts: ParameterCounts;
  /** Tokens of a step: those of targets, and of sources where there are some. */
  readonly tokens: number;
  /** Floating-point operations of a step, each of the plans counted whole; `backward` has the recomputation, `update` clipping and the optimizer. */
  readonly flops: { readonly forward: number; readonly backward: number; readonly update: number };
  /** Bytes on the device. */
  readonly memory: {
    readonly parameters: number;
    /** The optimizer's state. */
    readonly optimizer: number;
    /** Working memory of the step: activations, gradients and what is between. */
    readonly working: number;
    /** Inputs, outputs and constants. */
    readonly other: number;
    /** All of it. */
    readonly total: number;
  };
  /** Working memory of forward and backward beside the gradients: what layers keep, and what they compute again if they keep little. */
  readonly activations: { readonly kept: number; readonly recomputed: number };
  /** The step itself. */
  readonly plan: Plan;
}

const bytesOf = (slots: readonly Slot[]): number => slots.reduce((sum, { size, dtype }) => sum + size * bytesPerElement(dtype), 0);

/** What planning asks of a model, whatever its topology. */
interface Planned {
  readonly model: Decoder | Encoder | EncoderDecoder;
  readonly step: TrainableModel;
  readonly tokens: number;
  /** Tokens and targets of a batch of so many rows. */
  example(rows: number): { readonly tokens: Tensor; readonly targets: Tensor };
}

/** A model of its own for each training, without memory. */
function plannedModel({ model: config, parts, batch, context, sourceContext = context, packing = false }: TrainingSizes): Planned {
  const model = build(config, { seed: 'none', ...(parts ? { parts } : {}) }) as Planned['model'], ids = (...shape: number[]): Tensor => zeros(shape, 'i32');
  const ofRows = config.modelType === 'encoder' && config.head?.type === 'classes';
  const example = (rows: number): ReturnType<Planned['example']> => ({ tokens: ids(rows, context), targets: ofRows ? ids(rows) : ids(rows, context) });
  const namedParameters = () => model.namedParameters();
  if (packing && !(model instanceof Decoder)) throw new RangeError(`planTraining: packing is for decoders, got ${config.modelType}`);
  // What counts, and whose a token is, are of the shape of the tokens.
  if (packing && model instanceof Decoder) return { model, step: { loss: (tokens, targets) => model.loss(tokens, targets, tokens.cast('f32'), { segments: tokens, positions: 'restart' }), namedParameters }, tokens: batch * context, example };
  if (!(model instanceof EncoderDecoder)) return { model, step: model, tokens: batch * context, example };
  // Only the shape of the source matters; made of the batch's tokens, it is another one for each of its parts.
  const loss = (tokens: Tensor, targets: Tensor): Tensor => model.loss(tokens.slice(undefined, [0, 1]).broadcastTo([tokens.shape[0]!, sourceContext]), tokens, targets);
  return { model, step: { loss, namedParameters }, tokens: batch * (context + sourceContext), example };
}

/** The plan of the step that `trainStep` would run, alone. */
export function planStep(sizes: TrainingSizes, device: Device): Plan {
  return stepPlan(sizes, plannedModel(sizes), planningDevice(device));
}

function stepPlan({ batch, microBatches = 1, recompute = false, clip = true, optimizer = adamW({ learningRate: 1e-3 }) }: TrainingSizes, { step: model, example }: Planned, planner: Device): Plan {
  const step = trainStep({ model, device: planner, optimizer, microBatches, recompute, ...(clip ? { clip: 1 } : {}) });
  step.prepare(example(batch));
  return step.plan!;
}

/**
 * The cost of a training on a device, which is asked for its kernels alone: from the plans of the step, of its forward
 * pass and of its gradients, as the compiler makes them.
 * @throws what `build` and `trainStep` throw.
 */
export function planTraining(sizes: TrainingSizes, device: Device): TrainingPlan {
  const planner = planningDevice(device), whole = plannedModel(sizes), { model, step, tokens } = whole, { batch, microBatches = 1, recompute = false } = sizes;
  const part = whole.example(batch / microBatches), key = tensor(Uint32Array.from(foldKey(randomKey(0), 0)));
  const planOf = (f: (loss: Tensor) => readonly Tensor[], again: boolean): Plan => {
    const compiled = jit((x: Tensor, y: Tensor, bits: Tensor) => training({ key: bits, recompute: again }, () => f(step.loss(x, y))), { device: planner });
    compiled.prepare(part.tokens, part.targets, key);
    return compiled.plan!;
  };
  const trained = model.parameters().filter((parameter) => parameter.trainable);
  const forward = planOf((loss) => [loss], false);
  const [kept, recomputed] = [false, true].map((again) => planOf((loss) => [loss, ...gradients(loss, trained.map(read))], again)) as [Plan, Plan];
  const plan = stepPlan(sizes, whole, planner);

  const parameters = model.parameters().reduce((sum, { size, dtype }) => sum + size * bytesPerElement(dtype), 0);
  const pulled = plannedFlops(recompute ? recomputed : kept) * microBatches, first = plannedFlops(forward) * microBatches;
  return {
    parameters: model.parameterCount, parameterCounts: model.parameterCounts, tokens,
    flops: { forward: first, backward: pulled - first, update: plannedFlops(plan) - pulled },
    memory: {
      parameters, optimizer: bytesOf(plan.state) - parameters, working: plan.workBytes,
      other: bytesOf(plan.inputs) + bytesOf(plan.outputs) + bytesOf(plan.constants), total: plannedBytes(plan),
    },
    activations: { kept: kept.workBytes, recomputed: recomputed.workBytes },
    plan,
  };
}

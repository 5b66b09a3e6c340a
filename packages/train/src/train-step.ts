import { foldKey, gradients, jit, randomKey, read, tensor, where, type Compilation, type Device, type PassOptions, type Plan, Tensor, type TypedArray, type Variable } from '@ashlar/tensor';
import { training, type Parameter } from '@ashlar/nn';
import type { Batch } from '@ashlar/text';
import { clipByGlobalNorm, globalNorm, type Optimizer } from '@ashlar/optim';

import { batchTensors, type BatchTensors, type LossInput } from './batch-tensors.js';

/** What a step asks of a model. */
export interface TrainableModel {
  /** The mean loss of a batch, a scalar; see `crossEntropy`. */
  loss(tokens: Tensor, targets: Tensor, weights?: Tensor, input?: LossInput): Tensor;
  namedParameters(): ReadonlyMap<string, Parameter>;
}

/** Batches of host arrays, as @ashlar/text makes them, or tensors [B, T]; targets, with their weights, are [B] where a row has one class. */
export type StepBatch = Batch | { readonly tokens: Tensor; readonly targets: Tensor; readonly weights?: Tensor };

export interface TrainStepOptions {
  readonly model: TrainableModel;
  readonly device: Device;
  readonly optimizer: Optimizer;
  /** The greatest global norm of the gradients; absent: they are not clipped. */
  readonly clip?: number;
  /** Of dropout; default 0. */
  readonly seed?: number;
  /** In how many parts, one after the other, a batch is computed: less memory, the same gradients. Divides B; default 1. */
  readonly microBatches?: number;
  /** Whether each layer's intermediate values are computed again in the backward pass: less memory, more time. Default false. */
  readonly recompute?: boolean;
  /** Compiler passes to switch off. */
  readonly passes?: PassOptions;
}

/** Everything that a step changes. */
export interface TrainState {
  /** Updates so far. */
  readonly count: number;
  readonly parameters: ReadonlyMap<string, Variable>;
  readonly optimizer: ReadonlyMap<string, Variable>;
}

/** Contents to go on from; as `TrainState`, in host arrays. */
export interface RestoredState {
  readonly count: number;
  /** Absent: the parameters stay as they are. */
  readonly parameters?: ReadonlyMap<string, TypedArray>;
  readonly optimizer: ReadonlyMap<string, TypedArray>;
}

export interface TrainStep {
  /** One update: forward, backward, clip and update in one submit. Loss and gradient norm (before clipping) are scalars to be read when wanted. */
  (batch: StepBatch): { readonly loss: Tensor; readonly gradNorm: Tensor };
  /** Updates so far. */
  readonly count: number;
  /** The learning rate of the next update. */
  readonly learningRate: number;
  /** The plan, once `prepare` or the first update compiled it; undefined on the reference device. */
  readonly plan: Plan | undefined;
  readonly compilations: readonly Compilation[];
  /** Compiles for a batch of this shape without running. */
  prepare(batch: StepBatch): void;
  /** Resolves when at most one update is still under way: await it in a loop. */
  ready(): Promise<void>;
  readonly state: TrainState;
  /** @throws {Error} naming what is missing, unknown or of another size. */
  restore(state: RestoredState): void;
  /** Releases the compiled plans and the optimizer's state; the model stays. */
  release(): void;
}

/**
 * A function that trains the model by one batch a call.
 * @throws {RangeError} where an option is out of range, or the model has nothing to train.
 */
export function trainStep({ model, device, optimizer, clip, seed = 0, microBatches = 1, recompute = false, passes }: TrainStepOptions): TrainStep {
  if (clip !== undefined && !(clip > 0)) throw new RangeError(`trainStep: clip must be greater than 0, got ${clip}; leave it out to train without`);
  if (!Number.isSafeInteger(microBatches) || microBatches < 1) throw new RangeError(`trainStep: microBatches must be a whole number from 1, got ${microBatches}`);
  const seedKey = randomKey(seed);
  const parameters = model.namedParameters();
  const trained = new Map([...parameters].filter(([, parameter]) => parameter.trainable));
  if (trained.size === 0) throw new RangeError('trainStep: the model has no parameter that is trainable');
  const attached = optimizer.attach(trained);
  let count = 0;

  const compiled = jit((inputs: StepInputs) => training({ key: inputs.key, recompute }, () => {
    const weights = [...trained.values()].map(read);
    const { loss, pulled } = lossAndGradients(model, inputs, weights, microBatches);
    const { gradients: clipped, norm } = clip === undefined ? { gradients: pulled, norm: globalNorm(pulled) } : clipByGlobalNorm(pulled, clip);
    attached.update(clipped, inputs.scalars);
    return { loss, gradNorm: norm };
  }), { device, name: 'trainStep', ...(passes ? { passes } : {}) });

  const inputsOf = (batch: StepBatch): StepInputs => ({
    ...tensorsOf(batch, microBatches),
    scalars: tensor(attached.scalars(count)),
    key: tensor(Uint32Array.from(foldKey(seedKey, count))),
  });

  const step = (batch: StepBatch): { loss: Tensor; gradNorm: Tensor } => {
    const result = compiled(inputsOf(batch));
    count++;
    return result;
  };
  const state = (): TrainState => ({ count, parameters, optimizer: attached.state });
  return Object.defineProperties(step, {
    count: { get: () => count },
    learningRate: { get: () => optimizer.learningRate(count) },
    plan: { get: () => compiled.plan },
    compilations: { get: () => compiled.compilations },
    prepare: { value: (batch: StepBatch) => compiled.prepare(inputsOf(batch)) },
    ready: { value: () => compiled.ready() },
    state: { get: state },
    restore: {
      value: (restored: RestoredState) => {
        if (!Number.isSafeInteger(restored.count) || restored.count < 0) throw new RangeError(`restore: count must be a whole number from 0, got ${restored.count}`);
        const groups = [...(restored.parameters ? [['parameters', parameters, restored.parameters] as const] : []), ['optimizer', attached.state, restored.optimizer] as const];
        for (const [group, variables, contents] of groups) checkNames(group, variables, contents);
        for (const [, variables, contents] of groups) for (const [name, variable] of variables) variable.write(contents.get(name)!);
        count = restored.count;
      },
    },
    release: { value: () => { compiled.release(); for (const variable of attached.state.values()) variable.release(); } },
  }) as unknown as TrainStep;
}

type StepInputs = BatchTensors & { readonly scalars: Tensor; readonly key: Tensor };

/** The mean loss of a batch and its gradients, part by part, each when the one before is done: each part's mean has the share of its tokens. */
function lossAndGradients(model: TrainableModel, { tokens, targets, weights, input }: StepInputs, wrt: readonly Tensor[], parts: number): { loss: Tensor; pulled: readonly Tensor[] } {
  if (parts === 1) {
    const loss = model.loss(tokens, targets, weights, input);
    return { loss, pulled: gradients(loss, wrt) };
  }
  const split = (whole: Tensor): Tensor[] => whole.split(parts, 0);
  const [tokenParts, targetParts, weightParts] = [split(tokens), split(targets), weights && split(weights)];
  const inputParts = Object.entries(input ?? {}).map(([name, whole]) => [name, typeof whole === 'string' ? Array<'restart'>(parts).fill(whole) : split(whole)] as const);
  const counts = targetParts.map((part, i) => where(part.ge(0), weightParts?.[i] ?? 1, 0).sum());
  const total = counts.reduce((sum, one) => sum.add(one)), divisor = where(total.gt(0), total, 1);
  let result: { loss: Tensor; pulled: readonly Tensor[] } | undefined;
  for (let i = 0; i < parts; i++) {
    const before = result, begun = <P>(part: P): P => (before && part instanceof Tensor ? part.after(...before.pulled) as P : part);
    const part = input && Object.fromEntries(inputParts.map(([name, parts]) => [name, begun(parts[i]!)]));
    const loss = model.loss(begun(tokenParts[i]!), begun(targetParts[i]!), begun(weightParts?.[i]), part).mul(counts[i]!.div(divisor));
    result = { loss: before ? before.loss.add(loss) : loss, pulled: gradients(loss, wrt, before && { onto: before.pulled }) };
  }
  return result!;
}

function tensorsOf(batch: StepBatch, microBatches: number): BatchTensors {
  const result = batch.tokens instanceof Tensor ? batch as Extract<StepBatch, { tokens: Tensor }> : batchTensors(batch as Batch), { tokens, targets, weights } = result;
  const [B] = tokens.shape, show = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
  if (tokens.rank !== 2) throw new RangeError(`trainStep: tokens must be [B, T], got ${show(tokens.shape)}`);
  if (![show(tokens.shape), `[${B}]`].includes(show(targets.shape))) throw new RangeError(`trainStep: targets must be ${show(tokens.shape)} as the tokens, or [${B}], a class a row, got ${show(targets.shape)}`);
  if (weights && show(weights.shape) !== show(targets.shape)) throw new RangeError(`trainStep: weights must be ${show(targets.shape)} as the targets, got ${show(weights.shape)}`);
  if (B! % microBatches !== 0) throw new RangeError(`trainStep: microBatches must divide the rows of a batch (${B}), got ${microBatches}`);
  return result;
}

function checkNames(group: string, variables: ReadonlyMap<string, Variable>, contents: ReadonlyMap<string, TypedArray>): void {
  for (const [name, variable] of variables) {
    const found = contents.get(name);
    if (!found) throw new Error(`restore: ${group} lacks ${name}`);
    if (found.length !== variable.size) throw new Error(`restore: ${group} ${name} must have ${variable.size} elements, got ${found.length}`);
  }
  for (const name of contents.keys()) if (!variables.has(name)) throw new Error(`restore: ${group} has ${name}, which is unknown here`);
}

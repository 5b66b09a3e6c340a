export { trainStep, type RestoredState, type StepBatch, type TrainableModel, type TrainState, type TrainStep, type TrainStepOptions } from './train-step.js';
export { readState, restoreState } from './state-tensors.js';
export { train, DivergedError, type LoopStep, type TrainCallbacks, type TrainOptions, type TrainResult } from './loop.js';
export { evaluator, type Evaluator, type EvaluatorOptions, type LossModel } from './evaluator.js';
export { parseMetricsRow, type MetricsRow } from './metrics.js';
export { CheckpointError, type Checkpoint, type CheckpointFacts, type StoredTensor, type TensorFileFormat } from './checkpoint.js';

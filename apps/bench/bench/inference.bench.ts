import { defineBenchmark, type BenchmarkPlace, type PreparedCase } from '@ashlar/conformance/benchmark';
import { jit, tensor, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { stepModel } from '../src/own/step-model.js';
import { stepBatch } from '../src/steps/batches.js';
import { stepNamed, tokensPerStep, type StepDefinition } from '../src/steps/definition.js';

/** 2 for each multiply-add of forward: a third of the training step's. */
const flops = ({ layers, width, feedForward, vocabulary, batch, context }: StepDefinition): number =>
  2 * batch * context * (layers * (4 * width * width + 2 * width * feedForward) + vocabulary * width) + 4 * layers * batch * context * context * width;

/** Compares the logits of the first row with those of the f64 interpreter. */
async function compare(step: StepDefinition, logits: ArrayLike<number>): Promise<void> {
  const { context, vocabulary } = step, model = stepModel(step), x = tensor(stepBatch(step, 0).inputs.slice(0, context), { shape: [1, context] });
  const expected = await jit((tokens: Tensor) => model.logits(tokens), { device: reference() })(x).data();
  for (let i = 0; i < context * vocabulary; i++) if (!(Math.abs(logits[i]! - expected[i]!) <= 1e-4)) throw new Error(`logit ${i} is ${logits[i]}, expected ${expected[i]}`);
}

async function ashlar(step: StepDefinition, place: BenchmarkPlace): Promise<PreparedCase> {
  const model = stepModel(step), device = await place.device(), forward = jit((tokens: Tensor) => model.logits(tokens), { device });
  const tokens = tensor(stepBatch(step, 0).inputs, { shape: [step.batch, step.context] });
  // Logits are read in every call, as whoever asks for them does; the other engine gives them as host data too.
  const logits = (): Promise<ArrayLike<number>> => forward(tokens).data();
  return { check: async () => compare(step, await logits()), run: async () => void await logits(), release: () => forward.release() };
}

async function onnxRuntime(step: StepDefinition, { threads }: BenchmarkPlace): Promise<PreparedCase> {
  const { exportOnnx, onnxBytes } = await import('@ashlar/hub'), { InferenceSession, Tensor: OnnxTensor } = await import('onnxruntime-node');
  const exported = await exportOnnx(stepModel(step), { batch: step.batch, length: step.context, padding: false });
  const session = await InferenceSession.create(onnxBytes(exported), { intraOpNumThreads: threads });
  const tokens = new OnnxTensor('int64', BigInt64Array.from(stepBatch(step, 0).inputs, BigInt), [step.batch, step.context]);
  const logits = async (): Promise<ArrayLike<number>> => (await session.run({ input_ids: tokens }))['logits']!.data as Float32Array;
  return { check: async () => compare(step, await logits()), run: async () => void await logits(), release: () => session.release() };
}

export const benchmarks = [defineBenchmark({
  suite: 'inference', name: 'inference', description: 'Logits of a batch by the model of R0: ours, and ONNX Runtime on the processor, with the file that we export.',
  parameters: { step: ['r0'], engine: ['ashlar', 'onnxruntime'] },
  async prepare({ step, engine }, place) {
    const definition = stepNamed(step), prepared = await (engine === 'ashlar' ? ashlar : onnxRuntime)(definition, place);
    return { ...prepared, work: { flops: flops(definition), tokens: tokensPerStep(definition) } };
  },
})];

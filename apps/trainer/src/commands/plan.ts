import { CombinationError, ConfigError, parseModelConfig, type ModelConfigInput } from '@ashlar/models';
import { formatBytes, formatFlops, type Device } from '@ashlar/tensor';
import { spanLengths } from '@ashlar/text';
import { cacheBytes, estimatedSeconds, fitTraining, measureRates, planTraining, type DeviceRates, type FitSuggestion, type TrainingFit, type TrainingPlan, type TrainingSizes } from '@ashlar/train';
import { readConfigFile } from '../config/config-file.js';
import { pluginParts } from '../config/plugins.js';
import { resolveConfigFile, type ResolvedConfig } from '../config/resolve.js';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { exitCodes, Failure } from '../failure.js';
import { formatCount, formatDuration, formatLarge, plural } from '../progress/format.js';
import type { Streams } from '../streams.js';
import { textOf } from '../tasks/language-model.js';
import { prepareMaterials } from '../tasks/prepare.js';

export interface PlanCommandOptions {
  readonly config: string;
  readonly set: readonly string[];
  readonly batch?: number;
  readonly context?: number;
  /** Bytes. */
  readonly memory?: number;
  readonly device: string;
  readonly json: boolean;
}

/** What `ashlar plan --json` prints: bytes, and floating-point operations. */
export interface PlanResult extends Omit<TrainingPlan, 'plan'> {
  readonly modelType: ModelConfigInput['modelType'];
  readonly batch: number;
  readonly context: number;
  readonly kernels: number;
  readonly flopsPerToken: { readonly forward: number; readonly backward: number };
  /** Of one sequence; null where the model keeps no cache. */
  readonly cache: ReturnType<typeof cacheBytes> | null;
  readonly device: DeviceRates & { readonly kind: string; readonly description: string };
  readonly secondsPerStep: number;
  readonly steps: number | null;
  readonly fit: (TrainingFit & { readonly memory: number }) | null;
}

/** `ashlar plan`: what a training takes, from the plan of its step, which is made and not run. */
export async function planCommand(options: PlanCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const deviceName = parseDeviceName(options.device), { sizes, steps } = await sizesOf(options);
  if (deviceName === 'reference') throw new Failure(exitCodes.device, '--device reference: the reference device has no plans: it interprets what it is given; take wasm or webgpu');
  const chosen = await chooseDevice(deviceName);
  await using device = chosen.device;
  stderr.write(`${deviceLine(chosen)}\n`);
  const result = await planned(sizes, steps, options.memory, device);
  stdout.write(options.json ? `${JSON.stringify(result, undefined, 2)}\n` : describePlan(result));
  return exitCodes.success;
}

/** What a config says of a training: one of `ashlar train`, or a model's alone. */
async function sizesOf({ config: path, set, batch, context }: PlanCommandOptions): Promise<{ sizes: TrainingSizes; steps: number | null }> {
  const written = readConfigFile(path);
  if (!('modelType' in written)) {
    const config = resolveConfigFile(path, { set }), { plugins, training } = config, parts = pluginParts(plugins, path), model = await wholeModel(config, path);
    const { microBatches, recompute, clip } = training, row = context ?? training.context, hidden = config.task === 'spanCorruption' ? spanLengths(row, config.data.spans) : undefined;
    const sourceContext = hidden?.source ?? training.sourceContext, packing = config.data.packing ?? false;
    return { sizes: { model, ...(parts ? { parts } : {}), ...(sourceContext === undefined ? {} : { sourceContext }), packing, batch: batch ?? training.batch, context: hidden?.target ?? row, microBatches, recompute, clip: clip !== null }, steps: training.steps };
  }
  if (set.length > 0) throw new Failure(exitCodes.usage, `--set is for configs of a training, and ${path} is that of a model alone; change it there`);
  const model = checked(() => { parseModelConfig(written, path); return written as unknown as ModelConfigInput; });
  const length = context ?? longestOf(model);
  if (length === undefined) throw new Failure(exitCodes.usage, `${path} has no maxLength: say by --context how many tokens a row has`);
  return { sizes: { model, batch: batch ?? 1, context: length }, steps: null };
}

const longestOf = (model: ModelConfigInput): number | undefined => (model.modelType === 'encoderDecoder' ? model.decoder?.maxLength ?? model.maxLength : model.maxLength);

/** The model with what the data decide. */
async function wholeModel(config: ResolvedConfig, path: string): Promise<ModelConfigInput> {
  if (config.task === 'languageModel' && config.model.vocabulary !== undefined) return config.model as ModelConfigInput;
  if (config.data.source === undefined) throw new Failure(exitCodes.usage, `${path} has neither model.vocabulary nor data.source, from which it would follow; give one of them`);
  if (config.task === 'languageModel') {
    using corpus = await textOf(config.data);
    return { ...config.model, vocabulary: corpus.tokenizer.vocabularySize } as ModelConfigInput;
  }
  using materials = await prepareMaterials(config);
  return materials.config.model as ModelConfigInput;
}

function checked<Result>(make: () => Result): Result {
  try {
    return make();
  } catch (error) {
    if (error instanceof ConfigError || error instanceof CombinationError || error instanceof RangeError) throw new Failure(exitCodes.usage, error.message, { cause: error });
    throw error;
  }
}

/** All that is told of a training; rates are measured where they are not given. */
export async function planned(sizes: TrainingSizes, steps: number | null, memory: number | undefined, device: Device, measured?: DeviceRates): Promise<PlanResult> {
  const { model, batch, context, parts } = sizes, { plan, ...training } = checked(() => planTraining(sizes, device));
  const contexts = [...new Set([context / 4, context / 2, context].map(Math.ceil))], rates = measured ?? await measureRates(device);
  return {
    modelType: model.modelType, batch, context, kernels: plan.steps.length, ...training,
    flopsPerToken: { forward: training.flops.forward / training.tokens, backward: training.flops.backward / training.tokens },
    cache: cacheBytes(model, contexts, device, parts) ?? null,
    device: { kind: device.kind, description: device.description, ...rates }, secondsPerStep: estimatedSeconds(plan, rates), steps,
    fit: memory === undefined ? null : { memory, ...fitTraining(sizes, memory, device) },
  };
}

export function describePlan({ modelType, parameters, parameterCounts, batch, context, tokens, kernels, flops, flopsPerToken, memory, activations, cache, device, secondsPerStep, steps, fit }: PlanResult): string {
  const bytes = formatBytes, parts = Object.entries(parameterCounts).filter(([, count]) => count > 0).map(([part, count]) => `${part} ${formatLarge(count)}`);
  const seconds = secondsPerStep < 1 ? `${(secondsPerStep * 1000).toPrecision(3)} ms` : `${secondsPerStep.toPrecision(3)} s`;
  const lines: [string, string][] = [
    ['model', `${modelType}, ${plural(parameters, 'parameter')}: ${parts.join(', ')}`],
    ['step', `${plural(batch, 'row')} of ${plural(context, 'token')}, ${formatCount(tokens)} in all; ${plural(kernels, 'kernel')}`],
    ['operations', `${formatFlops(flopsPerToken.forward)} a token forward, ${formatFlops(flopsPerToken.backward)} backward; ${formatFlops(flops.forward + flops.backward + flops.update)} a step`],
    ['memory', `${bytes(memory.total)}: parameters ${bytes(memory.parameters)}, optimizer ${bytes(memory.optimizer)}, working ${bytes(memory.working)}, other ${bytes(memory.other)}`],
    ['activations', `${bytes(activations.kept)} for the gradients where layers keep them, ${bytes(activations.recomputed)} where they are recomputed`],
    ['cache', cache ? `${cache.map(({ context: at, bytes: size }) => `${bytes(size)} at ${formatCount(at)}`).join(', ')} tokens of one sequence` : 'none: the model decodes nothing, or its attention keeps none'],
    ['time', `about ${seconds} a step${steps === null ? '' : `, ${formatDuration(secondsPerStep * steps)} for ${plural(steps, 'step')}`}: measured ${formatFlops(device.flopsPerSecond)}/s in products, ${bytes(device.bytesPerSecond)}/s elsewhere`],
  ];
  if (fit) lines.push(['fit', fit.fits ? `yes: within ${bytes(fit.memory)}` : `no: more than ${bytes(fit.memory)}. One of these changes alone, the others as they are:`]);
  return [...lines.map(([title, text]) => `${title.padEnd(12)} ${text}`), ...(fit?.suggestions.map((one) => `${' '.repeat(12)} ${suggestion(one)}`) ?? []), ''].join('\n');
}

const names = { recompute: 'recompute', microBatches: 'micro-batches', batch: 'batch', context: 'context', width: 'width' } as const;

function suggestion({ change, bytes, fits }: FitSuggestion): string {
  const what = Object.entries(change).map(([lever, value]) => (value === true ? names[lever as 'recompute'] : `${names[lever as keyof typeof names]} ${formatCount(value)}`)).join(' with ');
  return `${what}: ${formatBytes(bytes)}${fits ? '' : ', not enough'}`;
}

/** What would have to change for a training to fit a given memory: each answer is planned, none is guessed. */
import { CombinationError, ConfigError, build, type ModelConfigInput } from '@ashlar/models';
import { plannedBytes, type Device } from '@ashlar/tensor';
import { planStep, type TrainingSizes } from './plan-training.js';

/** A change of a training, and the bytes of the step with it. */
export interface FitSuggestion {
  readonly change: { readonly recompute?: true; readonly microBatches?: number; readonly batch?: number; readonly context?: number; readonly width?: number };
  readonly bytes: number;
  readonly fits: boolean;
}

export interface TrainingFit {
  /** Bytes of the step as it is. */
  readonly bytes: number;
  readonly fits: boolean;
  /**
   * Where it does not fit: each change alone, the mildest that fits, or where none does the one that takes least. Where
   * neither recomputing nor micro-batches, which leave the gradients as they are, are enough: also both at once.
   */
  readonly suggestions: readonly FitSuggestion[];
}

/** The config with another width, wherever one is said. */
export function withWidth(config: ModelConfigInput, width: number): ModelConfigInput {
  if (config.modelType !== 'encoderDecoder') return { ...config, width };
  const changed = <Part extends { readonly width?: number | undefined }>(part: Part): Part => (part.width === undefined ? part : { ...part, width });
  const { encoder, decoder } = config;
  return { ...changed(config), ...(encoder ? { encoder: changed(encoder) } : {}), ...(decoder ? { decoder: changed(decoder) } : {}) };
}

/** The greatest width that a config says. */
const widthOf = (config: ModelConfigInput): number =>
  (config.modelType === 'encoderDecoder' ? Math.max(...[config.width, config.encoder?.width, config.decoder?.width].filter((width) => width !== undefined)) : config.width);

/** How many widths are tried, in equal steps. */
const widthSteps = 16;

/** In how many parts a batch is tried at most: each part is planned. */
const mostParts = 8;

/** Smaller widths of which the model can be built, from the greatest. */
function smallerWidths({ model: config, parts }: TrainingSizes): number[] {
  const width = widthOf(config), step = Math.max(1, Math.floor(width / widthSteps));
  const canBe = (smaller: number): boolean => {
    try { return build(withWidth(config, smaller), { seed: 'none', ...(parts ? { parts } : {}) }) !== undefined; } catch (error) {
      if (error instanceof RangeError || error instanceof CombinationError || error instanceof ConfigError) return false;
      throw error;
    }
  };
  return Array.from({ length: Math.ceil(width / step) - 1 }, (_, i) => width - (i + 1) * step).filter(canBe);
}

/** Whether a training's step fits `memory` bytes of a device, and where not, what to change. */
export function fitTraining(sizes: TrainingSizes, memory: number, device: Device): TrainingFit {
  const planned = (change: FitSuggestion['change'], changed: TrainingSizes): FitSuggestion => {
    const bytes = plannedBytes(planStep(changed, device));
    return { change, bytes, fits: bytes <= memory };
  };
  const asItIs = planned({}, sizes);
  if (asItIs.fits) return { bytes: asItIs.bytes, fits: true, suggestions: [] };
  /** The first of the values that fits, else the last. Bytes fall along them, almost in proportion: between two that are known, the next one tried is where a line would say. */
  const mildest = (values: readonly number[], at: (value: number) => FitSuggestion): FitSuggestion[] => {
    if (values.length === 0) return [];
    let [low, high] = [{ index: -1, ...asItIs }, { index: values.length - 1, ...at(values.at(-1)!) }];
    while (high.fits && high.index - low.index > 1) {
      const line = low.index + Math.ceil(((low.bytes - memory) / (low.bytes - high.bytes)) * (high.index - low.index));
      const index = Math.min(Math.max(line, low.index + 1), high.index - 1), tried = { index, ...at(values[index]!) };
      if (tried.fits) high = tried; else low = tried;
    }
    const { index: _, ...found } = high;
    return [found];
  };
  const { model, batch, context, sourceContext, recompute = false, microBatches = 1 } = sizes, below = (from: number): number[] => Array.from({ length: from - 1 }, (_, i) => from - 1 - i);
  const parts = Array.from({ length: Math.min(batch, mostParts) }, (_, i) => i + 1).filter((count) => count > microBatches && batch % count === 0);
  /** In more parts a step keeps less of the layers and more gradients: each number is tried. */
  const inParts = (at: (count: number) => FitSuggestion): FitSuggestion[] => {
    const tried: FitSuggestion[] = [];
    for (const count of parts) if (!tried.at(-1)?.fits) tried.push(at(count));
    return tried.sort((a, b) => Number(b.fits) - Number(a.fits) || a.bytes - b.bytes).slice(0, 1);
  };
  const same = [
    ...(recompute ? [] : [planned({ recompute: true }, { ...sizes, recompute: true })]),
    ...inParts((value) => planned({ microBatches: value }, { ...sizes, microBatches: value })),
  ];
  const both = same.length < 2 || same.some(({ fits }) => fits) ? [] : inParts((value) => planned({ recompute: true, microBatches: value }, { ...sizes, recompute: true, microBatches: value }));
  return {
    bytes: asItIs.bytes, fits: false,
    suggestions: [
      ...same, ...both,
      ...mildest(below(batch).filter((value) => value % microBatches === 0), (value) => planned({ batch: value }, { ...sizes, batch: value })),
      ...mildest(below(context), (value) => planned({ context: value }, { ...sizes, context: value, ...(sourceContext === undefined ? {} : { sourceContext: Math.max(1, Math.round((sourceContext * value) / context)) }) })),
      ...mildest(smallerWidths(sizes), (value) => planned({ width: value }, { ...sizes, model: withWidth(model, value) })),
    ],
  };
}

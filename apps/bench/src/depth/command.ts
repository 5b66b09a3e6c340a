/** `bench depth`: which residual schemes train a deep, narrow model at once, without warm-up. */
import { build, type DecoderConfigInput } from '@ashlar/models';
import { adamW, constant } from '@ashlar/optim';
import { trainStep } from '@ashlar/train';
import type { DeviceOptions } from '../own/device-options.js';
import { openDevice } from '../own/open-device.js';
import { chainBatches, chainEntropy, chainVocabulary, uniformEntropy } from './chain.js';
import { judgeDepth, type DepthVerdict } from './verdict.js';

export interface DepthOptions extends DeviceOptions {
  readonly layers: number;
  readonly width: number;
  readonly steps: number;
  readonly seeds: number;
  readonly learningRate: number;
  readonly schemes: string;
  readonly json?: boolean;
}

interface DepthRun { readonly scheme: string; readonly seed: number; readonly verdict: DepthVerdict; readonly final: number; readonly losses: readonly number[] }

const [rows, length] = [8, 32] as const;
const bringsItsBeginning: ReadonlySet<string> = new Set(['deepNorm', 'subNorm']);

/** Trains each scheme from each seed on the same batches, and prints where each came to. */
export async function runDepth(options: DepthOptions): Promise<void> {
  await using device = await openDevice(options);
  const runs: DepthRun[] = [];
  for (const scheme of options.schemes.split(',')) {
    const model = build({
      modelType: 'decoder', vocabulary: chainVocabulary, width: options.width, depth: options.layers, maxLength: length,
      attention: { type: 'multiHead', heads: 2 }, positional: 'learned', ...(scheme === 'reZero' ? {} : { norm: 'layerNorm' }), residual: scheme, feedForward: { type: 'mlp', activation: 'relu' },
      // Weights of Xavier's size for all, so that schemes without a beginning of their own begin as the first Transformer did.
      initialisation: { std: options.width ** -0.5, ...(bringsItsBeginning.has(scheme) ? {} : { scaledResidual: false }) },
    } as DecoderConfigInput);
    const step = trainStep({ model, device, optimizer: adamW({ learningRate: constant(options.learningRate), weightDecay: 0 }) });
    for (let seed = 1; seed <= options.seeds; seed++) {
      model.initialize(seed);
      step.restore({ count: 0, optimizer: new Map([...step.state.optimizer].map(([name, { size }]) => [name, new Float32Array(size)])) });
      const nextBatch = chainBatches(seed, rows, length), losses: number[] = [];
      for (let i = 0; i < options.steps; i++) losses.push(await step(nextBatch()).loss.item());
      const run = { scheme, seed, ...judgeDepth(losses), losses };
      runs.push(run);
      if (!options.json) process.stdout.write(`${scheme} · seed ${seed} · ${run.verdict} · loss ${losses[0]!.toFixed(3)} → ${run.final.toFixed(3)}\n`);
    }
    step.release();
    await model.toHost();
  }
  const { layers, width, steps, learningRate } = options;
  if (options.json) process.stdout.write(`${JSON.stringify({ device: device.description, layers, width, steps, learningRate, chainEntropy, uniformEntropy, runs }, undefined, 2)}\n`);
  else process.stdout.write(`\n${render(options, runs)}`);
}

function render({ layers, width, steps, learningRate, seeds }: DepthOptions, runs: readonly DepthRun[]): string {
  const schemes = [...new Set(runs.map(({ scheme }) => scheme))];
  return [
    `${layers} layers of width ${width}, ${steps} steps of AdamW at ${learningRate} without warm-up; guessing has ${uniformEntropy.toFixed(3)} nats, the chain ${chainEntropy.toFixed(3)}`, '',
    '| scheme | trained | final loss of each seed |', '|---|---|---|',
    ...schemes.map((scheme) => {
      const own = runs.filter((run) => run.scheme === scheme);
      return `| ${scheme} | ${own.filter(({ verdict }) => verdict === 'trained').length} of ${seeds} | ${own.map(({ final, verdict }) => `${final.toFixed(3)}${verdict === 'trained' ? '' : ` (${verdict})`}`).join(', ')} |`;
    }), '',
  ].join('\n');
}

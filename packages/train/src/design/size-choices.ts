/** The choices that follow from the size and its plan, with their reasons. */
import { formatBytes } from '@ashlar/tensor';
import { formatSeconds } from './format-seconds.js';
import type { DesignNeeds } from './needs.js';
import type { Choice } from './rules.js';
import { parametersFor, tokensPerParameter, usefulEpochs, type Size } from './sizes.js';
import type { Candidate, Excess } from './try-size.js';

const large = (value: number): string => {
  for (const [unit, size] of [['billion', 1e9], ['million', 1e6], ['thousand', 1e3]] as const) if (value >= size) return `${Number((value / size).toPrecision(2))} ${unit}`;
  return String(Math.round(value));
};

/** Why no greater size was taken. */
const limits: { readonly [Need in Excess['need']]: (needs: DesignNeeds, next: string, takes: number) => string } = {
  dataTokens: (_, next, takes) => `The text sets the size: the next one, ${next} parameters, would want ${large(takes)} bytes of it.`,
  memory: ({ memory }, next, takes) => `The memory sets the size: the next one, ${next} parameters, would take at least ${formatBytes(takes)}, more than ${formatBytes(memory)}.`,
  trainingSeconds: ({ trainingSeconds }, next, takes) => `The training time sets the size: the next one, ${next} parameters, would take at least ${formatSeconds(takes)}, more than ${formatSeconds(trainingSeconds!)}.`,
  latency: ({ latency }, next, takes) => `The latency sets the size: the next one, ${next} parameters, would take about ${formatSeconds(takes)}, more than ${formatSeconds(latency!)}.`,
};

export function sizeChoices(needs: DesignNeeds, { config, plan }: Omit<Candidate, 'choices'>, { width, depth, headWidth }: Size, limit: Excess | undefined): Choice[] {
  const { purpose, dataTokens } = needs, { training } = config, { parameters, tokens, epochs } = plan, each = tokensPerParameter[purpose], heads = width / headWidth;
  const overfit = parameters > parametersFor(dataTokens, purpose);
  return [
    {
      key: 'model.width', value: width, cost: `${large(parameters)} parameters: ${formatBytes(plan.trainingBytes)} in training, about ${formatSeconds(plan.secondsPerStep)} a step on this device; ${formatBytes(plan.useBytes)} in use.${overfit ? ' It can learn so short a text by heart: watch the validation loss, or find more text.' : ''}`,
      reason: `${limit ? limits[limit.need](needs, large(limit.parameters), limit.takes) : 'It is the greatest size of the table, and every need is met.'} A model wants ${each} tokens a parameter${purpose === 'inference' ? ', more than in training alone, for it is to be small and used much' : ''}, and a text is worth reading ${usefulEpochs} times.`,
      source: purpose === 'inference' ? 'arXiv 2401.00448; arXiv 2305.16264' : 'arXiv 2203.15556; arXiv 2305.16264',
    },
    { key: 'model.depth', value: depth, reason: 'Layers grow with the width; between a few and many times as wide as deep, the shape matters little beside the number of parameters.', cost: 'More layers of less width would take longer, as each waits for the one before.', source: 'arXiv 2001.08361' },
    { key: 'model.attention.heads', value: heads, reason: `Heads of ${headWidth}: wide enough to tell keys apart, many enough to look at several places.`, cost: 'None: heads divide the width.', source: 'arXiv 1706.03762' },
    { key: 'training.batch', value: training.batch, reason: 'Small models learn most from many small steps; greater ones gain from greater batches, as far as the memory goes.', cost: 'A greater batch would use the device better, and learn less a token.', source: 'arXiv 1812.06162' },
    training.recompute
      ? { key: 'training.recompute', value: true, reason: `With all activations kept, a step would not fit into ${formatBytes(needs.memory)}: layers are computed again in the backward pass.`, cost: 'About a third more time a step.', source: 'arXiv 1604.06174' }
      : { key: 'training.recompute', value: false, reason: purpose === 'inference' ? 'The memory limit is that of use, and the training is elsewhere.' : 'A step fits with all activations kept.', cost: 'More memory than with recomputing.', source: 'arXiv 1604.06174' },
    {
      key: 'training.steps', value: training.steps, reason: `${large(tokens)} tokens in all, ${Number((tokens / parameters).toPrecision(2))} a parameter, which read the text ${epochs < 0.1 ? `in part, ${Number((100 * epochs).toPrecision(1))} %` : `${Number(epochs.toPrecision(2))} times`}.`,
      cost: `About ${formatSeconds(plan.trainingSeconds)} on this device, from a short measurement: it may be half or twice as long.${epochs < 1 ? ' Text is left unread; more time would use it.' : ''}`, source: purpose === 'inference' ? 'arXiv 2401.00448' : 'arXiv 2203.15556',
    },
    { key: 'training.learningRate', value: training.learningRate, reason: 'The greater a model, the smaller the rate it bears: 0.003239 − 0.0001395 ln N for N parameters, after a twentieth of the steps to warm up.', cost: 'It is a rule of thumb: half and twice as much are worth a try.', source: 'arXiv 2001.08361' },
  ];
}

/** The layers that `bench mixers` times: heads of width 32, or as near as the mixer allows. */
import { deltaRule, gatedDeltaRule, gatedLinear, linearAttention, mamba2, multiHead, retention, slidingWindow } from '@ashlar/attention';
import type { AttentionVariant } from '@ashlar/nn';

/** C */
export const width = 64;

export const mixerCases: Readonly<Record<string, AttentionVariant>> = {
  multiHead: multiHead({ heads: 2 }), 'multiHead, slidingWindow(128)': multiHead({ heads: 2, mask: slidingWindow(128) }), linearAttention: linearAttention({ heads: 2 }), retention: retention({ heads: 2, valueWidth: 32 }),
  gatedLinear: gatedLinear({ heads: 2 }), deltaRule: deltaRule({ heads: 2 }), gatedDeltaRule: gatedDeltaRule({ heads: 2, valueWidth: 32 }), mamba2: mamba2({ heads: 4, stateWidth: 32 }),
};

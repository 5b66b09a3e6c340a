/**
 * Who takes part in `bench recall`: attention with the positions that suit it. One head, but where heads begin with rates of
 * their own at which they fade: a single one may forget too fast to learn anything.
 */
import type { DecoderConfigInput } from '@ashlar/models';

export interface RecallMixer {
  readonly attention: DecoderConfigInput['attention'];
  readonly positional: DecoderConfigInput['positional'];
  /** How many tokens back a layer sees, itself counted; absent: all. */
  readonly window?: number;
}

const window = 16;

export const recallMixers = {
  multiHead: { attention: { type: 'multiHead', heads: 1 }, positional: 'learned' },
  slidingWindow: { attention: { type: 'multiHead', heads: 1, mask: { type: 'slidingWindow', windowKeys: window } }, positional: 'learned', window },
  linearAttention: { attention: { type: 'linearAttention', heads: 1 }, positional: 'learned' },
  hedgehog: { attention: { type: 'linearAttention', heads: 1, featureMap: 'hedgehog' }, positional: 'learned' },
  retention: { attention: { type: 'retention', heads: 1 }, positional: 'rotary' },
  gatedLinear: { attention: { type: 'gatedLinear', heads: 1 }, positional: 'none' },
  deltaRule: { attention: { type: 'deltaRule', heads: 1 }, positional: 'none' },
  gatedDeltaRule: { attention: { type: 'gatedDeltaRule', heads: 4 }, positional: 'none' },
  mamba2: { attention: { type: 'mamba2', heads: 8 }, positional: 'none' },
} as const satisfies Readonly<Record<string, RecallMixer>>;

export type RecallMixerName = keyof typeof recallMixers;
export const recallMixerNames = Object.keys(recallMixers) as RecallMixerName[];

/** How many tokens back the last of `depth` layers can see, itself counted, of a text of `length`. */
export const receptiveField = ({ window: W }: RecallMixer, depth: number, length: number): number => (W === undefined ? length : Math.min(length, depth * (W - 1) + 1));

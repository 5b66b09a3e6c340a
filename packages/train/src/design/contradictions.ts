/** Where no size meets the needs: which of them exclude each other, and what would have to give. */
import { formatBytes } from '@ashlar/tensor';
import type { DesignNeeds } from './needs.js';
import { sizes } from './sizes.js';
import { formatSeconds } from './format-seconds.js';
import { trySize, type DesignPlace, type Excess } from './try-size.js';

/** Needs that exclude each other. */
export interface Contradiction {
  readonly needs: readonly (keyof DesignNeeds)[];
  readonly problem: string;
  /** What would mend it, each alone. */
  readonly ways: readonly { readonly need: keyof DesignNeeds; readonly value: number; readonly text: string }[];
}

/** The fraction of a text that is not held out. */
const trained = 0.9;
const leastText = (context: number): number => Math.ceil((context + 1) / trained);

/** Whether the text, without what is held out, fills a row. */
export const isEnoughText = ({ context, dataTokens }: DesignNeeds): boolean => dataTokens >= leastText(context);

/** The greatest of the halves, quarters … of the context with which a need is met by the smallest model; from 8 tokens. */
function shorterContext(needs: DesignNeeds, { need }: Excess, place: DesignPlace): number | undefined {
  const contexts: number[] = [], meets = (context: number): boolean => !trySize({ ...needs, context }, sizes[0]!, place, true).excesses.some((one) => one.need === need);
  for (let context = needs.context >> 1; context >= 8; context >>= 1) contexts.push(context);
  const shortest = contexts.pop();
  if (shortest === undefined || !meets(shortest)) return undefined;
  return contexts.find(meets) ?? shortest;
}

const shownValue: { readonly [Need in Exclude<Excess['need'], 'dataTokens'>]: (value: number) => string } = { memory: formatBytes, trainingSeconds: formatSeconds, latency: formatSeconds };
/** A little more than what was found, in two digits. */
const enough = (value: number): number => Number((value * 1.06).toPrecision(2));

const problems: { readonly [Need in Exclude<Excess['need'], 'dataTokens'>]: (needs: DesignNeeds, takes: string) => string } = {
  memory: ({ memory, context, purpose }, takes) => `a context of ${context} tokens does not go with ${formatBytes(memory)} of memory: even the smallest model takes ${takes} ${purpose === 'training' ? 'to be trained on one row at a time' : 'to be used'}`,
  trainingSeconds: ({ trainingSeconds, dataTokens, context }, takes) => `${formatSeconds(trainingSeconds!)} of training does not go with ${dataTokens} bytes of text and a context of ${context}: even the smallest model takes about ${takes} on this device to learn what it can`,
  latency: ({ latency, context, task }, takes) => `${formatSeconds(latency!)} ${task === 'languageModel' || task === 'sequenceToSequence' ? 'a written token' : 'a text'} does not go with a context of ${context} tokens on this device: even the smallest model takes about ${takes}`,
};
const names = { memory: 'memory', trainingSeconds: 'training time', latency: 'latency' } as const;

/** What the smallest size does not meet, as people can act on it. */
export function contradictionsOf(needs: DesignNeeds, excesses: readonly Excess[], place: DesignPlace): Contradiction[] {
  const { context, dataTokens } = needs, least = leastText(context), most = Math.floor(dataTokens * trained) - 1;
  const tooShort: Contradiction[] = isEnoughText(needs) ? [] : [{
    needs: ['dataTokens', 'context'], problem: `a context of ${context} tokens does not go with a text of ${dataTokens} bytes, of which a tenth is held out: not one row of a batch can be filled`,
    ways: [{ need: 'dataTokens', value: least, text: `at least ${least} bytes of text, better a thousand times as many` }, ...(most < 2 ? [] : [{ need: 'context', value: most, text: `a context of at most ${most} tokens` } as const])],
  }];
  return [...tooShort, ...excesses.flatMap((excess): Contradiction[] => {
    const { need, takes } = excess;
    if (need === 'dataTokens') return [];
    const value = enough(takes), shorter = shorterContext(needs, excess, place);
    return [{
      needs: [need, 'context'], problem: problems[need](needs, shownValue[need](takes)),
      ways: [{ need, value, text: `${names[need]} of at least ${shownValue[need](value)}` }, ...(shorter === undefined ? [] : [{ need: 'context', value: shorter, text: `a context of ${shorter} tokens` } as const])],
    }];
  })];
}

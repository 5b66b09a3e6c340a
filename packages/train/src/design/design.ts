/** From what a person needs to a config, with the reason for every choice. */
import { contradictionsOf, isEnoughText, type Contradiction } from './contradictions.js';
import { checkNeeds, type DesignNeeds } from './needs.js';
import type { Choice } from './rules.js';
import { parametersFor, sizes, tokensPerParameter, usefulEpochs, type Size } from './sizes.js';
import { sizeChoices } from './size-choices.js';
import { countsOf, trySize, type Candidate, type DesignPlace, type DesignPlan, type DesignedConfig, type Excess } from './try-size.js';

export type Design =
  | { readonly possible: true; readonly config: DesignedConfig; readonly choices: readonly Choice[]; readonly plan: DesignPlan }
  /** The needs contradict each other: each of these must give, in one of its ways. */
  | { readonly possible: false; readonly contradictions: readonly Contradiction[] };

/**
 * The greatest model that the text can teach and that meets every need, part by part by the table of rules; or what
 * contradicts what, and what would have to give. Bytes are those of the compiler's plans; nothing is run or allocated.
 * @throws {RangeError} where a need is not one. @throws {TypeError} where the device has no plans.
 */
export function design(needs: DesignNeeds, place: DesignPlace): Design {
  checkNeeds(needs);
  const [smallest, ...greater] = sizes, taught = parametersFor(needs.dataTokens, needs.purpose);
  let limit: Excess | undefined;
  const made = (size: Size, { choices, ...rest }: Candidate): Design => ({ possible: true, ...rest, choices: [...choices, ...sizeChoices(needs, rest, size, limit)] });
  for (const size of isEnoughText(needs) ? greater.reverse() : []) {
    const { parameters } = countsOf(needs, size);
    const { candidate, excesses } = parameters <= taught ? trySize(needs, size, place)
      : { candidate: undefined, excesses: [{ need: 'dataTokens', parameters, takes: (parameters * tokensPerParameter[needs.purpose]) / usefulEpochs } as const] };
    if (candidate) return made(size, candidate);
    limit = excesses[0];
  }
  const { candidate, excesses } = trySize(needs, smallest!, place, true);
  return candidate && isEnoughText(needs) ? made(smallest!, candidate) : { possible: false, contradictions: contradictionsOf(needs, excesses, place) };
}

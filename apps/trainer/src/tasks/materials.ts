import type { Decoder, Encoder, EncoderDecoder } from '@ashlar/models';
import type { Device } from '@ashlar/tensor';
import type { Batches, EvaluationBatches, Tokenizer } from '@ashlar/text';
import type { TrainableModel } from '@ashlar/train';
import type { ResolvedConfig } from '../config/resolve.js';
import type { Baseline } from '../report/charts.js';

/** What a trained model is worth on what was held out. */
export interface Measures {
  /** Numbers by name, as `ashlar eval --json` prints them. */
  readonly numbers: Readonly<Record<string, number>>;
  /** The one that says most. */
  readonly headline: readonly [name: string, value: string];
  /** All and what they stand beside, for people. */
  readonly lines: readonly (readonly [name: string, value: string])[];
  /** Some of what was held out, and what the model says of it. */
  readonly examples?: { readonly titles: readonly string[]; readonly rows: readonly (readonly string[])[] };
}

/** All that a training is made of, before a device is there; closing releases its files. */
export interface Materials extends Disposable {
  /** With what the data decide. */
  readonly config: ResolvedConfig;
  /** The source, as it was named. */
  readonly source: string;
  readonly tokenizer: Tokenizer;
  readonly targetTokenizer?: Tokenizer;
  /** What is trained on. @throws {RangeError} where it is too little. */
  batches(): Batches;
  readonly evaluation: EvaluationBatches;
  readonly model: Decoder | Encoder | EncoderDecoder;
  /** The model as the training step and the evaluation see it. */
  readonly learner: TrainableModel;
  /** What there is, such as how many tokens to train on. */
  readonly amounts: readonly (readonly [name: string, count: number])[];
  /** What simple ways of guessing reach, in nats a prediction. */
  baselines(): Baseline[];
  /** @param loss The mean held-out loss. */
  measure(device: Device, loss: number): Promise<Measures>;
}

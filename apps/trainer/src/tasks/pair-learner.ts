import type { EncoderDecoder } from '@ashlar/models';
import type { TrainableModel } from '@ashlar/train';

/** An encoder-decoder as a training step sees it: batches have the source beside the tokens of the target. */
export const pairLearner = (model: EncoderDecoder): TrainableModel => ({
  namedParameters: () => model.namedParameters(),
  loss: (tokens, targets, weights, input) => model.loss(input!.source!, tokens, targets, weights, { source: { padding: input!.sourcePadding } }),
});

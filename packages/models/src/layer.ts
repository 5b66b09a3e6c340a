import type { Tensor } from '@ashlar/tensor';
import { Module, dropPath, isTraining, type Attention, type AttentionInput, type FeedForward, type LayerCache, type Residual, type Sublayer } from '@ashlar/nn';

/** What all layers of a stack are given beside the stream. */
export interface LayerInput extends Pick<AttentionInput, 'positions' | 'segments' | 'keyPadding' | 'prefix' | 'context'> {
  /** bool [B, S], true where a token of the context is padding. */
  readonly contextPadding?: Tensor | undefined;
}

/** What a layer remembers, of its attention to its own sequence and to another. */
export interface LayerCaches { readonly attention: LayerCache; readonly crossAttention: LayerCache }

interface LayerParts { readonly residual: Residual; readonly attention: Attention; readonly crossAttention: Attention | undefined; readonly feedForward: FeedForward; readonly dropPath: number }

/** Attention, perhaps attention to another sequence, and feed-forward, joined to the stream by a residual scheme. */
export class Layer extends Module {
  readonly residual: Residual;
  readonly attention: Attention;
  readonly crossAttention: Attention | undefined;
  readonly feedForward: FeedForward;
  readonly #dropPath: number;

  constructor({ residual, attention, crossAttention, feedForward, dropPath: rate }: LayerParts) {
    super();
    this.residual = residual;
    this.attention = attention;
    this.crossAttention = crossAttention;
    this.feedForward = feedForward;
    this.#dropPath = rate;
  }

  /** The stream after the layer and, in training, what the layer adds to the loss, where it does. */
  forward(x: Tensor, { context, contextPadding, ...own }: LayerInput, caches?: LayerCaches): readonly [Tensor, ...Tensor[]] {
    const losses: Tensor[] = [], { crossAttention } = this;
    const feedForward = (inner: Tensor): Tensor => {
      if (!isTraining() || !this.feedForward.forwardWithLoss) return this.feedForward.forward(inner);
      const { output, loss } = this.feedForward.forwardWithLoss(inner);
      losses.push(loss);
      return output;
    };
    const sublayers: readonly Sublayer[] = [
      (inner) => this.attention.forward({ ...own, x: inner, cache: caches?.attention }),
      ...(crossAttention ? [(inner: Tensor) => crossAttention.forward({ x: inner, positions: own.positions, context, keyPadding: contextPadding, cache: caches?.crossAttention })] : []),
      feedForward,
    ];
    const stream = this.residual.forward(x, sublayers.map((sublayer) => (inner: Tensor) => dropPath(sublayer(inner), this.#dropPath)));
    return [stream, ...losses];
  }
}

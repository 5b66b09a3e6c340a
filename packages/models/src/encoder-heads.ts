import { where, type Tensor } from '@ashlar/tensor';
import { Linear, Module, activationOf, checkRate, dropout, requireCount, type ActivationName, type Embedding, type Norm } from '@ashlar/nn';
import type { StackInitializers } from './initialisation.js';
import { VocabularyHead, type VocabularyHeadOptions } from './vocabulary-head.js';

/** How the states of a row [T, C] become one [C]: the first token's, or the mean of all that are not padding. */
export type Pooling = 'first' | 'mean';

/** A layer before the last projection: norm(activation(x W + b)). */
export interface HeadTransformOptions {
  readonly activation: ActivationName;
  /** Whether a norm of the model's kind follows. Default false. */
  readonly norm?: boolean | undefined;
  /** Default: that of the model. */
  readonly bias?: boolean | undefined;
}

/** Predicts the tokens themselves, as masked language models are trained. */
export interface LanguageHeadOptions extends VocabularyHeadOptions {
  readonly type: 'language';
  /** Default: none. BERT: `{ activation: 'gelu', norm: true }`. */
  readonly transform?: HeadTransformOptions | undefined;
}

/** Says which class a whole sequence is of. */
export interface ClassesHeadOptions {
  readonly type: 'classes';
  /** Number of classes. */
  readonly classes: number;
  /** Default `first`. */
  readonly pooling?: Pooling | undefined;
  /** Default: none. BERT's pooler: `{ activation: 'tanh' }`. */
  readonly transform?: HeadTransformOptions | undefined;
  /** Of the last projection; default true. */
  readonly bias?: boolean | undefined;
  /** Of what goes into the last projection; default 0. */
  readonly dropout?: number | undefined;
}

/** Says which class each token is of. */
export interface TokenClassesHeadOptions extends Omit<ClassesHeadOptions, 'type' | 'pooling'> { readonly type: 'tokenClasses' }

export type EncoderHeadOptions = LanguageHeadOptions | ClassesHeadOptions | TokenClassesHeadOptions;

/** Where a head stands. */
export interface HeadSite {
  readonly width: number;
  readonly vocabulary: number;
  readonly bias: boolean;
  readonly tokens: Embedding;
  readonly initializers: StackInitializers;
  norm(): Norm;
}

/** States [B, T, C] to logits: [B, T, V], [B, classes] or [B, T, classes]. */
export abstract class EncoderHead extends Module {
  abstract forward(states: Tensor, padding: Tensor | undefined): Tensor;
  /** Operations of the matrix products for a sequence of `length`. */
  abstract flops(length: number): number;
}

/** norm(activation(x W + b)); x [..., C] → [..., C]. */
class HeadTransform extends Module {
  readonly dense: Linear;
  readonly norm: Norm | undefined;
  readonly #activation: (x: Tensor) => Tensor;

  constructor({ activation, norm = false, bias }: HeadTransformOptions, site: HeadSite) {
    super();
    this.dense = new Linear({ inputs: site.width, outputs: site.width, bias: bias ?? site.bias, initializer: site.initializers.transform });
    this.norm = norm ? site.norm() : undefined;
    this.#activation = activationOf('encoder: head.transform', activation);
  }

  forward(x: Tensor): Tensor {
    const inner = this.#activation(this.dense.forward(x));
    return this.norm?.forward(inner) ?? inner;
  }
}

class LanguageHead extends EncoderHead {
  readonly transform: HeadTransform | undefined;
  readonly output: VocabularyHead;

  constructor({ transform, ...options }: LanguageHeadOptions, site: HeadSite) {
    super();
    this.transform = transform && new HeadTransform(transform, site);
    this.output = new VocabularyHead(options, { ...site, owner: 'encoder: head' });
  }

  forward(states: Tensor): Tensor { return this.output.forward(this.transform?.forward(states) ?? states); }
  flops(length: number): number { return length * ((this.transform?.dense.flops ?? 0) + this.output.flops); }
}

class ClassesHead extends EncoderHead {
  readonly transform: HeadTransform | undefined;
  readonly output: Linear;
  /** Absent: each token has a class. */
  readonly #pooling: Pooling | undefined;
  readonly #dropout: number;

  constructor({ classes, transform, bias = true, dropout: rate = 0 }: Omit<ClassesHeadOptions, 'type' | 'pooling'>, pooling: Pooling | undefined, site: HeadSite) {
    super();
    requireCount('encoder: head', 'classes', classes);
    checkRate('encoder: head.dropout', rate);
    this.transform = transform && new HeadTransform(transform, site);
    this.output = new Linear({ inputs: site.width, outputs: classes, bias, initializer: site.initializers.projection });
    this.#pooling = pooling;
    this.#dropout = rate;
  }

  forward(states: Tensor, padding: Tensor | undefined): Tensor {
    const x = this.#pooling ? pooled(states, this.#pooling, padding) : states;
    return this.output.forward(dropout(this.transform?.forward(x) ?? x, this.#dropout));
  }

  flops(length: number): number { return (this.#pooling ? 1 : length) * ((this.transform?.dense.flops ?? 0) + this.output.flops); }
}

/** The head that options describe. */
export function encoderHead(options: EncoderHeadOptions, site: HeadSite): EncoderHead {
  switch (options.type) {
    case 'language': return new LanguageHead(options, site);
    case 'classes': return new ClassesHead(options, options.pooling ?? 'first', site);
    case 'tokenClasses': return new ClassesHead(options, undefined, site);
  }
}

/** States [B, T, C] of rows as one vector each, [B, C]; padding, bool [B, T], does not count. A row of padding alone gives zeros by `mean`. */
export function pooled(states: Tensor, pooling: Pooling, padding: Tensor | undefined): Tensor {
  const [B, T, C] = states.shape as [number, number, number];
  if (pooling === 'first') return states.slice(undefined, [0, 1]).reshape([B, C]);
  if (!padding) return states.mean(1);
  const counts = padding.not().cast('f32').reshape([B, T, 1]), total = counts.sum(1);
  return where(counts.gt(0), states, 0).sum(1).div(where(total.gt(0), total, 1));
}

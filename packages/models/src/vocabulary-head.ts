import { read, type Tensor } from '@ashlar/tensor';
import { Linear, Module, Parameter, requireCount, zerosInitializer, type Embedding, type Initializer } from '@ashlar/nn';
import type { StackInitializers } from './initialisation.js';

/** How states become logits of tokens. */
export interface VocabularyHeadOptions {
  /** Whether the output head is the token embedding. Default true. */
  readonly tiedHead?: boolean | undefined;
  /** A number a token that is added to its logit: learned, or `fixed`, loaded and never trained (BART). Default false. */
  readonly headBias?: boolean | 'fixed' | undefined;
  /** Factor of the logits, such as C^−½ (T5, with a tied head); default 1. */
  readonly logitScale?: number | undefined;
  /** No logit beyond ±cap: cap · tanh(logit / cap). Gemma 2, arXiv 2408.00118. Default: none. */
  readonly logitSoftcap?: number | undefined;
}

/** Where a head stands. */
export interface VocabularyHeadSite {
  readonly owner: string;
  /** V: how many logits it gives. */
  readonly vocabulary: number;
  /** C */
  readonly width: number;
  readonly tokens: Embedding;
  readonly initializers: Pick<StackInitializers, 'table' | 'projection'>;
}

/** The rows of a table for a vocabulary that is padded to a multiple; those beyond it are never read, and have no logit. */
export function paddedVocabulary(owner: string, vocabulary: number, multiple = 1): number {
  requireCount(owner, 'vocabulary', vocabulary);
  requireCount(owner, 'vocabularyMultiple', multiple);
  return multiple * Math.ceil(vocabulary / multiple);
}

/** cap(scale · x Wᵀ + b): x [..., C] gives [..., V]. W is the token table, or its own. */
export class VocabularyHead extends Module {
  /** From C to the width of a factorised token table, where the head is tied to it. */
  readonly projection: Linear | undefined;
  /** W, where it is not the token table. */
  readonly output: Linear | undefined;
  /** [V] */
  readonly bias: Parameter | undefined;
  readonly #tokens: Embedding;
  readonly #vocabulary: number;
  readonly #scale: number;
  readonly #softcap: number | undefined;

  constructor({ tiedHead = true, headBias = false, logitScale = 1, logitSoftcap }: VocabularyHeadOptions, { owner, vocabulary, width, tokens, initializers }: VocabularyHeadSite) {
    super();
    for (const [name, value] of Object.entries({ logitScale, logitSoftcap })) if (value !== undefined && !(value > 0 && Number.isFinite(value))) throw new RangeError(`${owner}: ${name} must be greater than 0, got ${value}`);
    const [rows, embeddingWidth] = tokens.weight.shape as [number, number], linear = (outputs: number, initializer: Initializer): Linear => new Linear({ inputs: width, outputs, bias: false, initializer });
    this.projection = tiedHead && embeddingWidth !== width ? linear(embeddingWidth, initializers.projection) : undefined;
    this.output = tiedHead ? undefined : linear(rows, initializers.table);
    this.bias = headBias ? new Parameter([vocabulary], { initializer: zerosInitializer, trainable: headBias !== 'fixed' }) : undefined;
    this.#tokens = tokens;
    this.#vocabulary = vocabulary;
    this.#scale = logitScale;
    this.#softcap = logitSoftcap;
  }

  forward(x: Tensor): Tensor {
    const all = this.output ? this.output.forward(x) : this.#tokens.attend(this.projection?.forward(x) ?? x);
    const own = all.shape.at(-1) === this.#vocabulary ? all : all.slice(...all.shape.slice(0, -1).map(() => undefined), [0, this.#vocabulary]);
    const scaled = this.#scale === 1 ? own : own.mul(this.#scale), logits = this.bias ? scaled.add(read(this.bias)) : scaled;
    return this.#softcap === undefined ? logits : logits.mul(1 / this.#softcap).tanh().mul(this.#softcap);
  }

  /** Operations of a token's matrix products. */
  get flops(): number { return (this.projection?.flops ?? 0) + (this.output?.flops ?? 2 * this.#tokens.weight.size); }
}

import { checkRate, normalInitializer, perInputInitializer, truncatedNormalInitializer, type Initializer, type ResidualInitializers } from '@ashlar/nn';
import { CombinationError } from './combinations.js';

export interface Initialisation {
  /**
   * - `normal`: N(0, std²), the default.
   * - `truncatedNormal`: the same, drawn again beyond two std, as BERT.
   * - `perMatrix`: as T5, whose scores have no factor: tables of tokens and heads of their own begin with std, positions
   *   with std / √C, a projection with std / √(its inputs), that of queries with 1 / √D of it.
   */
  readonly scheme?: 'normal' | 'truncatedNormal' | 'perMatrix' | undefined;
  /** Standard deviation of weights and tables; default 0.02, of `perMatrix` 1. */
  readonly std?: number | undefined;
  /**
   * Whether weights that end a sublayer, and the transform of an encoder's head, begin with std / √(number of sublayers),
   * as GPT-2. Default true. `perMatrix`, and residual schemes with a beginning of their own (deepNorm, subNorm), refuse it.
   */
  readonly scaledResidual?: boolean | undefined;
}

/** Rates of dropout. One number stands for embedding, attention and residual. */
export interface DropoutRates {
  /** Whole tokens, on the sum of token and positional embeddings: word dropout. Default 0. Iyyer et al. 2015, Deep Unordered Composition Rivals Syntactic Methods. */
  readonly token?: number | undefined;
  /** On the sum of token and positional embeddings. */
  readonly embedding?: number | undefined;
  /** On attention weights; they are then stored, T × T a head, in training. */
  readonly attention?: number | undefined;
  /** On what a sublayer adds to the stream. */
  readonly residual?: number | undefined;
  /** Stochastic depth: how often the last layer's sublayers are left out; the others in proportion to their place. Default 0. */
  readonly depth?: number | undefined;
}

export interface EveryRate { readonly token: number; readonly embedding: number; readonly attention: number; readonly residual: number; readonly depth: number }

/** Every rate. @throws {RangeError} naming one that cannot be. */
export function dropoutRates(owner: string, given: number | DropoutRates): EveryRate {
  const { token = 0, embedding = 0, attention = 0, residual = 0, depth = 0 } = typeof given === 'number' ? { embedding: given, attention: given, residual: given } as DropoutRates : given;
  const rates = { token, embedding, attention, residual, depth };
  for (const [name, rate] of Object.entries(rates)) checkRate(`${owner}: dropout.${name}`, rate);
  return rates;
}

/** How the parts of a stack begin. */
export interface StackInitializers {
  /** Token tables, and heads of their own. */
  readonly table: Initializer;
  readonly positions: Initializer;
  /** Projections outside of layers. */
  readonly projection: Initializer;
  /** The transform of an encoder's head. */
  readonly transform: Initializer;
  /** As the residual scheme says, if it does. */
  readonly layers: ResidualInitializers;
}

export interface StackSizes {
  readonly width: number;
  /** Of all layers. */
  readonly sublayers: number;
  /** D, where all layers have the same. */
  readonly headWidth: number | undefined;
}

/** @throws {CombinationError} where the options do not go with each other, or with the residual scheme, whose beginning is `own`. */
export function initializersOf({ scheme = 'normal', std = scheme === 'perMatrix' ? 1 : 0.02, scaledResidual }: Initialisation, { width, sublayers, headWidth }: StackSizes, residual: string, own: ResidualInitializers | undefined): StackInitializers {
  if (own && scaledResidual !== undefined) throw new CombinationError(`initialisation.scaledResidual does not go with ${residual} residuals, which say how layers begin; leave it out, or use preNorm`);
  if (scheme === 'perMatrix') {
    if (scaledResidual !== undefined) throw new CombinationError('initialisation.scaledResidual does not go with the scheme perMatrix, which says how each matrix begins; leave it out, or use the scheme normal');
    if (own) throw new CombinationError(`the initialisation perMatrix does not go with ${residual} residuals, which say how layers begin; use another scheme, or preNorm`);
    if (headWidth === undefined) throw new CombinationError('the initialisation perMatrix goes with attention whose layers have heads of one width; use another scheme, or such attention as multiHead');
    const projection = perInputInitializer(std), feedForward = { weight: projection, value: projection, residual: projection };
    return {
      table: normalInitializer(std), positions: normalInitializer(std / Math.sqrt(width)), projection, transform: projection,
      layers: { attention: { ...feedForward, query: perInputInitializer(std / Math.sqrt(headWidth)) }, feedForward },
    };
  }
  const normal = scheme === 'normal' ? normalInitializer : truncatedNormalInitializer, weight = normal(std);
  const site = { weight, value: weight, residual: normal(scaledResidual ?? true ? std / Math.sqrt(sublayers) : std) };
  return { table: weight, positions: weight, projection: weight, transform: own ? weight : site.residual, layers: own ?? { attention: site, feedForward: site } };
}

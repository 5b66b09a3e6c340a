import { checkRate, normalInitializer, type Initializer, type ResidualInitializers } from '@ashlar/nn';
import { CombinationError } from './combinations.js';

export interface Initialisation {
  /** Standard deviation of weights and tables; default 0.02. */
  readonly std?: number | undefined;
  /**
   * Whether weights that end a sublayer begin with std / √(number of sublayers), as GPT-2. Default true. Residual schemes
   * with a beginning of their own (deepNorm, subNorm) refuse it.
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

/** How tables and heads begin, and how layers do: as the residual scheme says, if it does. */
export function initializersOf({ std = 0.02, scaledResidual }: Initialisation, sublayers: number, scheme: string, own: ResidualInitializers | undefined): { readonly weight: Initializer; readonly layers: ResidualInitializers } {
  const weight = normalInitializer(std);
  if (own && scaledResidual !== undefined) throw new CombinationError(`initialisation.scaledResidual does not go with ${scheme} residuals, which say how layers begin; leave it out, or use preNorm`);
  const site = { weight, value: weight, residual: normalInitializer(scaledResidual ?? true ? std / Math.sqrt(sublayers) : std) };
  return { weight, layers: own ?? { attention: site, feedForward: site } };
}

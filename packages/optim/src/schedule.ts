import { requireCount } from '@ashlar/nn';

/** The learning rate of update number `step` (from 0). */
export type Schedule = (step: number) => number;

/** The same rate always; with `warmup` n: rate · step / n at first. */
export function constant(rate: number, options: { readonly warmup?: number } = {}): Schedule {
  checkRate('constant', 'rate', rate);
  const warm = linearWarmup('constant', options.warmup);
  return (step) => rate * warm(step);
}

export interface CosineOptions {
  /** The highest rate. */
  readonly peak: number;
  /** The rate from `steps` on; default peak / 10. */
  readonly final?: number;
  /** Updates of linear warm-up, rate peak · (step + 1) / (warmup + 1); default 0. */
  readonly warmup?: number;
  /** Updates altogether. */
  readonly steps: number;
}

/**
 * nanoGPT's schedule: linear warm-up, then final + (peak − final) · (1 + cos(π progress)) / 2 with progress
 * (step − warmup) / (steps − warmup), then final. Loshchilov and Hutter 2017, arXiv 1608.03983 (without restarts).
 * @throws {RangeError} where a rate is negative or the warm-up is not shorter than the run.
 */
export function cosine({ peak, final = peak / 10, warmup = 0, steps }: CosineOptions): Schedule {
  checkRate('cosine', 'peak', peak);
  checkRate('cosine', 'final', final);
  checkSpan('cosine', warmup, steps);
  return (step) => {
    if (step < warmup) return peak * (step + 1) / (warmup + 1);
    if (step >= steps) return final;
    return final + (peak - final) * (1 + Math.cos(Math.PI * (step - warmup) / (steps - warmup))) / 2;
  };
}

export interface WarmupDecayOptions {
  readonly peak: number;
  /** Updates of linear warm-up, rate peak · step / warmup: 0 at the first. Default 0. */
  readonly warmup?: number;
  readonly steps: number;
}

/** Linear warm-up from 0, then linearly to 0 at `steps`. */
export function linear({ peak, warmup = 0, steps }: WarmupDecayOptions): Schedule {
  checkRate('linear', 'peak', peak);
  checkSpan('linear', warmup, steps);
  const warm = linearWarmup('linear', warmup);
  return (step) => peak * (step < warmup ? warm(step) : Math.max(0, (steps - step) / (steps - warmup)));
}

/**
 * Linear warm-up from 0, then `cycles` falls of a cosine from peak to 0, each from the top. Loshchilov and Hutter 2017,
 * arXiv 1608.03983. With one cycle this is `cosine` with final 0 and a warm-up that begins at 0.
 */
export function cosineRestarts({ peak, warmup = 0, steps, cycles = 1 }: WarmupDecayOptions & { readonly cycles?: number }): Schedule {
  checkRate('cosineRestarts', 'peak', peak);
  checkSpan('cosineRestarts', warmup, steps);
  requireCount('cosineRestarts', 'cycles', cycles);
  const warm = linearWarmup('cosineRestarts', warmup);
  return (step) => {
    if (step < warmup) return peak * warm(step);
    const progress = (step - warmup) / (steps - warmup);
    return progress >= 1 ? 0 : peak * (1 + Math.cos(Math.PI * ((cycles * progress) % 1))) / 2;
  };
}

/** Linear warm-up from 0, then final + (peak − final) · (1 − progress)^power, then final. */
export function polynomial({ peak, final, power, warmup = 0, steps }: WarmupDecayOptions & { readonly final: number; readonly power: number }): Schedule {
  checkRate('polynomial', 'peak', peak);
  checkRate('polynomial', 'final', final);
  checkSpan('polynomial', warmup, steps);
  if (!(power > 0)) throw new RangeError(`polynomial: power must be greater than 0, got ${power}`);
  const warm = linearWarmup('polynomial', warmup);
  return (step) => (step < warmup ? peak * warm(step) : final + (peak - final) * Math.max(0, 1 - (step - warmup) / (steps - warmup)) ** power);
}

/** Linear warm-up from 0, then peak · √(warmup / step). Vaswani et al. 2017, arXiv 1706.03762. */
export function inverseSquareRoot({ peak, warmup }: { readonly peak: number; readonly warmup: number }): Schedule {
  checkRate('inverseSquareRoot', 'peak', peak);
  requireCount('inverseSquareRoot', 'warmup', warmup);
  const warm = linearWarmup('inverseSquareRoot', warmup);
  return (step) => peak * (step < warmup ? warm(step) : Math.sqrt(warmup / step));
}

function linearWarmup(owner: string, warmup = 0): Schedule {
  requireCount(owner, 'warmup', warmup, 0);
  return (step) => (step < warmup ? step / warmup : 1);
}

function checkRate(owner: string, name: string, rate: number): void {
  if (!(rate >= 0 && Number.isFinite(rate))) throw new RangeError(`${owner}: ${name} must be a number from 0, got ${rate}`);
}

function checkSpan(owner: string, warmup: number, steps: number): void {
  requireCount(owner, 'steps', steps);
  requireCount(owner, 'warmup', warmup, 0);
  if (warmup >= steps) throw new RangeError(`${owner}: warmup must be less than steps (${steps}), got ${warmup}`);
}

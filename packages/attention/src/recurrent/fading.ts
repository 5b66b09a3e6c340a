import { read, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, type Initializer } from '@ashlar/nn';
import { perHead, softplus } from './recurrent-mixer.js';

/** log of numbers uniform on [1, 16]. */
const logRates: Initializer = ([heads], random) => Float32Array.from({ length: heads! }, () => Math.log(1 + 15 * random()));

/** softplus⁻¹ of numbers that are log-uniform on [0.001, 0.1]. */
const offsets: Initializer = ([heads], random) => Float32Array.from({ length: heads! }, () => Math.log(Math.expm1(0.001 * 100 ** random())));

/**
 * How far a token takes a head, Δ = softplus(logit + offset), and how the head's state fades by it: log a = −exp(logRate) Δ.
 * Dao and Gu 2024, arXiv 2405.21060.
 */
export class Fading extends Module {
  /** [H] */
  readonly logRate: Parameter;
  readonly offset: Parameter;

  constructor(heads: number) {
    super();
    this.logRate = new Parameter([heads], { initializer: logRates });
    this.offset = new Parameter([heads], { initializer: offsets });
  }

  /** Logits [B, T, H] → f32 [B, H, T]. */
  forward(logits: Tensor): { readonly distance: Tensor; readonly logDecay: Tensor } {
    const distance = softplus(logits.cast('f32').add(read(this.offset)));
    return { distance: perHead(distance), logDecay: perHead(distance.mul(read(this.logRate).exp().neg())) };
  }
}

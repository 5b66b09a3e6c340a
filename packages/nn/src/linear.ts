import { read, type Tensor } from '@ashlar/tensor';
import { zerosInitializer, type Initializer } from './initializers.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { requireCount } from './require-count.js';

export interface LinearOptions {
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
  /** Of the weight; the bias begins at zero. */
  readonly initializer: Initializer;
}

/** y = x Wᵀ + b: x [..., in] gives [..., out]; weight W [out, in], bias b [out]. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  /** @throws {RangeError} where a size is not a whole number from 1. */
  constructor({ inputs, outputs, bias, initializer }: LinearOptions) {
    super();
    requireCount('Linear', 'inputs', inputs);
    requireCount('Linear', 'outputs', outputs);
    this.weight = new Parameter([outputs, inputs], { initializer });
    this.bias = bias ? new Parameter([outputs], { initializer: zerosInitializer }) : undefined;
  }

  forward(x: Tensor): Tensor {
    const product = x.matmul(read(this.weight).transpose());
    return this.bias ? product.add(read(this.bias)) : product;
  }

  /** Multiply-adds of a row, two operations each. */
  get flops(): number { return 2 * this.weight.size; }
}

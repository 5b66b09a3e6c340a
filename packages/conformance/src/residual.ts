/** `testResidual`: everything that a residual scheme must get right, as one call. */
import { read, tensor, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, normalInitializer, onesInitializer, type Norm, type Residual, type ResidualVariant, type Stack } from '@ashlar/nn';
import { compareWithLoops, computed, expectChange, fill, normals, rowsOf, testChecks, type KitDevices, type PartCheck, type Weights } from './part-checks.js';

export type RowFunction = (row: readonly number[]) => readonly number[];

export interface ResidualReferenceInput {
  /** One token, [C]. */
  readonly x: readonly number[];
  readonly sublayers: readonly RowFunction[];
  /** The norm at a path of the scheme, such as `norms.0`. */
  readonly norm: (path: string) => RowFunction;
  /** Of the scheme, by path. */
  readonly weights: Weights;
  readonly stack: Stack;
}

export interface TestResidualOptions {
  /** One layer on one token in plain f64 loops, sharing no code with the variant. */
  reference(input: ResidualReferenceInput): readonly number[];
  /** Variants that each differ from the tested one in one option, by its name: each must change the output. */
  readonly changed?: Readonly<Record<string, ResidualVariant>>;
  /** Default: the f64 reference alone. */
  readonly devices?: KitDevices;
  /** C; default 7. */
  readonly width?: number;
  /** Largest |got − expected| / (1 + |expected|); default 1e-4. */
  readonly tolerance?: number;
}

/** A norm that can be told from another by its gain, with a kink nowhere: x / √(1 + mean x²) · gain. */
class KitNorm extends Module implements Norm {
  readonly gain: Parameter;
  constructor(width: number) {
    super();
    this.gain = new Parameter([width], { initializer: onesInitializer });
  }
  forward(x: Tensor): Tensor { return x.mul(x.square().mean(-1, { keepDims: true }).add(1).rsqrt()).mul(read(this.gain)); }
}
const normLoops = (gain: readonly number[]): RowFunction => (row) => {
  const scale = 1 / Math.sqrt(1 + row.reduce((sum, value) => sum + value * value, 0) / row.length);
  return row.map((value, i) => value * scale * gain[i]!);
};

/** A scheme with sublayers tanh(x W). */
class Layer extends Module {
  readonly residual: Residual;
  readonly weights: readonly Parameter[];
  constructor(residual: Residual, width: number, sublayers: number) {
    super();
    this.residual = residual;
    this.weights = Array.from({ length: sublayers }, () => new Parameter([width, width], { initializer: normalInitializer(1) }));
  }
  forward(x: Tensor): Tensor { return this.residual.forward(x, this.weights.map((weight) => (inner) => inner.matmul(read(weight)).tanh())); }
}

const stacks: readonly Stack[] = [{ kind: 'decoderOnly', depth: 3 }, { kind: 'encoderOnly', depth: 12 }, { kind: 'encoder', depth: 6, decoderDepth: 4 }, { kind: 'decoder', depth: 4, encoderDepth: 6 }];

/** Every check, so that the kit can be run without a test runner (and be tested itself). */
export function residualChecks(variant: ResidualVariant, { reference, changed = {}, width = 7, tolerance = 1e-4 }: TestResidualOptions): PartCheck[] {
  let norms = 0;
  const layer = (sublayers: number, stack: Stack, of = variant): Layer => {
    norms = 0;
    return fill(new Layer(of.build({ width, stack, sublayers, norm: () => { norms++; return new KitNorm(width); } }), width, sublayers));
  };
  const plain: Stack = stacks[0]!;
  const cases = [...[1, 2, 3].map((sublayers) => ({ sublayers, stack: plain, tokens: 5 })), ...[1, 63, 65].map((tokens) => ({ sublayers: 2, stack: plain, tokens })), ...stacks.slice(1).map((stack) => ({ sublayers: 2, stack, tokens: 3 }))];
  return [
    ...cases.map(({ sublayers, stack, tokens }): PartCheck => ({ name: `value and gradients of the reference: ${sublayers} sublayers, ${stack.kind} of ${stack.depth}, ${tokens} tokens`, run: async (device) => {
      const part = layer(sublayers, stack);
      await compareWithLoops({
        part, device, tolerance, inputs: [{ shape: [1, tokens, width], data: normals(tokens * width, tokens) }], forward: (x) => part.forward(x!),
        loops: ([data], weights) => rowsOf(data!, width).flatMap((x) => reference({
          x, stack,
          sublayers: Array.from({ length: sublayers }, (_, s): RowFunction => (row) => Array.from({ length: width }, (__, out) => Math.tanh(row.reduce((sum, value, i) => sum + value * weights.get(`weights.${s}`)![i * width + out]!, 0)))),
          norm: (path) => normLoops(weights.get(`residual.${path}.gain`) ?? []), weights: new Map([...weights].map(([name, value]) => [name.replace('residual.', ''), value])),
        })),
      });
    } })),
    { name: 'each sublayer runs once, and in order', run: async () => {
      const part = layer(3, plain), calls: number[] = [];
      part.residual.forward(tensor(normals(width, 1), { shape: [1, 1, width] }), [0, 1, 2].map((i) => (x: Tensor) => { calls.push(i); return x; }));
      if (calls.join() !== '0,1,2') throw new Error(`sublayers ran in the order ${calls.join(', ') || 'of none'}, expected 0, 1, 2`);
    } },
    { name: 'it declares whether it uses norms', run: async () => {
      layer(2, plain);
      if (variant.norms !== norms > 0) throw new Error(variant.norms ? 'norms are declared, and none is built' : 'no norms are declared, and one is built');
    } },
    ...Object.entries(changed).map(([option, other]): PartCheck => ({ name: `the option ${option} changes the output`, run: async (device) => {
      const [a, b] = [layer(2, plain), layer(2, plain, other)], x = tensor(normals(3 * width, 4), { shape: [1, 3, width] });
      expectChange(await computed(a, () => a.forward(x), device), await computed(b, () => b.forward(x), device), `${option} is accepted and then ignored`);
    } })),
  ];
}

/** Runs the whole kit on a residual scheme, on each device. */
export const testResidual = (name: string, variant: ResidualVariant, options: TestResidualOptions): void => testChecks(name, residualChecks(variant, options), options.devices);

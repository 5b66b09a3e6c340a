/** `testFeedForward`: everything that a feed-forward part must get right, as one call. */
import { gradients, jit, read, tensor, type Tensor } from '@ashlar/tensor';
import { Module, Parameter, onesInitializer, training, type FeedForward, type FeedForwardSite, type FeedForwardVariant, type Norm } from '@ashlar/nn';
import { compareWithLoops, computed, expectChange, expectNear, fill, kitInitializers, normals, rowsOf, testChecks, type KitDevices, type PartCheck, type Weights } from './part-checks.js';

export interface TestFeedForwardOptions {
  /** The part on one token [C] in plain f64 loops, sharing no code with the variant. */
  reference(row: readonly number[], weights: Weights): readonly number[];
  /** Variants that each differ from the tested one in one option, by its name: each must change the output. */
  readonly changed?: Readonly<Record<string, FeedForwardVariant>>;
  /** Default: the f64 reference alone. */
  readonly devices?: KitDevices;
  /** C; default 6. */
  readonly width?: number;
  /** Whether the site asks for biases. Default true. */
  readonly bias?: boolean;
  /** Numbers of tokens; default 1, 7, 63, 65. */
  readonly lengths?: readonly number[];
  /** Largest |got − expected| / (1 + |expected|); default 1e-4. */
  readonly tolerance?: number;
}

/** A norm of the kit's own, which scales by twice its gain. */
class Doubling extends Module implements Norm {
  readonly gain: Parameter;
  constructor(width: number) {
    super();
    this.gain = new Parameter([width], { initializer: onesInitializer });
  }
  forward(x: Tensor): Tensor { return x.mul(read(this.gain)).mul(2); }
}

const key = tensor(Uint32Array.of(3, 4));

/** Every check, so that the kit can be run without a test runner (and be tested itself). */
export function feedForwardChecks(variant: FeedForwardVariant, { reference, changed = {}, width = 6, bias = true, lengths = [1, 7, 63, 65], tolerance = 1e-4 }: TestFeedForwardOptions): PartCheck[] {
  const { capabilities } = variant;
  const site = (more: Partial<FeedForwardSite> = {}): FeedForwardSite => ({ width, bias, dropout: 0, initializers: kitInitializers, ...more });
  const built = (of = variant, more: Partial<FeedForwardSite> = {}): FeedForward => fill(of.build(site(more)));
  const x = (T: number, seed = T): Tensor => tensor(normals(2 * T * width, seed), { shape: [2, T, width] });
  return [
    ...lengths.map((T): PartCheck => ({ name: `value and gradients of the reference at length ${T}`, run: async (device) => {
      const part = built();
      await compareWithLoops({
        part, device, tolerance, inputs: [{ shape: [2, T, width], data: normals(2 * T * width, T) }], forward: (given) => part.forward(given!),
        loops: ([given], weights) => rowsOf(given!, width).flatMap((row) => reference(row, weights)),
      });
    } })),
    { name: 'a token does not depend on those after it', run: async (device) => {
      const part = built(), T = 9, data = normals(T * width, 5), moved = data.map((value, i) => (Math.floor(i / width) >= 4 ? value + 2 : value));
      const [before, after] = [await computed(part, () => part.forward(tensor(data, { shape: [1, T, width] })), device), await computed(part, () => part.forward(tensor(moved, { shape: [1, T, width] })), device)];
      for (let i = 0; i < 4 * width; i++) if (before[i] !== after[i]) throw new Error(`token ${Math.floor(i / width)} depends on one after it`);
    } },
    { name: 'its result is dropped in training alone', run: async (device) => {
      const plain = built(), part = built(variant, { dropout: 0.5 });
      const expected = await computed(plain, () => plain.forward(x(7)), device);
      expectNear(await computed(part, () => part.forward(x(7)), device), expected, 1e-6, 'outside of training');
      const dropped = async (): Promise<Float64Array> => computed(part, () => training({ key }, () => part.forward(x(7))), device), once = await dropped();
      expectChange(expected, once, 'dropout is accepted and then ignored');
      expectNear(await dropped(), once, 0, 'the same key');
    } },
    { name: capabilities.innerNorm ? 'it normalizes what goes into its last projection' : 'it declares no inner norm, and builds none', run: async (device) => {
      const widths: number[] = [], part = built(variant, { innerNorm: (inner) => { widths.push(inner); return new Doubling(inner); } });
      if (!capabilities.innerNorm) {
        if (widths.length > 0) throw new Error('an inner norm is not declared, yet built');
        return;
      }
      if (widths.length === 0) throw new Error('an inner norm is declared, and none is built');
      const plain = variant.build(site());
      plain.initialize(0);
      const values = new Map(await Promise.all([...part.namedParameters()].map(async ([name, parameter]) => [name, parameter, await parameter.values()] as const)).then((all) => all.map(([name, , value]) => [name, value] as const)));
      plain.load(new Map([...plain.namedParameters().keys()].map((name) => [name, Float32Array.from(values.get(name)!)])));
      expectChange(await computed(part, () => part.forward(x(7)), device), await computed(plain, () => plain.forward(x(7)), device), 'an inner norm is declared, built and then ignored');
    } },
    { name: capabilities.auxiliaryLoss ? 'training gets a loss, with gradients, beside the same output' : 'it declares no loss, and has none', run: async (device) => {
      const part = built();
      if (!capabilities.auxiliaryLoss) {
        if (part.forwardWithLoss) throw new Error('a loss is not declared, yet there is one');
        return;
      }
      if (!part.forwardWithLoss) throw new Error('a loss is declared, and there is none');
      const run = jit(() => training({ key }, () => {
        const { output, loss } = part.forwardWithLoss!(x(7));
        return { output, plain: part.forward(x(7)), loss, slopes: gradients(loss, part.parameters().map(read)) };
      }), { device });
      const { output, plain, loss, slopes } = run(), [a, b, value, ...pulled] = await Promise.all([output, plain, loss, ...slopes].map((one) => one.data()));
      run.release();
      await part.toHost();
      expectNear(a!, b!, 1e-6, 'output beside the loss');
      if (value!.length !== 1 || !Number.isFinite(value![0])) throw new Error('the loss is no finite scalar');
      if (!pulled.some((slope) => Array.from(slope).some((one) => one !== 0))) throw new Error('the loss has no gradient');
    } },
    { name: 'it counts its operations', run: async () => {
      const part = built(), products = part.parameters().filter(({ shape }) => shape.length > 1).reduce((sum, { size }) => sum + 2 * size, 0), counted = part.flopsPerToken();
      if (!(counted > 0 && counted <= products)) throw new Error(`flopsPerToken must be above 0 and at most 2 a weight (${products}), got ${counted}`);
    } },
    ...Object.entries(changed).map(([option, other]): PartCheck => ({ name: `the option ${option} changes the output`, run: async (device) => {
      const [a, b] = [built(), built(other)];
      expectChange(await computed(a, () => a.forward(x(7)), device), await computed(b, () => b.forward(x(7)), device), `${option} is accepted and then ignored`);
    } })),
  ];
}

/** Runs the whole kit on a feed-forward part, on each device. */
export const testFeedForward = (name: string, variant: FeedForwardVariant, options: TestFeedForwardOptions): void => testChecks(name, feedForwardChecks(variant, options), options.devices);

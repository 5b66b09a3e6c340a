// The kits of norms, residual schemes, positions and feed-forward, each tried on parts that are wrong in one way.
import { describe, expect, test } from 'vitest';
import { arange, read, where, type ScoreMod, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import {
  Linear, Module, Parameter, dropout, normalInitializer, onesInitializer, type FeedForward, type FeedForwardSite, type FeedForwardVariant, type Norm, type NormVariant, type PositionalEncoding,
  type PositionalSite, type PositionalVariant, type Positions, type Residual, type ResidualSite, type ResidualVariant, type ScoreModInput, type Sublayer,
} from '@ashlar/nn';
import { feedForwardChecks, normChecks, positionalChecks, residualChecks, type PartCheck } from './index.js';

/** The first check that fails. */
async function found(checks: readonly PartCheck[]): Promise<string | undefined> {
  for (const check of checks) {
    const device = reference();
    try { await check.run(device); } catch (error) { return `${check.name}: ${(error as Error).message}`; }
  }
  return undefined;
}
/** A part passes, and each of its mutants does not. */
function finds<Fault extends string>(kit: string, checks: (fault?: Fault) => readonly PartCheck[], mutants: Readonly<Record<Fault, RegExp>>): void {
  describe(kit, () => {
    test('passes what is right', async () => { expect(await found(checks())).toBeUndefined(); });
    test.each(Object.entries<RegExp>(mutants))('finds %s', async (fault, message) => { expect(await found(checks(fault as Fault))).toMatch(message); });
  });
}

type NormFault = 'a mean over all tokens' | 'no square root' | 'an ignored gain' | 'a gain without gradient' | 'zero by zero' | 'f16 becomes f32' | 'one gain for all parts';
class SmallNorm extends Module implements Norm {
  readonly gain: Parameter;
  constructor(width: number, readonly fault: NormFault | undefined, shared: Parameter) {
    super();
    this.gain = fault === 'one gain for all parts' ? shared : new Parameter([width], { initializer: onesInitializer });
  }
  forward(x: Tensor): Tensor {
    const { fault } = this, wide = x.cast('f32'), mean = wide.square().mean(fault === 'a mean over all tokens' ? [-2, -1] : -1, { keepDims: true });
    const root = fault === 'no square root' ? mean : mean.sqrt(), gain = read(this.gain);
    const result = wide.div(root.add(fault === 'zero by zero' ? where(root.gt(0), 0.01, 0) : 0.01)).mul(fault === 'an ignored gain' ? 1 : fault === 'a gain without gradient' ? gain.stopGradient() : gain);
    return fault === 'f16 becomes f32' ? result : result.cast(x.dtype);
  }
}
finds<NormFault>('testNorm', (fault) => {
  const shared = new Parameter([7], { initializer: onesInitializer }), variant: NormVariant = { contract: 'norm/1', name: 'small', build: ({ width }) => new SmallNorm(width, fault, shared) };
  return normChecks(variant, {
    widths: [7], changed: { nothing: { ...variant, build: ({ width }) => new SmallNorm(width, 'no square root', shared) } },
    reference: (row, weights) => row.map((value, i) => (value / (Math.sqrt(row.reduce((sum, one) => sum + one * one, 0) / row.length) + 0.01)) * weights.get('gain')![i]!),
  });
}, {
  'a mean over all tokens': /value/, 'no square root': /value/, 'an ignored gain': /value/, 'a gain without gradient': /gradient of gain/, 'zero by zero': /finite/, 'f16 becomes f32': /f16 gives f32/, 'one gain for all parts': /share a parameter/,
});

type ResidualFault = 'no residual' | 'one norm for all' | 'a sublayer twice' | 'the reverse order' | 'undeclared norms' | 'α on the sublayer';
class SmallResidual extends Module implements Residual {
  readonly norms: readonly Norm[];
  constructor(site: ResidualSite, readonly fault: ResidualFault | undefined) {
    super();
    this.norms = Array.from({ length: site.sublayers }, () => site.norm());
  }
  forward(x: Tensor, sublayers: readonly Sublayer[]): Tensor {
    const { fault } = this;
    const step = (stream: Tensor, f: Sublayer, i: number): Tensor => {
      const added = f(this.norms[fault === 'one norm for all' ? 0 : i]!.forward(stream));
      if (fault === 'no residual') return added;
      return fault === 'α on the sublayer' ? stream.add(added.mul(2)) : stream.mul(2).add(added);
    };
    if (fault === 'the reverse order') return sublayers.reduceRight(step, x);
    return (fault === 'a sublayer twice' ? [...sublayers, sublayers.at(-1)!] : sublayers).reduce((stream, f, i) => step(stream, f, Math.min(i, this.norms.length - 1)), x);
  }
}
finds<ResidualFault>('testResidual', (fault) => {
  const variant: ResidualVariant = { contract: 'residual/1', name: 'small', finalNorm: true, norms: fault !== 'undeclared norms', innerNorm: false, build: (site) => new SmallResidual(site, fault) };
  return residualChecks(variant, { reference: ({ x, sublayers, norm }) => sublayers.reduce((stream, f, i) => { const added = f(norm(`norms.${i}`)(stream)); return stream.map((value, c) => 2 * value + added[c]!); }, x) });
}, { 'no residual': /value/, 'one norm for all': /value/, 'a sublayer twice': /value|order/, 'the reverse order': /value|order/, 'undeclared norms': /no norms are declared/, 'α on the sublayer': /value/ });

type FeedForwardFault = 'a bias left out' | 'dropout always' | 'dropout never' | 'an ignored inner norm' | 'an undeclared loss' | 'a loss without gradient' | 'a look ahead' | 'operations of another';
class SmallFeedForward extends Module implements FeedForward {
  readonly up: Linear;
  readonly innerNorm: Norm | undefined;
  readonly down: Linear;
  readonly forwardWithLoss?: FeedForward['forwardWithLoss'];
  constructor(readonly site: FeedForwardSite, readonly fault: FeedForwardFault | undefined) {
    super();
    this.up = new Linear({ inputs: site.width, outputs: 9, bias: site.bias, initializer: site.initializers.weight });
    this.innerNorm = site.innerNorm?.(9);
    this.down = new Linear({ inputs: 9, outputs: site.width, bias: site.bias, initializer: site.initializers.residual });
    if (fault === 'an undeclared loss') this.forwardWithLoss = (x) => ({ output: this.forward(x), loss: x.sum() });
    if (fault === 'a loss without gradient') this.forwardWithLoss = (x) => ({ output: this.forward(x), loss: x.sum().add(read(this.up.weight).mul(0).sum()) });
  }
  forward(x: Tensor): Tensor {
    const { fault, site } = this, seen = fault === 'a look ahead' ? x.add(x.mean(1, { keepDims: true }).mul(0.1)) : x;
    const up = fault === 'a bias left out' ? seen.matmul(read(this.up.weight).transpose()) : this.up.forward(seen), inner = up.tanh();
    const result = this.down.forward(fault === 'an ignored inner norm' ? inner : this.innerNorm?.forward(inner) ?? inner);
    if (fault === 'dropout never') return result;
    return fault === 'dropout always' && site.dropout > 0 ? result.mul(2) : dropout(result, site.dropout);
  }
  flopsPerToken(): number { return this.fault === 'operations of another' ? 10 * this.up.flops : this.up.flops + this.down.flops; }
}
finds<FeedForwardFault>('testFeedForward', (fault) => {
  const variant: FeedForwardVariant = { contract: 'feedForward/1', name: 'small', capabilities: { innerNorm: true, auxiliaryLoss: fault === 'a loss without gradient' }, build: (site) => new SmallFeedForward(site, fault) };
  const product = (row: readonly number[], weight: readonly number[], bias: readonly number[]): number[] => bias.map((shift, out) => row.reduce((sum, value, i) => sum + value * weight[out * row.length + i]!, shift));
  return feedForwardChecks(variant, { reference: (row, w) => product(product(row, w.get('up.weight')!, w.get('up.bias')!).map(Math.tanh), w.get('down.weight')!, w.get('down.bias')!) });
}, {
  'a bias left out': /value/, 'dropout always': /outside of training/, 'dropout never': /dropout is accepted/, 'an ignored inner norm': /inner norm/, 'an undeclared loss': /loss is not declared/,
  'a loss without gradient': /no gradient/, 'a look ahead': /value|depends/, 'operations of another': /flopsPerToken/,
});

type PositionalFault = 'a step late' | 'an ignored start' | 'rows of another sequence' | 'keys turned as queries' | 'no scale' | 'the other direction' | 'a table without gradient' | 'the wrong row of queries' | 'an undeclared hook';
class SmallPositions extends Module implements PositionalEncoding {
  /** [9, D] */
  readonly table: Parameter;
  embed?: PositionalEncoding['embed'];
  constructor(site: PositionalSite, readonly fault: PositionalFault | undefined) {
    super();
    this.table = new Parameter([9, site.heads!.width], { initializer: normalInitializer(1) });
    if (fault === 'an undeclared hook') this.embed = (x) => x;
  }
  rotate(x: Tensor, positions: Positions, of: 'query' | 'key'): Tensor {
    const { fault } = this, [B, , T] = x.shape as [number, number, number], late = fault === 'a step late' ? 1 : 0;
    const at = typeof positions === 'number' ? arange(T).add((fault === 'an ignored start' ? 0 : positions) + late).reshape([1, 1, T, 1])
      : positions.rank === 1 ? positions.reshape([1, 1, T, 1]) : fault === 'rows of another sequence' ? positions.flip(0).reshape([B, 1, T, 1]) : positions.reshape([B, 1, T, 1]);
    return x.mul(at.cast('f32').mul(of === 'key' && fault !== 'keys turned as queries' ? -0.01 : 0.01).exp());
  }
  scoreMod({ queries, scale, firstQuery }: ScoreModInput): ScoreMod {
    const { fault } = this, [B, H, T, D] = queries.shape as [number, number, number, number], table = fault === 'a table without gradient' ? read(this.table).stopGradient() : read(this.table);
    const products = queries.reshape([B * H * T, D]).matmul(table.transpose()).mul(fault === 'no scale' ? 1 : scale).reshape([B * H * T * 9]);
    return ({ score, b, h, q, k }) => score.add(products.at(b.mul(H).add(h).mul(T).add(q.sub(fault === 'the wrong row of queries' ? 0 : firstQuery)).mul(9).add((fault === 'the other direction' ? q.sub(k) : k.sub(q)).maximum(-4).minimum(4).add(4))));
  }
}
finds<PositionalFault>('testPositional', (fault) => {
  const variant: PositionalVariant = { contract: 'positional/1', name: 'small', capabilities: { embed: false, rotate: true, scoreMod: true, bidirectional: true }, build: (site) => new SmallPositions(site, fault) };
  return positionalChecks(variant, {
    lengths: [7],
    reference: {
      rotate: (row, position, of) => row.map((value) => value * Math.exp(of === 'key' ? -0.01 * position : 0.01 * position)),
      score: ({ score, q, k, query, scale, weights }) => score + scale * query.reduce((sum, value, d) => sum + value * weights.get('table')![(Math.min(Math.max(k - q, -4), 4) + 4) * query.length + d]!, 0),
    },
  });
}, {
  'a step late': /value/, 'an ignored start': /value/, 'rows of another sequence': /value/, 'keys turned as queries': /value/, 'no scale': /value/, 'the other direction': /value/, 'a table without gradient': /gradient/, 'the wrong row of queries': /value/,
  'an undeclared hook': /embed is not declared/,
});

test('an option that is ignored is found by every kit', async () => {
  const norm: NormVariant = { contract: 'norm/1', name: 'same', build: ({ width }) => new SmallNorm(width, undefined, new Parameter([width], { initializer: onesInitializer })) };
  const message = await found(normChecks(norm, { widths: [7], changed: { epsilon: norm }, reference: (row, weights) => row.map((value, i) => (value / (Math.sqrt(row.reduce((sum, one) => sum + one * one, 0) / row.length) + 0.01)) * weights.get('gain')![i]!) }));
  expect(message).toContain('epsilon is accepted and then ignored');
});

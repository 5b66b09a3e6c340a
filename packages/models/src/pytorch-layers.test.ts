// PyTorch's own expected outputs of encoder and decoder layers, from layers that are put together from the parts.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cross, multiHead } from '@ashlar/attention';
import { Module, mlp, normalInitializer, type Attention, type AttentionSite, type FeedForward, type Norm, type Residual, type Sublayer } from '@ashlar/nn';
import { layerNorm, postNorm } from '@ashlar/norm';
import { noPositions } from '@ashlar/positional';
import { tensor, type Device, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { wasm } from '@ashlar/wasm';

interface Case {
  readonly name: string; readonly kind: 'enc' | 'dec' | 'encstack'; readonly act: 'relu' | 'gelu';
  /** Layers, and the norm at the end. */
  readonly n?: number; readonly norm?: unknown;
  /** [T][B][C] */
  readonly x: number[][][]; readonly mem?: number[][][]; readonly y: number[][][];
  /** Padding of keys, [B][S]. */
  readonly kpm?: number[][]; readonly mkpm?: number[][];
}

const width = 4, begin = normalInitializer(1), initializers = { weight: begin, value: begin, residual: begin };
const norm = (): Norm => layerNorm({ epsilon: 1e-5 }).build({ width, bias: true });
const site: AttentionSite = { width, bias: true, dropout: { attention: 0, residual: 0 }, initializers, positional: noPositions().build({ width, maxLength: undefined, heads: undefined, causal: false, initializers }) };
const stack = { kind: 'encoderOnly', depth: 2 } as const;

class Layer extends Module {
  readonly attention: Attention = multiHead({ heads: 2, causal: false }).build(site);
  readonly cross: Attention | undefined;
  readonly feedForward: FeedForward;
  readonly residual: Residual;

  constructor({ kind, act }: Case) {
    super();
    this.cross = kind === 'dec' ? cross({ heads: 2 }).build(site) : undefined;
    this.feedForward = mlp({ activation: act, hidden: 16 }).build({ width, bias: true, dropout: 0, initializers });
    this.residual = postNorm().build({ width, stack, sublayers: this.cross ? 3 : 2, norm });
    for (const [name, parameter] of this.namedParameters()) {
      // PyTorch keeps the three projections of cross attention in one tensor, as ours of self attention are.
      const offset = /^cross\.(query|key|value)\./.test(name) ? ['query', 'key', 'value'].indexOf(name.split('.')[1]!) * parameter.size : 0;
      parameter.write(Float32Array.from({ length: parameter.size }, (_, i) => Math.cos(offset + i)));
    }
  }

  forward(x: Tensor, context: Tensor | undefined, { kpm, mkpm }: Case): Tensor {
    const padding = (mask: number[][] | undefined) => (mask ? { keyPadding: tensor(mask.map((row) => row.map(Boolean))) } : {});
    const sublayers: Sublayer[] = [(inner) => this.attention.forward({ x: inner, positions: 0, ...padding(kpm) }), (inner) => this.feedForward.forward(inner)];
    if (this.cross) sublayers.splice(1, 0, (inner) => this.cross!.forward({ x: inner, positions: 0, context, ...padding(mkpm) }));
    return this.residual.forward(x, sublayers);
  }
}

/** [T][B][C] to [B, T, C]. */
const batchFirst = (rows: number[][][]): Tensor => tensor(rows[0]!.map((_, b) => rows.map((row) => row[b]!)));

const file = new URL('../../../../shared/data/pytorch-transformer-cases.json', import.meta.url);
const cases = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { cases: Case[] }).cases : [];

test('the published cases are here', (context) => {
  if (cases.length === 0) return context.skip('../shared/data/pytorch-transformer-cases.json is not here');
  expect(cases.length).toBe(16);
});

describe.each<[string, () => Device | Promise<Device>]>(cases.length === 0 ? [] : [['reference', reference], ['wasm', wasm]])('on %s', (_, open) => {
  for (const one of cases) test(one.name, async () => {
    const device = await open(), context = one.mem && batchFirst(one.mem);
    let x = batchFirst(one.x);
    for (let layer = 0; layer < (one.n ?? 1); layer++) x = new Layer(one).forward(x, context, one);
    if (one.norm) {
      const last = norm();
      last.initialize(0);
      x = last.forward(x);
    }
    const got = await x.data(device), expected = one.y[0]!.flatMap((__, b) => one.y.flatMap((row) => row[b]!));
    expect(got.length).toBe(expected.length);
    expected.forEach((value, i) => expect(Math.abs(got[i]! - value), `element ${i}`).toBeLessThan(1e-5 + 1e-5 * Math.abs(value)));
    await device.close();
  });
});

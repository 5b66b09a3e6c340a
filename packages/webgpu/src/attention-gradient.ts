/**
 * The gradient of streaming attention, without atomics. The first pass takes a query a thread: it computes
 * δ = Σ dO · o and dq. The second takes a key a thread and walks the queries that see it: dk and dv.
 * Weights are computed again from lse: p = exp(score − lse); dS = p (dO·v − δ).
 */
import type { FusedKernel, Slot, View } from '@ashlar/tensor';
import { declareRow, keyEnd } from './attention.js';
import { declareChunks, lanes, overChunks, RowSource, RowTarget } from './attention-rows.js';
import { attentionShape, type AttentionShape } from './attention-shape.js';
import { forEachTile, type TiledRows } from './attention-tiles.js';
import { SlotUses } from './bindings.js';
import { Body, floatLiteral } from './emitter.js';
import { loadScalar, storeScalar } from './expression.js';
import { assemble, bindingsFor, loopStart, type CompileContext, type Program } from './program.js';

interface Operands { readonly q: View; readonly k: View; readonly v: View; readonly o: View; readonly lse: View; readonly dO: View }

/** The view [B, T, H, D] with its heads before its positions. */
const headsFirst = ({ slot, offset, shape, strides }: View): View => {
  const move = (list: readonly number[]): number[] => [list[0]!, list[2]!, list[1]!, list[3]!];
  return { slot, offset, shape: move(shape), strides: move(strides) };
};

export function attentionGradientPrograms(context: CompileContext, kernel: FusedKernel): Program[] {
  const shape = attentionShape(kernel.inputs, kernel.attributes);
  const [q, k, v, o, lse, dO] = kernel.inputs as [View, View, View, View, View, View];
  const operands: Operands = { q, k, v, o: headsFirst(o), lse, dO: headsFirst(dO) };
  const [dq, dk, dv] = kernel.outputs as [View, View, View], delta: Slot = { ...kernel.scratch[0]!, dtype: 'f32' };
  const deltaView: View = { slot: delta, offset: 0, shape: [shape.B, shape.H, shape.T], strides: [shape.H * shape.T, shape.T, 1] };
  const programs: Program[] = [];
  if (shape.B * shape.H * shape.T > 0) programs.push(queryPass(context, kernel.name, shape, operands, dq, deltaView));
  if (shape.B * shape.G * shape.S > 0) programs.push(keyPass(context, kernel.name, shape, operands, dk, dv, deltaView));
  return programs;
}

const rowAt = ({ offset, strides }: View, batch: string, head: string, position: string): string =>
  `${offset} + ${batch} * ${strides[0]!} + ${head} * ${strides[1]!} + ${position} * ${strides[2]!}`;

function queryPass(context: CompileContext, name: string, shape: AttentionShape, { q, k, v, o, lse, dO }: Operands, dq: View, delta: View): Program {
  const { B, H, G, T, S, D } = shape, uses = new SlotUses(true), body = new Body(loopStart(context));
  for (const { slot } of [q, k, v, o, lse, dO]) uses.read(slot);
  uses.write(dq.slot, D % 4 !== 0);
  uses.write(delta.slot, true);
  const bindings = bindingsFor(context, uses), onGpu = context.target.adapterClass === 'gpu', chunks = Math.ceil(D / 4);
  const rows = (view: View): RowSource => new RowSource(view, bindings.of(view.slot));
  const grid = declareRow(body, onGpu, B, H, T);
  body.line(`let keyHead = head / ${H / G};`);
  for (const [label, view] of [['q', q], ['o', o], ['g', dO]] as const) {
    body.line(`let ${label}At = ${rows(view).start('batch', 'head', 'position')};`);
    declareChunks(body, label, chunks, (c) => `${rows(view).chunk(`${label}At`, c)}${label === 'q' ? ` * ${floatLiteral(shape.scale)}` : ''}`);
  }
  body.line('var delta = 0.0f;');
  overChunks(body, chunks, (c) => body.line(`delta += dot(o[${c}], g[${c}]);`));
  body.line(`let lse = ${loadScalar(bindings.of(lse.slot), rowAt(lse, 'batch', 'head', 'position'))};`);
  declareChunks(body, 'd', chunks);
  const module = forEachTile(context, body, {
    prefix: 'key', count: S, chunks, first: body.zero, end: keyEnd(shape, 'position'), ...(grid.tiled && { groupEnd: keyEnd(shape, 'tileLast') }), onGpu,
    sources: [{ name: 'k', source: rows(k), batch: 'batch', head: 'keyHead' }, { name: 'v', source: rows(v), batch: 'batch', head: 'keyHead' }],
  }, (turn) => {
    scoresAndProducts(body, chunks, turn, { row: 'q', other: 'k', gradient: 'g', value: 'v' });
    body.line('let weight = select(vec4<f32>(0.0), exp(score - vec4<f32>(lse)), visible);');
    body.line(`let change = weight * (product - vec4<f32>(delta)) * ${floatLiteral(shape.scale)};`);
    overChunks(body, chunks, (c) => body.line(`d[${c}] += ${weighted('change', (j) => turn.chunk('k', j, c))};`));
  });
  body.block(grid.tiled ? 'if (isRow)' : '', () => {
    new RowTarget(bindings.of(dq.slot), D).store(body, `((batch * ${T} + position) * ${H} + head) * ${D}`, chunks, (c) => `d[${c}]`);
    body.line(storeScalar(bindings.of(delta.slot), rowAt(delta, 'batch', 'head', 'position'), 'delta'));
  });
  return assemble({ label: `${name} (queries)`, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [grid.size, 1], module });
}

function keyPass(context: CompileContext, name: string, shape: AttentionShape, { q, k, v, lse, dO }: Operands, dk: View, dv: View, delta: View): Program {
  const { B, H, G, T, S, D, causal } = shape, uses = new SlotUses(true), body = new Body(loopStart(context));
  for (const { slot } of [q, k, v, lse, dO, delta]) uses.read(slot);
  for (const { slot } of [dk, dv]) uses.write(slot, D % 4 !== 0);
  const bindings = bindingsFor(context, uses), onGpu = context.target.adapterClass === 'gpu', chunks = Math.ceil(D / 4);
  const rows = (view: View): RowSource => new RowSource(view, bindings.of(view.slot));
  const grid = declareRow(body, onGpu, B, G, S);
  for (const [label, view] of [['k', k], ['v', v]] as const) {
    body.line(`let ${label}At = ${rows(view).start('batch', 'head', 'position')};`);
    declareChunks(body, label, chunks, (c) => `${rows(view).chunk(`${label}At`, c)}${label === 'k' ? ` * ${floatLiteral(shape.scale)}` : ''}`);
  }
  for (const label of ['dk', 'dv']) declareChunks(body, label, chunks);
  // Query t sees key s where s ≤ t + S − T.
  const firstQuery = (position: string): string => (causal ? `clamp(${position} - ${S - T}, 0, ${T})` : body.zero);
  let module = '';
  body.block(`for (var queryHead = head * ${H / G}; queryHead < (head + 1) * ${H / G}; queryHead++)`, () => {
    module = forEachTile(context, body, {
      prefix: 'query', count: T, chunks, first: firstQuery('position'), end: String(T), groupFirst: onGpu ? firstQuery('tileFirst') : '0', groupEnd: String(T), onGpu,
      sources: [{ name: 'q', source: rows(q), batch: 'batch', head: 'queryHead' }, { name: 'g', source: rows(dO), batch: 'batch', head: 'queryHead' }],
    }, (turn) => {
      const four = (view: View): string => `vec4<f32>(${[0, 1, 2, 3].map((j) => loadScalar(bindings.of(view.slot), rowAt(view, 'batch', 'queryHead', turn.row(j)))).join(', ')})`;
      scoresAndProducts(body, chunks, turn, { row: 'k', other: 'q', gradient: 'v', value: 'g' });
      body.line(`let lse = ${four(lse)};`);
      body.line(`let weight = select(vec4<f32>(0.0), exp(score - lse), visible);`);
      body.line(`let change = weight * (product - ${four(delta)}) * ${floatLiteral(shape.scale)};`);
      overChunks(body, chunks, (c) => {
        body.line(`dv[${c}] += ${weighted('weight', (j) => turn.chunk('g', j, c))};`);
        body.line(`dk[${c}] += ${weighted('change', (j) => turn.chunk('q', j, c))};`);
      });
    });
  });
  body.block(grid.tiled ? 'if (isRow)' : '', () => {
    for (const [label, view] of [['dk', dk], ['dv', dv]] as const) {
      new RowTarget(bindings.of(view.slot), D).store(body, `((batch * ${S} + position) * ${G} + head) * ${D}`, chunks, (c) => `${label}[${c}]`);
    }
  });
  return assemble({ label: `${name} (keys)`, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [grid.size, 1], module });
}

/** `score` = row · other and `product` = gradient · value for four rows at once, and `visible`. */
function scoresAndProducts(body: Body, chunks: number, turn: TiledRows, names: { row: string; other: string; gradient: string; value: string }): void {
  for (let j = 0; j < 4; j++) { body.line(`var s${j} = 0.0f;`); body.line(`var w${j} = 0.0f;`); }
  overChunks(body, chunks, (c) => {
    for (let j = 0; j < 4; j++) {
      body.line(`s${j} += dot(${names.row}[${c}], ${turn.chunk(names.other, j, c)});`);
      body.line(`w${j} += dot(${names.gradient}[${c}], ${turn.chunk(names.value, j, c)});`);
    }
  });
  body.line(`let visible = ${turn.visible};`);
  body.line('let score = vec4<f32>(s0, s1, s2, s3);');
  body.line('let product = vec4<f32>(w0, w1, w2, w3);');
}

/** Σ over the four rows of weight times chunk. */
const weighted = (weights: string, chunk: (j: number) => string): string => lanes.map((lane, j) => `${weights}.${lane} * ${chunk(j)}`).join(' + ');

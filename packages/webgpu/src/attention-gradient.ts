/**
 * The gradient of streaming attention, without atomics. The first pass takes a query a thread: it computes
 * δ = Σ dO · o and dq. The second takes a key a thread and walks the queries that see it: dk and dv.
 * Weights are computed again from lse: p = exp(score − lse); dS = p (dO·v − δ).
 */
import type { FusedKernel, Slot, View } from '@ashlar/tensor';
import { forEachOwnRow, keyEnd, rowGrid } from './attention.js';
import { blockLookup, ModEmitter, modsOf, noteMods, partsOf, type AttentionMods, type BlockLookup, type ModPoint } from './attention-mods.js';
import { declareChunks, dotChunks, holdChunks, overChunks, RowSource, RowTarget } from './attention-rows.js';
import { attentionShape, type AttentionShape } from './attention-shape.js';
import { TableSums } from './attention-tables.js';
import { blockStep, forEachRow } from './attention-tiles.js';
import { SlotUses } from './bindings.js';
import { floatLiteral } from './emitter.js';
import { loadScalar, storeScalar } from './memory-access.js';
import { assemble, bodyFor, bindingsFor, type CompileContext, type Program } from './program.js';

interface Operands { readonly q: View; readonly k: View; readonly v: View; readonly o: View; readonly lse: View; readonly dO: View }

/** The view [B, T, H, D] with its heads before its positions. */
const headsFirst = ({ slot, offset, shape, strides }: View): View => {
  const move = (list: readonly number[]): number[] => [list[0]!, list[2]!, list[1]!, list[3]!];
  return { slot, offset, shape: move(shape), strides: move(strides) };
};

export function attentionGradientPrograms(context: CompileContext, kernel: FusedKernel): Program[] {
  const shape = attentionShape(kernel.inputs, kernel.attributes), mods = modsOf(kernel.attributes);
  const [q, k, v, o, lse, dO] = kernel.inputs as [View, View, View, View, View, View];
  const operands: Operands = { q, k, v, o: headsFirst(o), lse, dO: headsFirst(dO) };
  const [dq, dk, dv] = kernel.outputs as [View, View, View], delta: Slot = { ...kernel.scratch[0]!, dtype: 'f32' };
  const deltaView: View = { slot: delta, offset: 0, shape: [shape.B, shape.H, shape.T], strides: [shape.H * shape.T, shape.T, 1] };
  const tables = new TableSums(context, kernel);
  return [
    ...tables.before(),
    ...(shape.B * shape.H * shape.T > 0 ? [queryPass(context, kernel.name, shape, mods, operands, dq, deltaView, tables)] : []),
    ...(shape.B * shape.G * shape.S > 0 ? [keyPass(context, kernel.name, shape, mods, operands, dk, dv, deltaView)] : []),
    ...tables.after(),
  ];
}

const rowAt = ({ offset, strides }: View, batch: string, head: string, position: string): string =>
  `${offset} + ${batch} * ${strides[0]!} + ${head} * ${strides[1]!} + ${position} * ${strides[2]!}`;

function queryPass(context: CompileContext, name: string, shape: AttentionShape, mods: AttentionMods, { q, k, v, o, lse, dO }: Operands, dq: View, delta: View, tables: TableSums): Program {
  const { B, H, G, T, S, D } = shape, uses = new SlotUses(true), body = bodyFor(context);
  for (const { slot } of [q, k, v, o, lse, dO]) uses.read(slot);
  uses.write(dq.slot, D % 4 !== 0);
  uses.write(delta.slot, true);
  noteMods(uses, mods);
  tables.note(uses);
  const bindings = bindingsFor(context, uses, 1), onGpu = context.target.adapterClass === 'gpu', chunks = Math.ceil(D / 4);
  const rows = (view: View): RowSource => new RowSource(view, bindings.of(view.slot));
  const grid = rowGrid(context.target, B * H * T, T, tables.lanes);
  const lookups: BlockLookup[] = [];
  let module = '';
  tables.clear(body, bindings, `${grid.group} * ${grid.size} + i32(local.x)`);
  forEachOwnRow(body, grid, B, H, T, () => {
    body.line(`let keyHead = head / ${H / G};`);
    for (const [label, view] of [['q', q], ['o', o], ['g', dO]] as const) {
      body.line(`let ${label}At = ${rows(view).start('batch', 'head', 'position')};`);
      declareChunks(body, label, chunks, (c) => `${rows(view).chunk(`${label}At`, c)}${label === 'q' ? ` * ${floatLiteral(shape.scale)}` : ''}`);
    }
    body.line('var delta = 0.0f;');
    overChunks(body, chunks, (c) => body.line(`delta += dot(o[${c}], g[${c}]);`));
    body.line(`let lse = ${loadScalar(bindings.of(lse.slot), rowAt(lse, 'batch', 'head', 'position'))};`);
    declareChunks(body, 'd', chunks);
    const point = (key: string): ModPoint => ({ batch: 'batch', head: 'head', query: 'position', key });
    for (const part of partsOf(mods, shape)) body.block('', () => {
      const emitter = new ModEmitter(body, bindings, part.mods, 3), apart = part.keysApart('position'), lookup = apart ? undefined : blockLookup(context, shape, part.mods, blockStep(context, chunks), false);
      if (lookup) lookups.push(lookup);
      emitter.hoist(point('0'), tables.reads);
      module += forEachRow(context, body, {
        prefix: 'key', count: S, chunks, first: body.zero, end: keyEnd(shape, 'position'), ...(grid.tiled && { groupEnd: keyEnd(shape, 'tileLast') }), onGpu, apart, mask: emitter.masked(point), lookup, lookupRow: grid.tiled ? 'tileFirst' : 'position',
        sources: [{ name: 'k', source: rows(k), batch: 'batch', head: 'keyHead' }, { name: 'v', source: rows(v), batch: 'batch', head: 'keyHead' }],
      }, (turn) => {
        const k = holdChunks(body, 'k', chunks, (c) => turn.chunk('k', c));
        const { visible } = turn;
        dotChunks(body, 'scaled', chunks, (c) => `dot(q[${c}], ${k(c)})`);
        dotChunks(body, 'product', chunks, (c) => `dot(g[${c}], ${turn.chunk('v', c)})`);
        const { score, slope } = emitter.score(point(turn.at), 'scaled', true);
        body.line(`let weight = ${weightOf(visible, score)};`);
        body.line('let pull = weight * (product - delta);');
        body.line(`let change = pull * ${slope ?? '1.0f'} * ${floatLiteral(shape.scale)};`);
        tables.add(body, bindings, emitter, point(turn.at), [...(grid.tiled ? ['isRow'] : []), ...(visible === undefined ? [] : [visible])]);
        overChunks(body, chunks, (c) => body.line(`d[${c}] += change * ${k(c)};`));
      });
    });
    body.block(grid.tiled ? 'if (isRow)' : '', () => {
      new RowTarget(bindings.of(dq.slot), D).store(body, `((batch * ${T} + position) * ${H} + head) * ${D}`, chunks, (c) => `d[${c}]`);
      body.line(storeScalar(bindings.of(delta.slot), rowAt(delta, 'batch', 'head', 'position'), 'delta'));
    });
  });
  return assemble({ label: `${name} (queries)`, body, bindings: [...bindings.list, ...lookups.map(({ binding }) => binding)], workgroups: grid.workgroups, workgroupSize: [grid.size, 1], module });
}

function keyPass(context: CompileContext, name: string, shape: AttentionShape, mods: AttentionMods, { q, k, v, lse, dO }: Operands, dk: View, dv: View, delta: View): Program {
  const { B, H, G, T, S, D, causal } = shape, uses = new SlotUses(true), body = bodyFor(context);
  for (const { slot } of [q, k, v, lse, dO, delta]) uses.read(slot);
  for (const { slot } of [dk, dv]) uses.write(slot, D % 4 !== 0);
  noteMods(uses, mods);
  const bindings = bindingsFor(context, uses, 1), onGpu = context.target.adapterClass === 'gpu', chunks = Math.ceil(D / 4);
  const rows = (view: View): RowSource => new RowSource(view, bindings.of(view.slot));
  const grid = rowGrid(context.target, B * G * S, S);
  const lookups: BlockLookup[] = [];
  let module = '';
  forEachOwnRow(body, grid, B, G, S, () => {
    for (const [label, view] of [['k', k], ['v', v]] as const) {
      body.line(`let ${label}At = ${rows(view).start('batch', 'head', 'position')};`);
      declareChunks(body, label, chunks, (c) => `${rows(view).chunk(`${label}At`, c)}${label === 'k' ? ` * ${floatLiteral(shape.scale)}` : ''}`);
    }
    for (const label of ['dk', 'dv']) declareChunks(body, label, chunks);
    // Query t sees key s where s ≤ t + S − T.
    const firstQuery = (position: string): string => (causal ? `clamp(${position} - ${S - T}, 0, ${T})` : body.zero);
    const point = (query: string): ModPoint => ({ batch: 'batch', head: 'queryHead', query, key: 'position' });
    for (const part of partsOf(mods, shape)) {
      const emitter = new ModEmitter(body, bindings, part.mods, 2), apart = part.queriesApart('position'), lookup = apart ? undefined : blockLookup(context, shape, part.mods, blockStep(context, chunks), true);
      if (lookup) lookups.push(lookup);
      body.block(`for (var queryHead = head * ${H / G}; queryHead < (head + 1) * ${H / G}; queryHead++)`, () => {
        emitter.hoist(point('0'));
        module += forEachRow(context, body, {
          prefix: 'query', count: T, chunks, first: firstQuery('position'), end: String(T), ...(grid.tiled && { groupFirst: firstQuery('tileFirst'), groupEnd: String(T) }), onGpu, apart, mask: emitter.masked(point), lookup, lookupRow: grid.tiled ? 'tileFirst' : 'position',
          sources: [{ name: 'q', source: rows(q), batch: 'batch', head: 'queryHead' }, { name: 'g', source: rows(dO), batch: 'batch', head: 'queryHead' }],
        }, (turn) => {
          const of = (view: View): string => loadScalar(bindings.of(view.slot), rowAt(view, 'batch', 'queryHead', turn.at));
          const q = holdChunks(body, 'q', chunks, (c) => turn.chunk('q', c)), g = holdChunks(body, 'g', chunks, (c) => turn.chunk('g', c));
          const { visible } = turn;
          dotChunks(body, 'scaled', chunks, (c) => `dot(k[${c}], ${q(c)})`);
          dotChunks(body, 'product', chunks, (c) => `dot(v[${c}], ${g(c)})`);
          body.line(`let lse = ${of(lse)};`);
          const { score, slope } = emitter.score(point(turn.at), 'scaled', true);
          body.line(`let weight = ${weightOf(visible, score)};`);
          body.line(`let change = weight * (product - ${of(delta)}) * ${slope ?? '1.0f'} * ${floatLiteral(shape.scale)};`);
          overChunks(body, chunks, (c) => {
            body.line(`dv[${c}] += weight * ${g(c)};`);
            body.line(`dk[${c}] += change * ${q(c)};`);
          });
        });
      });
    }
    body.block(grid.tiled ? 'if (isRow)' : '', () => {
      for (const [label, view] of [['dk', dk], ['dv', dv]] as const) {
        new RowTarget(bindings.of(view.slot), D).store(body, `((batch * ${S} + position) * ${G} + head) * ${D}`, chunks, (c) => `${label}[${c}]`);
      }
    });
  });
  return assemble({ label: `${name} (keys)`, body, bindings: [...bindings.list, ...lookups.map(({ binding }) => binding)], workgroups: grid.workgroups, workgroupSize: [grid.size, 1], module });
}

const weightOf = (visible: string | undefined, score: string): string => (visible === undefined ? `exp(${score} - lse)` : `select(0.0f, exp(${score} - lse), ${visible})`);

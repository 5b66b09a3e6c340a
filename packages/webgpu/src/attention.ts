/**
 * Streaming attention: softmax(scale · q kᵀ) v without a T × S matrix (Dao et al. 2022, arXiv 2205.14135).
 *
 * A thread holds one query and its running maximum, sum and result, and takes a key a turn. On processors it reads
 * keys from memory; on GPUs the 64 queries of a workgroup share tiles of keys and values in workgroup memory.
 */
import type { FusedKernel, View } from '@ashlar/tensor';
import { blockLookup, ModEmitter, modsOf, noteMods, partsOf, type BlockLookup, type ModPoint } from './attention-mods.js';
import { declareChunks, dotChunks, overChunks, RowSource, RowTarget } from './attention-rows.js';
import { attentionShape, rowsPerGroup, type AttentionShape } from './attention-shape.js';
import { SlotUses } from './bindings.js';
import { Body, floatLiteral } from './emitter.js';
import { storeScalar } from './memory-access.js';
import { assemble, bodyFor, bindingsFor, fold, product, type CompileContext, type Program, type Target } from './program.js';
import { blockStep, forEachRow, type TurnRow } from './attention-tiles.js';

export function attentionPrograms(context: CompileContext, kernel: FusedKernel): Program[] {
  const shape = attentionShape(kernel.inputs, kernel.attributes), { B, H, G, T, D } = shape;
  if (B * H * T === 0) return [];
  const [q, k, v] = kernel.inputs as [View, View, View];
  const [o, lse] = kernel.outputs as [View, View];
  const uses = new SlotUses(true);
  for (const { slot } of [q, k, v]) uses.read(slot);
  uses.write(o.slot, D % 4 !== 0);
  uses.write(lse.slot, true);
  const mods = modsOf(kernel.attributes);
  noteMods(uses, mods);
  const bindings = bindingsFor(context, uses, 1), body = bodyFor(context);
  const queries = new RowSource(q, bindings.of(q.slot)), keys = new RowSource(k, bindings.of(k.slot)), values = new RowSource(v, bindings.of(v.slot));
  const chunks = Math.ceil(D / 4), onGpu = context.target.adapterClass === 'gpu';
  const grid = rowGrid(context.target, B * H * T, T);
  const parts = partsOf(mods, shape), lookups: BlockLookup[] = [];
  let module = '';
  forEachOwnRow(body, grid, B, H, T, () => {
    body.line(`let keyHead = head / ${H / G};`);
    body.line(`let queryAt = ${queries.start('batch', 'head', 'position')};`);
    declareChunks(body, 'q', chunks, (c) => `${queries.chunk('queryAt', c)} * ${floatLiteral(shape.scale)}`);
    declareChunks(body, 'o', chunks);
    const point = (key: string): ModPoint => ({ batch: 'batch', head: 'head', query: 'position', key });
    body.line('var largest = -3.0e38f;');
    body.line('var sum = 0.0f;');
    for (const part of parts) body.block('', () => {
      const emitter = new ModEmitter(body, bindings, part.mods, 3), apart = part.keysApart('position'), lookup = apart ? undefined : blockLookup(context, shape, part.mods, blockStep(context, chunks), false);
      if (lookup) lookups.push(lookup);
      emitter.hoist(point('0'));
      module += forEachRow(context, body, {
        prefix: 'key', count: shape.S, chunks, first: body.zero, end: keyEnd(shape, 'position'), ...(grid.tiled && { groupEnd: keyEnd(shape, 'tileLast') }), onGpu, apart, mask: emitter.masked(point), lookup, lookupRow: grid.tiled ? 'tileFirst' : 'position',
        sources: [{ name: 'k', source: keys, batch: 'batch', head: 'keyHead' }, { name: 'v', source: values, batch: 'batch', head: 'keyHead' }],
      }, (row) => forwardTurn(body, chunks, row, emitter, point(row.at)));
    });
    const result = body.bind('select(0.0f, 1.0f / sum, sum > 0.0f)');
    body.block(grid.tiled ? 'if (isRow)' : '', () => {
      new RowTarget(bindings.of(o.slot), D).store(body, `((batch * ${T} + position) * ${H} + head) * ${D}`, chunks, (c) => `o[${c}] * ${result}`);
      const bits = body.bind('0xff800000u');
      body.line(storeScalar(bindings.of(lse.slot), `(batch * ${H} + head) * ${T} + position`, `select(bitcast<f32>(${bits}), largest + log(max(sum, 1.0e-37f)), sum > 0.0f)`));
    });
  });
  return [assemble({ label: kernel.name, body, bindings: [...bindings.list, ...lookups.map(({ binding }) => binding)], workgroups: grid.workgroups, workgroupSize: [grid.size, 1], module })];
}

/** One past the last key that a query sees. */
export const keyEnd = ({ causal, T, S }: AttentionShape, position: string): string => (causal ? `clamp(${position} + ${S - T + 1}, 0, ${S})` : String(S));

/** Where the rows of a workgroup lie: `tiled`, neighbours of one head from `tileFirst` to `tileLast`. */
export interface RowGrid { readonly workgroups: readonly [number, number, number]; readonly size: number; readonly tiled: boolean; readonly group: string }

/**
 * The grid of rows among batches × heads × length. Rows of a workgroup are neighbours of one head, so that what they load
 * of keys is the same for all of them; on processors short lengths fill workgroups across heads. With `lanes`, so many
 * threads share the rows.
 */
export function rowGrid(target: Target, rows: number, length: number, lanes = Infinity): RowGrid {
  const size = rowsPerGroup(target), tiled = target.adapterClass === 'gpu' || length >= size;
  const groups = tiled ? Math.ceil(length / size) * (rows / length) : Math.ceil(rows / size);
  return { ...fold(Math.min(groups, lanes / size)), size, tiled };
}

/**
 * Emits `content` for the rows of this thread, with `batch`, `head` and `position` declared. Where the length is no
 * multiple of the workgroup, threads past its end repeat the last row (`isRow` is false).
 */
export function forEachOwnRow(body: Body, { workgroups, size, tiled, group }: RowGrid, batches: number, heads: number, length: number, content: () => void): void {
  const tiles = Math.ceil(length / size), count = tiled ? tiles * heads * batches : batches * heads * length, dispatched = product(workgroups) * (tiled ? 1 : size);
  const number = tiled ? 'tile' : 'thread', first = tiled ? group : `${group} * ${size} + i32(local.x)`;
  const row = (): void => {
    if (tiled) {
      body.line(`let tileFirst = (tile % ${tiles}) * ${size};`);
      body.line(`let tileLast = min(tileFirst + ${size - 1}, ${length - 1});`);
      body.line('let wanted = tileFirst + i32(local.x);');
      body.line(`let isRow = wanted < ${length};`);
      body.line(`let position = min(wanted, ${length - 1});`);
      body.line(`let head = (tile / ${tiles}) % ${heads};`);
      body.line(`let batch = tile / ${tiles * heads};`);
    } else {
      body.line(`let position = thread % ${length};`);
      body.line(`let head = (thread / ${length}) % ${heads};`);
      body.line(`let batch = thread / ${length * heads};`);
    }
    content();
  };
  if (dispatched < count) { body.block(`for (var ${number} = ${first}; ${number} < ${count}; ${number} += ${dispatched})`, row); return; }
  body.line(`let ${number} = ${first};`);
  body.line(`if (${number} >= ${count}) { return; }`);
  row();
}

/** A branch that is seldom taken. SwiftShader runs both sides of a branch and masks what they store, but leaves a loop where no lane wants it. */
const onceIf = (body: Body, condition: string): string => (body.zero === 'zero' ? `for (var grows = ${condition}; grows; grows = false)` : `if (${condition})`);

/** A key: its score, where that is a new maximum what it makes of the sums so far, and its part. */
function forwardTurn(body: Body, chunks: number, row: TurnRow, emitter: ModEmitter, point: ModPoint): void {
  const { visible } = row;
  dotChunks(body, 'scaled', chunks, (c) => `dot(q[${c}], ${row.chunk('k', c)})`);
  body.line(`let score = ${emitter.score(point, 'scaled', false).score};`);
  body.block(onceIf(body, `${visible === undefined ? '' : `${visible} && `}score > largest`), () => {
    body.line('let shrink = exp(largest - score);');
    body.line('largest = score;');
    body.line('sum *= shrink;');
    overChunks(body, chunks, (c) => body.line(`o[${c}] *= shrink;`));
  });
  body.line(`let weight = ${visible === undefined ? 'exp(score - largest)' : `select(0.0f, exp(score - largest), ${visible})`};`);
  body.line('sum += weight;');
  overChunks(body, chunks, (c) => body.line(`o[${c}] += weight * ${row.chunk('v', c)};`));
}

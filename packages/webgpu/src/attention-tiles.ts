/** The walk over keys (or queries): straight from memory, or through tiles in workgroup memory. */
import type { BlockLookup } from './attention-mods.js';
import type { RowSource } from './attention-rows.js';
import type { Body } from './emitter.js';
import type { CompileContext } from './program.js';

/** The row of this turn. */
export interface TurnRow {
  /** Whether the row is within the thread's range; undefined where it always is. */
  readonly inRange: string | undefined;
  /** Whether the block map says that every point here counts; undefined without a map. */
  readonly isFull: string | undefined;
  /** Its number. */
  readonly at: string;
  /** Chunk `c` of the row in a source. */
  chunk(source: string, c: string): string;
}

export interface Walk {
  readonly prefix: string;
  /** How many rows exist. */
  readonly count: number;
  readonly chunks: number;
  /** The range that this thread sees. */
  readonly first: string;
  readonly end: string;
  /** The range that the threads of its workgroup see together, where they are rows of one head. */
  readonly groupFirst?: string;
  readonly groupEnd?: string;
  readonly onGpu: boolean;
  /** The map of blocks, and the number of the thread's own row in it (of the workgroup's first row, where they share one). */
  readonly lookup?: BlockLookup | undefined;
  readonly lookupRow: string;
  readonly sources: readonly { readonly name: string; readonly source: RowSource; readonly batch: string; readonly head: string }[];
}

/** Emits the walk; returns the declarations that its module needs. */
export function forEachRow(context: CompileContext, body: Body, walk: Walk, turn: (row: TurnRow) => void): string {
  const { prefix, count, chunks, sources } = walk;
  if (count === 0) return '';
  const first = `${prefix}First`, end = `${prefix}End`, at = `${prefix}At`, groupEnd = `${prefix}GroupEnd`;
  body.line(`let ${first} = ${walk.first};`);
  body.line(`let ${end} = ${walk.end};`);
  const groupFirst = walk.groupFirst ?? first;
  body.line(`let ${groupEnd} = ${walk.groupEnd ?? end};`);
  const tests = [...(walk.groupFirst === undefined ? [] : [`${at} >= ${first}`]), ...(walk.groupEnd === undefined && !walk.onGpu ? [] : [`${at} < ${end}`])];
  const inRange = tests.length > 0 ? tests.join(' && ') : undefined;
  const rows = walk.onGpu ? tileRows(context, walk) : (walk.lookup?.step ?? 0), isFull = walk.lookup && 'isFull';
  const block = `${prefix}Block`;
  /** Blocks of `rows` from the range's first on; empty ones are left out. */
  const forEachBlock = (content: () => void): void => body.block(`for (var ${block} = ${wrap(groupFirst)} / ${rows}; ${block} * ${rows} < ${groupEnd}; ${block}++)`, () => {
    if (walk.lookup) {
      body.line(`let state = ${walk.lookup.state(walk.lookupRow, block)};`);
      body.line('if (state == 0u) { continue; }');
      body.line('let isFull = state == 2u;');
    }
    content();
  });
  if (!walk.onGpu) {
    const inner = (from: string, to: string): void => body.block(`for (var ${at} = ${from}; ${at} < ${to}; ${at}++)`, () => {
      for (const { name, source, batch, head } of sources) body.line(`let ${name}At = ${source.start(batch, head, at)};`);
      turn({ inRange, isFull, at, chunk: (name, c) => sources.find((one) => one.name === name)!.source.chunk(`${name}At`, c) });
    });
    if (walk.lookup) forEachBlock(() => inner(`max(${groupFirst}, ${block} * ${rows})`, `min(${groupEnd}, ${block} * ${rows} + ${rows})`));
    else inner(groupFirst, groupEnd);
    return '';
  }
  forEachBlock(() => {
    body.line('workgroupBarrier();');
    body.block(`for (var e = i32(local.x); e < ${rows * chunks}; e += 64)`, () => {
      body.line(`let chunk = e % ${chunks};`);
      body.line(`let row = min(${block} * ${rows} + e / ${chunks}, ${count - 1});`);
      for (const { name, source, batch, head } of sources) {
        body.line(`let ${name}Start = ${source.start(batch, head, 'row')};`);
        body.line(`tile_${name}[e] = ${source.chunk(`${name}Start`, 'chunk')};`);
      }
    });
    body.line('workgroupBarrier();');
    body.block(`for (var inTile = 0; inTile < min(${rows}, ${groupEnd} - ${block} * ${rows}); inTile++)`, () => {
      body.line(`let ${at} = ${block} * ${rows} + inTile;`);
      turn({ inRange, isFull, at, chunk: (name, c) => `tile_${name}[inTile * ${chunks} + ${c}]` });
    });
  });
  return sources.map(({ name }) => `var<workgroup> tile_${name}: array<vec4<f32>, ${rows * chunks}>;\n`).join('');
}

const wrap = (text: string): string => (/^\w+$/.test(text) ? text : `(${text})`);

/** How many rows of the sources lie in workgroup memory at once. */
export function tileRows(context: CompileContext, { sources, chunks }: { readonly sources: { readonly length: number }; readonly chunks: number }): number {
  return Math.max(1, Math.min(32, Math.floor(Math.min(context.target.workgroupMemoryBytes, 32768) / (sources.length * chunks * 16))));
}

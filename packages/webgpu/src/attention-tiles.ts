/** The walk over keys (or queries) in fours: straight from memory, or through tiles in workgroup memory. */
import type { RowSource } from './attention-rows.js';
import type { Body } from './emitter.js';
import type { CompileContext } from './program.js';

/** Four rows of this turn. */
export interface TiledRows {
  /** vec4<bool>: which of the four rows are within the thread's range. */
  readonly visible: string;
  /** The number of the first of them, a multiple of 4 past the range's first. */
  readonly at: string;
  /** Chunk `c` of row `j` of a source. */
  chunk(source: string, j: number, c: string): string;
  /** The row number of row `j`, clamped to what exists. */
  row(j: number): string;
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
  readonly sources: readonly { readonly name: string; readonly source: RowSource; readonly batch: string; readonly head: string }[];
}

/** Emits the walk; returns the declarations that its module needs. */
export function forEachTile(context: CompileContext, body: Body, walk: Walk, turn: (rows: TiledRows) => void): string {
  const { prefix, count, chunks, sources } = walk;
  if (count === 0) return '';
  const first = `${prefix}First`, end = `${prefix}End`, at = `${prefix}At`;
  body.line(`let ${first} = ${walk.first};`);
  body.line(`let ${end} = ${walk.end};`);
  const numbers = `vec4<i32>(${at}) + vec4<i32>(0, 1, 2, 3)`;
  const visible = walk.groupFirst === undefined ? `(${numbers}) < vec4<i32>(${end})` : `((${numbers}) < vec4<i32>(${end})) & ((${numbers}) >= vec4<i32>(${first}))`;
  const groupFirst = walk.groupFirst ?? (walk.groupEnd === undefined ? first : body.zero), groupEnd = `${prefix}GroupEnd`;
  body.line(`let ${groupEnd} = ${walk.groupEnd ?? end};`);
  if (!walk.onGpu) {
    body.block(`for (var ${at} = ${groupFirst}; ${at} < ${groupEnd}; ${at} += 4)`, () => {
      for (let j = 0; j < 4; j++) {
        body.line(`let ${prefix}${j} = min(${at} + ${j}, ${count - 1});`);
        for (const { name, source, batch, head } of sources) body.line(`let ${name}${j}At = ${source.start(batch, head, `${prefix}${j}`)};`);
      }
      turn({
        visible, at, row: (j) => `${prefix}${j}`,
        chunk: (name, j, c) => sources.find((one) => one.name === name)!.source.chunk(`${name}${j}At`, c),
      });
    });
    return '';
  }
  const bytes = sources.length * chunks * 16;
  const rows = Math.max(4, Math.min(32, Math.floor(Math.min(context.target.workgroupMemoryBytes, 32768) / bytes / 4) * 4));
  body.block(`for (var ${prefix}Tile = ${groupFirst}; ${prefix}Tile < ${groupEnd}; ${prefix}Tile += ${rows})`, () => {
    body.line('workgroupBarrier();');
    body.block(`for (var e = i32(local.x); e < ${rows * chunks}; e += 64)`, () => {
      body.line(`let chunk = e % ${chunks};`);
      body.line(`let row = min(${prefix}Tile + e / ${chunks}, ${count - 1});`);
      for (const { name, source, batch, head } of sources) {
        body.line(`let ${name}Start = ${source.start(batch, head, 'row')};`);
        body.line(`tile_${name}[e] = ${source.chunk(`${name}Start`, 'chunk')};`);
      }
    });
    body.line('workgroupBarrier();');
    body.block(`for (var inTile = ${body.zero}; inTile < ${rows}; inTile += 4)`, () => {
      body.line(`let ${at} = ${prefix}Tile + inTile;`);
      for (let j = 0; j < 4; j++) body.line(`let ${prefix}${j} = min(${at} + ${j}, ${count - 1});`);
      turn({
        visible, at, row: (j) => `${prefix}${j}`,
        chunk: (name, j, c) => `tile_${name}[(inTile + ${j}) * ${chunks} + ${c}]`,
      });
    });
  });
  return sources.map(({ name }) => `var<workgroup> tile_${name}: array<vec4<f32>, ${rows * chunks}>;\n`).join('');
}

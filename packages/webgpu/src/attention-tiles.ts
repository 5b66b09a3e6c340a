/** The walk over keys (or queries): straight from memory, or through tiles in workgroup memory. */
import type { RowSource } from './attention-rows.js';
import type { Body } from './emitter.js';
import type { CompileContext } from './program.js';

/** The row of this turn. */
export interface TurnRow {
  /** Whether the row is within the thread's range; undefined where it always is. */
  readonly visible: string | undefined;
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
  const visible = tests.length > 0 ? tests.join(' && ') : undefined;
  if (!walk.onGpu) {
    body.block(`for (var ${at} = ${groupFirst}; ${at} < ${groupEnd}; ${at}++)`, () => {
      for (const { name, source, batch, head } of sources) body.line(`let ${name}At = ${source.start(batch, head, at)};`);
      turn({ visible, at, chunk: (name, c) => sources.find((one) => one.name === name)!.source.chunk(`${name}At`, c) });
    });
    return '';
  }
  const bytes = sources.length * chunks * 16;
  const rows = Math.max(1, Math.min(32, Math.floor(Math.min(context.target.workgroupMemoryBytes, 32768) / bytes)));
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
    body.block(`for (var inTile = 0; inTile < min(${rows}, ${groupEnd} - ${prefix}Tile); inTile++)`, () => {
      body.line(`let ${at} = ${prefix}Tile + inTile;`);
      turn({ visible, at, chunk: (name, c) => `tile_${name}[inTile * ${chunks} + ${c}]` });
    });
  });
  return sources.map(({ name }) => `var<workgroup> tile_${name}: array<vec4<f32>, ${rows * chunks}>;\n`).join('');
}

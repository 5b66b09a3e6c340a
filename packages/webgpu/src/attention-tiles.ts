/** The walk over keys (or queries): straight from memory, or through tiles in workgroup memory. */
import type { BlockLookup } from './attention-mods.js';
import type { RowSource } from './attention-rows.js';
import type { Body } from './emitter.js';
import type { CompileContext } from './program.js';

/**
 * Rows that stand apart: those of which the remainder by `step` is from `first` up to `end`. With `within`, all of those
 * that stand from one place up to another meet the thread's row, and no other: the mask need not be asked.
 */
export interface Apart { readonly step: number; readonly first: string; readonly end: string; readonly within?: readonly [string, string] | undefined }

/** The row of this turn. */
export interface TurnRow {
  /** The name of what tells whether the thread's row and this one meet; undefined where they do. */
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
  /** Where given, only these rows are walked, straight from memory. */
  readonly apart?: Apart | undefined;
  /** Emits whether the mask lets the thread's row meet row `at`; undefined without a mask. */
  readonly mask?: ((at: string) => string) | undefined;
  /** The lists of blocks, and the number of the thread's own row in them (of the workgroup's first row, where they share one). */
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
  const inRange = tests.length > 0 && !walk.apart ? tests.join(' && ') : undefined;
  const { apart, mask } = walk, onGpu = walk.onGpu && !apart, rows = onGpu ? tileRows(context, walk) : blockKeys, isFull = walk.lookup && 'isFull';
  const block = `${prefix}Block`;
  /** Blocks of `rows` within the range that are not empty. */
  const forEachBlock = (content: () => void): void => {
    if (!walk.lookup) { body.block(`for (var ${block} = ${wrap(groupFirst)} / ${rows}; ${block} * ${rows} < ${groupEnd}; ${block}++)`, content); return; }
    const [from, to] = walk.lookup.range(walk.lookupRow);
    body.line(`let ${prefix}Last = ${to};`);
    body.block(`for (var entry = ${from}; entry < ${prefix}Last; entry++)`, () => {
      body.line(`let ${block} = i32(blocks[entry] / 2u);`);
      body.line('let isFull = (blocks[entry] & 1u) == 1u;');
      content();
    });
  };
  if (!onGpu) {
    const meet = (visible: string | undefined): void => {
      for (const { name, source, batch, head } of sources) body.line(`let ${name}At = ${source.start(batch, head, at)};`);
      turn({ visible, at, chunk: (name, c) => sources.find((one) => one.name === name)!.source.chunk(`${name}At`, c) });
    };
    const all = (from: string, to: string): void => body.block(`for (var ${at} = ${from}; ${at} < ${to}; ${at}++)`, () => {
      if (inRange) body.line(`let visible = ${inRange};`);
      meet(inRange && 'visible');
    });
    // Each thread goes from one row that it sees to the next: neighbours may be at different ones.
    const seen = (from: string, to: string, placeOf = (number: string): string => number): void => {
      body.line(`let start = ${from};`);
      body.line('var seen = 0u;');
      body.block(`for (var number = start; number < ${to}; number++)`, () => {
        body.line(`let ${at} = ${placeOf('number')};`);
        const inside = mask!(at);
        body.line(`seen |= select(0u, 1u << u32(number - start), ${inRange ? `${inRange} && ` : ''}${inside});`);
      });
      body.block('for (; seen != 0u; seen &= seen - 1u)', () => {
        body.line(`let ${at} = ${placeOf('(start + i32(countTrailingZeros(seen)))')};`);
        meet(undefined);
      });
    };
    if (apart) {
      const [from, to] = apart.within ?? [first, end], before = (limit: string): string => `(max(${limit} - remainder, 0) + ${apart.step - 1}) / ${apart.step}`, placeOf = (number: string): string => `remainder + ${number} * ${apart.step}`;
      body.block(`for (var remainder = ${apart.first}; remainder < ${apart.end}; remainder++)`, () => {
        body.line(`let ${prefix}Last = ${before(`min(${end}, ${to})`)};`);
        body.line(`let ${prefix}Begin = ${before(`max(${first}, ${from})`)};`);
        if (apart.within) {
          body.block(`for (var number = ${prefix}Begin; number < ${prefix}Last; number++)`, () => { body.line(`let ${at} = ${placeOf('number')};`); meet(undefined); });
        } else body.block(`for (var ${block} = ${prefix}Begin; ${block} < ${prefix}Last; ${block} += ${rows})`, () => seen(block, `min(${prefix}Last, ${block} + ${rows})`, placeOf));
      });
      return '';
    }
    if (!mask) { all(groupFirst, groupEnd); return ''; }
    const from = `max(${groupFirst}, ${block} * ${rows})`, to = `min(${groupEnd}, ${block} * ${rows} + ${rows})`;
    forEachBlock(() => {
      if (!isFull) { seen(from, to); return; }
      body.block(`if (${isFull})`, () => all(from, to));
      body.block('else', () => seen(from, to));
    });
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
      if (inRange && !mask) body.line(`let visible = ${inRange};`);
      if (mask) {
        body.line(`var visible = ${inRange ?? 'true'};`);
        body.block(isFull ? `if (!${isFull})` : '', () => { const inside = mask(at); body.line(`visible = visible && ${inside};`); });
      }
      turn({ visible: inRange || mask ? 'visible' : undefined, at, chunk: (name, c) => `tile_${name}[inTile * ${chunks} + ${c}]` });
    });
  });
  return sources.map(({ name }) => `var<workgroup> tile_${name}: array<vec4<f32>, ${rows * chunks}>;\n`).join('');
}

/** Rows of a block of the walk on processors: one bit each. */
const blockKeys = 32;

/** Rows of a block of the walk. */
export const blockStep = (context: CompileContext, chunks: number): number => (context.target.adapterClass === 'gpu' ? tileRows(context, { sources: { length: 2 }, chunks }) : blockKeys);

const wrap = (text: string): string => (/^\w+$/.test(text) ? text : `(${text})`);

/** How many rows of the sources lie in workgroup memory at once. */
function tileRows(context: CompileContext, { sources, chunks }: { readonly sources: { readonly length: number }; readonly chunks: number }): number {
  return Math.max(1, Math.min(32, Math.floor(Math.min(context.target.workgroupMemoryBytes, 32768) / (sources.length * chunks * 16))));
}

/**
 * A matrix product in registers: a thread holds 8 rows by two vec4 of columns (less for small matrices). No workgroup
 * memory and no barriers, which drivers on processors pay dearly for.
 */
import { declareBatch, dotBindings, matrixStart, writeTile, type DotShape } from './dot.js';
import { loadQuarter, loadScalar } from './memory-access.js';
import { assemble, bodyFor, fold, type CompileContext, type Program } from './program.js';

export interface RegisterTile {
  readonly rows: number;
  /** In vec4. */
  readonly columns: number;
  /** One k a turn; else four where an operand is loaded in fours along k, and two elsewhere. */
  readonly oneStep: boolean;
}

const workgroup = 8;

export function registerDot(context: CompileContext, shape: DotShape, tile: RegisterTile): Program {
  const { kernel, batches } = shape, { m, n, k } = kernel, { rows, columns } = tile;
  const bindings = dotBindings(context, shape), body = bodyFor(context);
  const a = bindings.of(kernel.a.slot), b = bindings.of(kernel.b.slot);
  // Operands bound as single elements (they are also written one by one here) have no vector loads.
  const walkA = !a.binding.vector ? 'scalar' : shape.a === 'other' && rows % 4 !== 0 ? 'scalar' : shape.a === 'inner' && tile.oneStep ? 'scalar' : shape.a;
  const walkB = !b.binding.vector || (shape.b === 'inner' && tile.oneStep) ? 'scalar' : shape.b;
  const steps = walkA === 'inner' || walkB === 'inner' ? 4 : !tile.oneStep && k % 2 === 0 ? 2 : 1;
  const rank = kernel.batch.length + 2;
  const [aRow, aK] = [kernel.a.strides[rank - 2]!, kernel.a.strides[rank - 1]!];
  const [bK, bColumn] = [kernel.b.strides[rank - 2]!, kernel.b.strides[rank - 1]!];
  // A workgroup's threads lie side by side in one row of tiles: what they load of a is the same for all, which drivers see.
  const width = 4 * columns * workgroup, columnGroups = Math.ceil(n / width), rowTiles = Math.ceil(m / rows), groups = columnGroups * rowTiles * batches;
  const grid = fold(groups);

  body.line(`let tileNumber = ${grid.group};`);
  body.line(`if (tileNumber >= ${groups}) { return; }`);
  body.line(`let firstColumn = (tileNumber % ${columnGroups}) * ${width} + i32(local.x) * ${4 * columns};`);
  body.line(`let firstRow = ((tileNumber / ${columnGroups}) % ${rowTiles}) * ${rows};`);
  if (n % width !== 0) body.line(`if (firstColumn >= ${n}) { return; }`);
  declareBatch(body, kernel, `(tileNumber / ${columnGroups * rowTiles})`);
  body.line(`let aStart = ${matrixStart(kernel.a, kernel.batch)};`);
  body.line(`let bStart = ${matrixStart(kernel.b, kernel.batch)};`);

  // Where each row of a and each column of b begins, clamped at the edges: results beyond them are not stored.
  const row = (r: number): string => (m % rows === 0 ? `firstRow + ${r}` : `min(firstRow + ${r}, ${m - 1})`);
  const column = (c: number): string => (n % (4 * columns) === 0 ? `firstColumn + ${c}` : `min(firstColumn + ${c}, ${n - 1})`);
  const clampedVector = (first: string, offset: number, size: number, unit: number): string => (size % unit === 0 ? `${first} + ${offset}` : `min(${first} + ${offset}, ${size - 4})`);
  if (walkA === 'inner') for (let r = 0; r < rows; r++) body.line(`let a${r}At = (aStart + (${row(r)}) * ${aRow}) >> 2u;`);
  else if (walkA === 'other') for (let q = 0; q < rows / 4; q++) body.line(`let a${q}At = (aStart + ${clampedVector('firstRow', q * 4, m, rows)}) >> 2u;`);
  else for (let r = 0; r < rows; r++) body.line(`let a${r}At = aStart + (${row(r)}) * ${aRow};`);
  if (walkB === 'other') for (let v = 0; v < columns; v++) body.line(`let b${v}At = (bStart + ${clampedVector('firstColumn', v * 4, n, 4 * columns)}) >> 2u;`);
  else for (let c = 0; c < 4 * columns; c++) body.line(`let b${c}At = (bStart + (${column(c)}) * ${bColumn})${walkB === 'inner' ? ' >> 2u' : ''};`);

  for (let r = 0; r < rows; r++) for (let v = 0; v < columns; v++) body.line(`var c${r}_${v} = vec4<f32>(0.0);`);
  body.block(`for (var p = ${body.zero}; p < ${k}; p += ${steps})`, () => {
    if (walkA === 'inner') for (let r = 0; r < rows; r++) body.line(`let a${r} = ${loadQuarter(a, `a${r}At + (p >> 2u)`)};`);
    if (walkB === 'inner') for (let c = 0; c < 4 * columns; c++) body.line(`let b${c} = ${loadQuarter(b, `b${c}At + (p >> 2u)`)};`);
    for (let s = 0; s < steps; s++) {
      const p = steps === 1 ? 'p' : `(p + ${s})`, lane = 'xyzw'[s]!;
      for (let v = 0; v < columns; v++) {
        const four = [0, 1, 2, 3].map((c) => v * 4 + c);
        body.line(`let b_${s}_${v} = ${walkB === 'other' ? loadQuarter(b, `b${v}At + ${p} * ${bK / 4}`)
          : walkB === 'inner' ? `vec4<f32>(${four.map((c) => `b${c}.${lane}`).join(', ')})`
          : `vec4<f32>(${four.map((c) => loadScalar(b, `b${c}At + ${p} * ${bK}`)).join(', ')})`};`);
      }
      if (walkA === 'other') for (let q = 0; q < rows / 4; q++) body.line(`let a_${s}_${q} = ${loadQuarter(a, `a${q}At + ${p} * ${aK / 4}`)};`);
      for (let r = 0; r < rows; r++) {
        const value = walkA === 'inner' ? `a${r}.${lane}` : walkA === 'other' ? `a_${s}_${r >> 2}.${'xyzw'[r & 3]}` : undefined;
        if (value === undefined) body.line(`let a_${s}_${r} = ${loadScalar(a, `a${r}At + ${p} * ${aK}`)};`);
        for (let v = 0; v < columns; v++) body.line(`c${r}_${v} = fma(vec4<f32>(${value ?? `a_${s}_${r}`}), b_${s}_${v}, c${r}_${v});`);
      }
    }
  });
  const sums = Array.from({ length: rows * columns }, (_, i) => `c${Math.floor(i / columns)}_${i % columns}`);
  body.line(`var tile = array<vec4<f32>, ${rows * columns}>(${sums.join(', ')});`);
  writeTile(bindings, body, kernel, 'tile', rows, columns);
  return assemble({ label: kernel.name, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [workgroup, 1] });
}

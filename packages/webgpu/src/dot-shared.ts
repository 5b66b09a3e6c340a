/**
 * A matrix product through workgroup memory, for GPUs: 64 threads compute a 32 × 32 tile, each 4 × 4 of it, over slices
 * of 32 along k. Both slices lie in workgroup memory as vec4 with k outermost, so that a turn reads two vec4 and does
 * sixteen multiply-adds.
 */
import { declareBatch, dotBindings, matrixStart, writeTile, type DotShape, type Walk } from './dot.js';
import type { SlotAccess } from './bindings.js';
import { Body } from './emitter.js';
import { loadScalar, loadVector } from './memory-access.js';
import { assemble, bodyFor, fold, type CompileContext, type Program } from './program.js';

const side = 32, threadsAcross = 8;

interface Operand {
  readonly access: SlotAccess;
  readonly walk: Walk;
  readonly start: string;
  readonly innerStride: number;
  readonly otherStride: number;
  /** Size of the axis that is not k, and its first element in this tile. */
  readonly size: number;
  readonly first: string;
}

/** Loads a 4 × 4 block (k from `p`, the other axis from `first + 4 · block`) and puts it in workgroup memory as four vec4, one a k. */
function loadBlock(body: Body, operand: Operand, k: number, p: string, block: string, target: string, slot: (s: number) => string): void {
  const { access, walk, start, innerStride, otherStride, size, first } = operand;
  const zero = 'vec4<f32>(0.0)';
  body.block('', () => {
    body.line(`let p = ${p};`);
    body.line(`let at = ${first} + ${block} * 4;`);
    if (walk === 'other') {
      body.line(`let safe = min(at, ${size - 4});`);
      for (let s = 0; s < 4; s++) body.line(`let x${s} = select(${zero}, ${loadVector(access, `${start} + min(p + ${s}, ${k - 1}) * ${innerStride} + safe`)}, p + ${s} < ${k});`);
    } else if (walk === 'inner') {
      body.line(`let safe = min(p, ${k - 4});`);
      for (let r = 0; r < 4; r++) body.line(`let y${r} = select(${zero}, ${loadVector(access, `${start} + min(at + ${r}, ${size - 1}) * ${otherStride} + safe`)}, p < ${k});`);
      for (let s = 0; s < 4; s++) body.line(`let x${s} = vec4<f32>(y0.${'xyzw'[s]}, y1.${'xyzw'[s]}, y2.${'xyzw'[s]}, y3.${'xyzw'[s]});`);
    } else {
      for (let s = 0; s < 4; s++) {
        const loads = [0, 1, 2, 3].map((r) => loadScalar(access, `${start} + min(p + ${s}, ${k - 1}) * ${innerStride} + min(at + ${r}, ${size - 1}) * ${otherStride}`));
        body.line(`let x${s} = select(${zero}, vec4<f32>(${loads.join(', ')}), p + ${s} < ${k});`);
      }
    }
    for (let s = 0; s < 4; s++) body.line(`${target}[${slot(s)}] = x${s};`);
  });
}

export function sharedDot(context: CompileContext, shape: DotShape): Program {
  const { kernel, batches } = shape, { m, n, k } = kernel, rank = kernel.batch.length + 2;
  const bindings = dotBindings(context, shape), body = bodyFor(context);
  const a = bindings.of(kernel.a.slot), b = bindings.of(kernel.b.slot);
  const columnTiles = Math.ceil(n / side), rowTiles = Math.ceil(m / side);
  const grid = fold(columnTiles * rowTiles * batches);

  body.line(`let tileNumber = ${grid.group};`);
  body.line(`if (tileNumber >= ${columnTiles * rowTiles * batches}) { return; }`);
  body.line('let across = i32(local.x);');
  body.line('let down = i32(local.y);');
  body.line(`let tileColumn = (tileNumber % ${columnTiles}) * ${side};`);
  body.line(`let tileRow = ((tileNumber / ${columnTiles}) % ${rowTiles}) * ${side};`);
  declareBatch(body, kernel, `(tileNumber / ${columnTiles * rowTiles})`);
  body.line(`let aStart = ${matrixStart(kernel.a, kernel.batch)};`);
  body.line(`let bStart = ${matrixStart(kernel.b, kernel.batch)};`);
  for (let r = 0; r < 4; r++) body.line(`var c${r} = vec4<f32>(0.0);`);
  const operandA: Operand = {
    access: a, walk: a.binding.vector ? shape.a : 'scalar', start: 'aStart', size: m, first: 'tileRow',
    otherStride: kernel.a.strides[rank - 2]!, innerStride: kernel.a.strides[rank - 1]!,
  };
  const operandB: Operand = {
    access: b, walk: b.binding.vector ? shape.b : 'scalar', start: 'bStart', size: n, first: 'tileColumn',
    otherStride: kernel.b.strides[rank - 1]!, innerStride: kernel.b.strides[rank - 2]!,
  };
  const quads = side / 4;
  // Neighbouring threads load along the contiguous axis.
  const load = (operand: Operand, target: string): void => {
    const [along, block] = operand.walk === 'other' ? ['down', 'across'] : ['across', 'down'];
    loadBlock(body, operand, k, `slice + ${along} * 4`, block, target, (s) => `(${along} * 4 + ${s}) * ${quads} + ${block}`);
  };
  body.block(`for (var slice = ${body.zero}; slice < ${k}; slice += ${side})`, () => {
    load(operandA, 'tileA');
    load(operandB, 'tileB');
    body.line('workgroupBarrier();');
    body.block(`for (var p = ${body.zero}; p < ${side}; p++)`, () => {
      body.line(`let x = tileA[p * ${quads} + down];`);
      body.line(`let y = tileB[p * ${quads} + across];`);
      for (let r = 0; r < 4; r++) body.line(`c${r} = fma(vec4<f32>(x.${'xyzw'[r]}), y, c${r});`);
    });
    body.line('workgroupBarrier();');
  });
  body.line('let firstRow = tileRow + down * 4;');
  body.line('let firstColumn = tileColumn + across * 4;');
  body.line('var tile = array<vec4<f32>, 4>(c0, c1, c2, c3);');
  writeTile(bindings, body, kernel, 'tile', 4, 1);
  const module = `var<workgroup> tileA: array<vec4<f32>, ${side * quads}>;\nvar<workgroup> tileB: array<vec4<f32>, ${side * quads}>;\n`;
  return assemble({ label: kernel.name, body, bindings: bindings.list, workgroups: grid.workgroups, workgroupSize: [threadsAcross, threadsAcross], module });
}

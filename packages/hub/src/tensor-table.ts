import type { Shape } from '@ashlar/tensor';

/**
 * A module of a file and the one of a model that it is. `N` in both stands for the layers, from 0. `transposed`: the file
 * has its weight as [in, out]; `row`: it has a vector as a matrix of one row. A single parameter may stand in a module's
 * place, with the file's whole name for it.
 */
export type ModulePair = readonly [stored: string, ours: string, layout?: 'transposed' | 'row'];

/** Where the tensors of a family's files stand in our models: one table, read both ways. */
export interface TensorTable {
  /** What stands before all names but those of the head; files of the bare model lack it. */
  readonly prefix: string;
  readonly modules: readonly ModulePair[];
  /** Modules that files may hold once more: the second must then equal the first, as where a head is tied. */
  readonly copies?: readonly ModulePair[];
  /** Tensors that are computed from the config. */
  readonly buffers?: RegExp;
  /** Tensors of heads that the model does without. */
  readonly unused?: RegExp;
}

/** One tensor of a file, and where it stands in a parameter. */
export interface TensorPlace {
  /** Its name in the file, and the shape that it has there. */
  readonly stored: string;
  readonly shape: Shape;
  readonly parameter: string;
  readonly parameterShape: Shape;
  /** Which rows of the parameter it is, from (inclusive) and to (exclusive). */
  readonly rows: readonly [from: number, to: number];
  /** Whether the file has it as [in, out]. */
  readonly transposed: boolean;
}

/** What is asked of a model: its parameters' shapes by name. */
export type ParameterShapes = ReadonlyMap<string, { readonly shape: Shape }>;

/** How the parts of a module are called in files (first) and in our models. */
const partNames: readonly (readonly [string, string])[] = [['weight', 'weight'], ['weight', 'gain'], ['bias', 'bias']];

/** Projections that our models may keep in one matrix. */
const packed = ['query', 'key', 'value'];

/**
 * Every tensor that a file of this model holds.
 * @throws {Error} where a parameter stands nowhere in the table.
 */
export function tensorPlaces(table: TensorTable, parameters: ParameterShapes): TensorPlace[] {
  const places = table.modules.flatMap((pair) => layered(pair, parameters).flatMap((one) => modulePlaces(one, parameters)));
  const covered = new Map<string, number>();
  for (const { parameter, rows: [from, to] } of places) covered.set(parameter, (covered.get(parameter) ?? 0) + to - from);
  for (const [name, { shape }] of parameters) {
    if (covered.get(name) !== (shape[0] ?? 1)) throw new Error(`the files of this family have no place for ${name} [${shape.join(', ')}]`);
  }
  return places;
}

/** Tensors that files of this model may hold beside those of `tensorPlaces`, and what they must then equal. */
export function tensorCopies(table: TensorTable, parameters: ParameterShapes, places: readonly TensorPlace[]): TensorPlace[] {
  const names = new Set(places.map(({ stored }) => stored));
  return (table.copies ?? []).flatMap((pair) => layered(pair, parameters).flatMap((one) => modulePlaces(one, parameters))).filter(({ stored }) => !names.has(stored));
}

/** The pair of each layer that the model has. */
function layered([stored, ours, layout]: ModulePair, parameters: ParameterShapes): ModulePair[] {
  const place = ours.search(/\bN\b/);
  if (place < 0) return [[stored, ours, layout]];
  const start = ours.slice(0, place), names = [...parameters.keys()].filter((name) => name.startsWith(start));
  const depth = names.reduce((most, name) => Math.max(most, parseInt(name.slice(start.length), 10) + 1), 0);
  return Array.from({ length: depth }, (_, layer) => [stored.replace(/\bN\b/, String(layer)), ours.replace(/\bN\b/, String(layer)), layout]);
}

function modulePlaces([stored, ours, layout]: ModulePair, parameters: ParameterShapes): TensorPlace[] {
  const whole = parameters.get(ours);
  if (whole) return [place(stored, ours, whole.shape, [0, whole.shape[0] ?? 1], layout)];
  const found = partNames.flatMap(([theirs, part]) => {
    const shape = parameters.get(`${ours}.${part}`)?.shape;
    return shape ? [place(`${stored}.${theirs}`, `${ours}.${part}`, shape, [0, shape[0]!], layout)] : [];
  });
  return found.length > 0 ? found : packedPlaces(stored, ours, parameters, layout);
}

/** A third of the matrix that holds queries, keys and values. */
function packedPlaces(stored: string, ours: string, parameters: ParameterShapes, layout: ModulePair[2]): TensorPlace[] {
  const index = packed.findIndex((name) => ours.endsWith(`.${name}`));
  if (index < 0) return [];
  const matrix = `${ours.slice(0, ours.lastIndexOf('.'))}.qkv`;
  return partNames.flatMap(([theirs, part]) => {
    const shape = parameters.get(`${matrix}.${part}`)?.shape;
    if (!shape) return [];
    const rows = shape[0]! / packed.length;
    return [place(`${stored}.${theirs}`, `${matrix}.${part}`, shape, [index * rows, (index + 1) * rows], layout)];
  });
}

function place(stored: string, parameter: string, parameterShape: Shape, rows: readonly [number, number], layout: ModulePair[2]): TensorPlace {
  const shape = parameterShape.length === 0 ? parameterShape : [rows[1] - rows[0], ...parameterShape.slice(1)], transposed = layout === 'transposed' && shape.length === 2;
  return { stored, shape: transposed ? shape.toReversed() : layout === 'row' ? [1, ...shape] : shape, parameter, parameterShape, rows, transposed };
}

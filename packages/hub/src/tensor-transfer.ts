import { fromHalf } from '@ashlar/tensor';
import { SafetensorsError, type HostTensor, type StoredTensor } from './safetensors-format.js';
import { tensorCopies, tensorPlaces, type ParameterShapes, type TensorPlace, type TensorTable } from './tensor-table.js';

/** A file, or several that together hold one model, that give tensors by name. */
export interface TensorFiles {
  /** For errors. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, Pick<StoredTensor, 'shape'>>;
  read(name: string): HostTensor;
}

/** Parameters by name, f32. */
export type ParameterValues = Map<string, Float32Array>;

/**
 * The parameters of a model from the files of its family, and the names of the tensors that belong to other heads.
 *
 * @param options.prefix What stands before each name, such as `grad.`; default nothing.
 * @throws SafetensorsError where a tensor is missing, has another shape, is no float, or belongs to nothing in the model.
 */
export function readParameters(table: TensorTable, parameters: ParameterShapes, files: TensorFiles, { prefix = '' }: { readonly prefix?: string } = {}): { readonly values: ParameterValues; readonly unused: readonly string[] } {
  const places = tensorPlaces(table, parameters), nameOf = nameResolver(table, files, prefix), known = new Set<string>(), values: ParameterValues = new Map();
  for (const place of places) checkShape(files, nameOf(place.stored), place, `it is missing; it is the model's ${place.parameter}`);
  for (const place of places) {
    const name = nameOf(place.stored), size = place.parameterShape.reduce((product, length) => product * length, 1);
    if (!values.has(place.parameter)) values.set(place.parameter, new Float32Array(size));
    partOf(values.get(place.parameter)!, place).set(turned(floats(files, name), place));
    known.add(name);
  }
  for (const place of tensorCopies(table, parameters, places)) {
    const name = nameOf(place.stored);
    if (!files.tensors.has(name)) continue;
    checkShape(files, name, place);
    const copy = turned(floats(files, name), place), own = partOf(values.get(place.parameter)!, place);
    if (copy.some((value, i) => value !== own[i] && !(Number.isNaN(value) && Number.isNaN(own[i])))) throw failed(files, name, `the config ties it to ${places.find(({ parameter }) => parameter === place.parameter)!.stored}, and it differs from that`);
    known.add(name);
  }
  const others = [...files.tensors.keys()].filter((name) => name.startsWith(prefix) && !known.has(name) && !table.buffers?.test(name));
  const stranger = others.find((name) => !table.unused?.test(name));
  if (stranger !== undefined) throw failed(files, stranger, 'the model has no place for it');
  return { values, unused: others };
}

/** The tensors of a file of the family that holds these parameters. */
export function storedTensors(table: TensorTable, parameters: ParameterShapes, values: ReadonlyMap<string, Float32Array>): Map<string, HostTensor> {
  return new Map(tensorPlaces(table, parameters).map((place) => [place.stored, { dtype: 'f32', shape: place.shape, data: returned(partOf(values.get(place.parameter)!, place), place) }]));
}

/** Names as the file has them: all but the head may lack the prefix, and norms may have their old names. */
function nameResolver({ prefix: model }: TensorTable, { tensors }: TensorFiles, prefix: string): (name: string) => string {
  const bare = model !== '' && ![...tensors.keys()].some((name) => name.startsWith(prefix + model));
  return (name) => {
    const full = prefix + (bare && name.startsWith(model) ? name.slice(model.length) : name);
    if (tensors.has(full)) return full;
    const old = full.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta');
    return tensors.has(old) ? old : full;
  };
}

const failed = (files: TensorFiles, name: string, problem: string): SafetensorsError => new SafetensorsError(files.name, `tensor ${JSON.stringify(name)}`, problem);

function checkShape(files: TensorFiles, name: string, { shape }: TensorPlace, missing = ''): void {
  const found = files.tensors.get(name)?.shape;
  if (found === undefined) throw failed(files, name, missing);
  if (found.join() !== shape.join()) throw failed(files, name, `its shape must be [${shape.join(', ')}] by the model's config, got [${found.join(', ')}]`);
}

function floats(files: TensorFiles, name: string): Float32Array {
  const { dtype, data } = files.read(name);
  if (dtype === 'f32') return data as Float32Array;
  if (dtype === 'f16') return Float32Array.from(data, fromHalf);
  throw failed(files, name, `it must hold floats, got ${dtype}`);
}

/** The place's part of a whole parameter. */
function partOf(whole: Float32Array, { parameterShape: [, ...inner], rows: [from, to] }: TensorPlace): Float32Array {
  const row = inner.reduce((product, length) => product * length, 1);
  return whole.subarray(from * row, to * row);
}

/** As the parameter has it. */
const turned = (data: Float32Array, { transposed, shape }: TensorPlace): Float32Array => (transposed ? transpose(data, shape[0]!, shape[1]!) : data);
/** As the file has it. */
const returned = (data: Float32Array, { transposed, shape }: TensorPlace): Float32Array => (transposed ? transpose(data, shape[1]!, shape[0]!) : data);

/** [rows, columns] → [columns, rows] */
function transpose(data: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) out[column * rows + row] = data[row * columns + column]!;
  return out;
}

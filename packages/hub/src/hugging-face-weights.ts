import { fromHalf } from '@ashlar/tensor';
import type { DecoderDescription } from './hugging-face-config.js';
import { computedBuffers, modelPrefix, tensorSources, type TensorRole, type TensorSource } from './hugging-face-tensors.js';
import { SafetensorsError, type HostTensor, type StoredTensor } from './safetensors-format.js';

/** A file, or several that together hold one model, that give tensors by name. */
export interface TensorFiles {
  /** For errors. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, Pick<StoredTensor, 'shape'>>;
  read(name: string): HostTensor;
}

/**
 * The weights of a Hugging Face model as f32, by role, linear weights as [out, in].
 *
 * @param prefix What stands before each name, such as `grad.`; default nothing.
 * @throws SafetensorsError where a tensor is missing, has another shape, is no float, or belongs to nothing in the model.
 */
export function huggingFaceWeights(description: DecoderDescription, files: TensorFiles, prefix = ''): Map<TensorRole, HostTensor> {
  const resolve = nameResolver(description, files, prefix);
  const sources = tensorSources(description);
  const used = new Set<string>();
  const weights = new Map<TensorRole, HostTensor>();
  let last: { name: string; tensor: Float32Array } | undefined;
  for (const source of sources) {
    const name = resolve(source.name);
    const shape = files.tensors.get(name)?.shape;
    const fail = (problem: string) => new SafetensorsError(files.name, `tensor ${JSON.stringify(name)}`, problem);
    if (shape === undefined) throw fail(`it is missing; it is the model's ${source.role}`);
    if (shape.join() !== source.storedShape.join()) throw fail(`its shape must be [${source.storedShape.join(', ')}] by config.json, got [${shape.join(', ')}]`);
    if (last?.name !== name) last = { name, tensor: floats(files.read(name), fail) };
    used.add(name);
    weights.set(source.role, { dtype: 'f32', shape: source.shape, data: roleData(last.tensor, source) });
  }
  refuseOthers(description, files, prefix, resolve, used, weights);
  return weights;
}

/** Names as the file has them: all but the head may lack the model's prefix. */
function nameResolver({ family }: DecoderDescription, files: TensorFiles, prefix: string): (name: string) => string {
  const start = modelPrefix[family];
  const bare = ![...files.tensors.keys()].some((name) => name.startsWith(prefix + start));
  return (name) => prefix + (bare && name.startsWith(start) ? name.slice(start.length) : name);
}

function refuseOthers(
  description: DecoderDescription, files: TensorFiles, prefix: string, resolve: (name: string) => string, used: ReadonlySet<string>,
  weights: ReadonlyMap<TensorRole, HostTensor>,
): void {
  for (const name of files.tensors.keys()) {
    if (!name.startsWith(prefix) || used.has(name) || computedBuffers.test(name)) continue;
    const fail = (problem: string) => new SafetensorsError(files.name, `tensor ${JSON.stringify(name)}`, problem);
    if (description.tiedHead && name === resolve('lm_head.weight')) {
      const head = floats(files.read(name), fail), tokens = weights.get('tokens.weight')!.data;
      if (head.length !== tokens.length || head.some((value, i) => value !== tokens[i])) throw fail('config.json ties it to the token embedding, and it differs from that');
    } else {
      throw fail('the model that config.json describes has no place for it');
    }
  }
}

function floats({ dtype, data }: HostTensor, fail: (problem: string) => SafetensorsError): Float32Array {
  if (dtype === 'f32') return data as Float32Array;
  if (dtype === 'f16') return Float32Array.from(data, fromHalf);
  throw fail(`it must hold floats, got ${dtype}`);
}

/** The role's part of a stored tensor, transposed where it is stored as [in, out]. */
function roleData(stored: Float32Array, { storedShape, transpose, rows }: TensorSource): Float32Array {
  const [first = 1, second = 1] = storedShape;
  const [rowCount, columns] = transpose ? [second, first] : [first, stored.length / first];
  const [from, to] = rows ?? [0, rowCount];
  if (!transpose) return stored.slice(from * columns, to * columns);
  const out = new Float32Array((to - from) * columns);
  for (let row = from; row < to; row++) {
    for (let column = 0; column < columns; column++) out[(row - from) * columns + column] = stored[column * rowCount + row]!;
  }
  return out;
}

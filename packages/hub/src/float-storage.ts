import { toHalf } from '@ashlar/tensor';
import { SafetensorsError, type HostTensor, type WritableTensor } from './safetensors-format.js';

/** How floats are stored. */
export type FloatStorage = 'f32' | 'f16' | 'bf16';

/**
 * An f32 tensor as it is stored, each value rounded to the nearest, ties to even.
 * @throws SafetensorsError where a finite value would become infinite.
 */
export function storedAs(storage: FloatStorage, tensor: HostTensor, source: string, name: string): WritableTensor {
  if (storage === 'f32' || tensor.dtype !== 'f32') return tensor;
  const round = storage === 'f16' ? toHalf : toBfloat, infinity = storage === 'f16' ? 0x7c00 : 0x7f80, data = new Uint16Array(tensor.data.length);
  for (let i = 0; i < data.length; i++) {
    data[i] = round(tensor.data[i]!);
    if ((data[i]! & 0x7fff) === infinity && Number.isFinite(tensor.data[i])) {
      throw new SafetensorsError(source, `tensor ${JSON.stringify(name)}`, `element ${i} is ${tensor.data[i]}, which ${storage} cannot hold; store it as ${storage === 'f16' ? 'bf16 or f32' : 'f32'}`);
    }
  }
  return { dtype: storage, shape: tensor.shape, data };
}

const word = new Float32Array(1), bits = new Uint32Array(word.buffer);

/** The upper half of an f32, rounded. */
function toBfloat(value: number): number {
  word[0] = value;
  const [all] = bits as unknown as [number];
  return Number.isNaN(value) ? (all >>> 16) | 0x40 : (all + 0x7fff + ((all >>> 16) & 1)) >>> 16;
}

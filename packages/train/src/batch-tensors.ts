import { tensor, type Tensor } from '@ashlar/tensor';
import type { Batch } from '@ashlar/text';

/** What a model is told of a batch beside its tokens: `padding` (bool), `segments` [B, T]; `source`, `sourcePadding` (bool) [B, S]. Those that the batch has; with segments, positions restart in each document. */
export type LossInput = { readonly [Name in 'padding' | 'segments' | 'source' | 'sourcePadding']?: Tensor } & { readonly positions?: 'restart' };

/** A batch as tensors. */
export interface BatchTensors {
  readonly [name: string]: Tensor | LossInput | undefined;
  readonly tokens: Tensor;
  readonly targets: Tensor;
  readonly weights?: Tensor;
  readonly input?: LossInput;
}

/** The arrays of a batch as tensors of their shapes. */
export function batchTensors({ tokens, targets, weights, shape, ...others }: Batch): BatchTensors {
  const [B, T] = shape, shaped = (data: Int32Array | Float32Array): Tensor => tensor(data, { shape: data.length === B && T !== 1 ? [B] : shape });
  const input = Object.entries(others).map(([name, data]: [string, Int32Array | Uint32Array]) =>
    [name, tensor(data, { shape: [B, data.length / B], ...(data instanceof Uint32Array ? { dtype: 'bool' } : {}) })]);
  return {
    tokens: tensor(tokens, { shape }), targets: shaped(targets), ...(weights ? { weights: shaped(weights) } : {}),
    ...(input.length > 0 ? { input: { ...Object.fromEntries(input), ...(others.segments ? { positions: 'restart' } : {}) } as LossInput } : {}),
  };
}

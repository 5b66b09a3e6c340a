/** ONNX of a whole model, by its topology. */
import { Encoder, EncoderDecoder, type Decoder } from '@ashlar/models';
import type { DType, Shape, Tensor } from '@ashlar/tensor';
import { OnnxError, type OnnxModel } from './onnx-format.js';
import { onnxModel } from './onnx-model.js';

export interface ExportOnnxOptions {
  /** B, rows of a batch; default 1. */
  readonly batch?: number;
  /** T, tokens of a row; default: the longest that the model takes. */
  readonly length?: number;
  /** S, tokens of the source; for an encoder-decoder alone. Default: the longest that its encoder takes. */
  readonly sourceLength?: number;
  /**
   * Whether the model also takes which tokens are padding, bool [B, T] (of an encoder-decoder: of the source), for
   * attention with `keyPadding`. Default false. Causal attention needs none where padding stands at the end.
   */
  readonly padding?: boolean;
  /** Facts for whoever uses the file. */
  readonly metadata?: Readonly<Record<string, string>>;
}

type Inputs = Readonly<Record<string, Tensor>>;
interface Interface { readonly inputs: Readonly<Record<string, { readonly shape: Shape; readonly dtype: DType }>>; compute(inputs: Inputs): Inputs }

/**
 * A model as ONNX (opset 23), of fixed shapes. Token ids are int64:
 *
 * - decoder: `tokens` [B, T] → `logits` [B, T, V];
 * - encoder: `tokens` [B, T] → `logits` as its head gives them, or without a head `states` [B, T, C];
 * - encoder-decoder: `source` [B, S] and `target` [B, T] → `logits` [B, T, V];
 *
 * with `padding: true` also `padding`. Weights have the names that they have here.
 * @throws {OnnxError} where a length is missing, or the options do not fit the model.
 */
export function exportOnnx(model: Decoder | Encoder | EncoderDecoder, options: ExportOnnxOptions = {}): Promise<OnnxModel> {
  const { inputs, compute } = interfaceOf(model, options);
  return onnxModel(compute, { inputs, parameters: model.namedParameters(), name: 'ashlar', ...(options.metadata ? { metadata: options.metadata } : {}) });
}

function interfaceOf(model: Decoder | Encoder | EncoderDecoder, { batch = 1, length, sourceLength, padding = false }: ExportOnnxOptions): Interface {
  const ids = (name: string, given: number | undefined, most: number | undefined) => {
    const count = given ?? most;
    if (count === undefined) throw new OnnxError(`onnx: ${name} is missing, as the model has no maxLength; an ONNX graph of ours has fixed shapes`);
    for (const [what, size] of [['batch', batch], [name, count]] as const) if (!Number.isSafeInteger(size) || size < 1) throw new OnnxError(`onnx: ${what} must be a whole number from 1, got ${size}`);
    if (most !== undefined && count > most) throw new OnnxError(`onnx: ${name} must be at most the model's maxLength (${most}), got ${count}`);
    return { shape: [batch, count], dtype: 'i32' } as const;
  };
  if (model instanceof EncoderDecoder) {
    const source = ids('sourceLength', sourceLength, model.encoder.maxLength), target = ids('length', length, model.maxLength);
    return {
      inputs: { source, target, ...(padding ? { padding: { ...source, dtype: 'bool' as const } } : {}) },
      compute: (given) => ({ logits: model.logits(given['source']!, given['target']!, padding ? { source: { padding: given['padding'] } } : {}) }),
    };
  }
  if (sourceLength !== undefined) throw new OnnxError('onnx: sourceLength is of encoder-decoders alone; leave it out, and give length');
  const tokens = ids('length', length, model.maxLength), input = (given: Inputs) => (padding ? { padding: given['padding'] } : {});
  return {
    inputs: { tokens, ...(padding ? { padding: { ...tokens, dtype: 'bool' as const } } : {}) },
    compute: (given): Inputs => (model instanceof Encoder && !model.head ? { states: model.states(given['tokens']!, input(given)) } : { logits: model.logits(given['tokens']!, input(given)) }),
  };
}

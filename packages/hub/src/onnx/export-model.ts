/** ONNX of a whole model, by its topology, under the names that Optimum and transformers.js use. */
import { Encoder, EncoderDecoder, type Decoder } from '@ashlar/models';
import { arange, scalar, type DType, type Tensor } from '@ashlar/tensor';
import { FreeSizesError } from './free-sizes.js';
import { OnnxError, onnxTypes, type OnnxModel, type OnnxSize } from './onnx-format.js';
import { onnxModel, type OnnxFunction, type OnnxModelOptions } from './onnx-model.js';
import { PastStates } from './past-states.js';

export interface ExportOnnxOptions {
  /** B, rows of a batch; default: free. */
  readonly batch?: number | undefined;
  /** T, tokens of a row, or of a call; default: free. */
  readonly length?: number | undefined;
  /** S, tokens of the source; of an encoder-decoder alone. Default: free. */
  readonly sourceLength?: number | undefined;
  /** Whether the model takes `attention_mask` (of an encoder-decoder: of the source), 0 where a token is padding. Default: where its attention does. */
  readonly padding?: boolean | undefined;
  /** Facts for whoever uses the file. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

type Inputs = Record<string, { readonly shape: readonly OnnxSize[]; readonly dtype: DType }>;
interface Interface extends Pick<OnnxModelOptions, 'sizes' | 'limits' | 'derived'> { readonly inputs: Inputs; readonly compute: OnnxFunction }

/** Free sizes are called as Optimum calls them: who fills empty caches goes by these names. */
const names = { batch: 'batch_size', length: 'sequence_length', sourceLength: 'encoder_sequence_length', past: 'past_sequence_length' } as const;

/**
 * A model as ONNX (opset 23), which computes whole sequences. Token ids are int64; B, T and S are free where they are not
 * given:
 *
 * - decoder: `input_ids` [B, T] → `logits` [B, T, V];
 * - encoder: `input_ids` [B, T], with tokenTypes `token_type_ids` → `logits` as its head gives them, or without a head
 *   `last_hidden_state` [B, T, C];
 * - encoder-decoder: `input_ids` [B, S] and `decoder_input_ids` [B, T] → `logits` [B, T, V];
 *
 * and `attention_mask`, like `input_ids`, where attention takes padding. Weights have the names that they have here.
 * @throws {OnnxError} where the graph cannot be of free sizes, or the options do not fit the model.
 */
export function exportOnnx(model: Decoder | Encoder | EncoderDecoder, options: ExportOnnxOptions = {}): Promise<OnnxModel> {
  return written(model, model instanceof EncoderDecoder ? pair(model, options) : single(model, options), options);
}

/**
 * A decoder as ONNX (opset 23), which goes on from what it remembers: `input_ids` [B, T] and the `position_ids` [B, T] of
 * its tokens, `attention_mask` [B, P + T] where attention takes padding, and of each layer what it kept of P tokens before,
 * `past_key_values.N.key` and `.value` [B, G, P, D] → `logits` [B, T, V] and `present.N.key` and `.value`
 * [B, G, P + T, D], to be given next. P is 0 at first. Mixers that keep a state have `past_key_values.N.state` and the
 * like, zeros at first; they take `length: 1`, a token a call.
 *
 * The decoder of an encoder-decoder takes `input_ids`, `encoder_hidden_states` [B, S, C] and, with padding,
 * `encoder_attention_mask` [B, S]; its names are `past_key_values.N.decoder.key` and, of the source,
 * `past_key_values.N.encoder.key`, of no tokens in the first call and after it those of the first
 * `present.N.encoder.key`. Its encoder is `exportOnnx(model.encoder)`.
 * @throws {OnnxError} where the graph cannot be of free sizes, or the options do not fit. @throws {CombinationError} where the
 *   attention keeps no cache.
 */
export async function exportDecoderOnnx(model: Decoder | EncoderDecoder, options: ExportOnnxOptions = {}): Promise<OnnxModel> {
  const exported = await written(model, remembering(model, options), options), read = new Set(exported.nodes.flatMap(({ inputs }) => inputs));
  return { ...exported, inputs: exported.inputs.filter(({ name }) => name !== 'position_ids' || read.has(name)) };
}

async function written(model: Decoder | Encoder | EncoderDecoder, { compute, ...about }: Interface, { metadata }: ExportOnnxOptions): Promise<OnnxModel> {
  try {
    return await onnxModel(compute, { ...about, parameters: model.namedParameters(), name: 'ashlar', ...(metadata ? { metadata } : {}) });
  } catch (error) {
    if (!(error instanceof FreeSizesError)) throw error;
    throw new OnnxError(`${error.message}; parts that compute by blocks of tokens, such as mixers with a state and mixtures of experts, need fixed sizes: give length a number, and batch where that does not do`, { cause: error });
  }
}

/** A size that was given, or the name of a free one. */
function sizeOf(what: 'batch' | 'length' | 'sourceLength', given: number | undefined, most?: number | undefined): OnnxSize {
  if (given === undefined) return names[what];
  if (!Number.isSafeInteger(given) || given < 1) throw new OnnxError(`onnx: ${what} must be a whole number from 1, got ${given}`);
  if (most !== undefined && given > most) throw new OnnxError(`onnx: ${what} must be at most the model's maxLength (${most}), got ${given}`);
  return given;
}

function paddingOf(options: ExportOnnxOptions, taken: boolean): boolean {
  if (options.padding && !taken) throw new OnnxError('onnx: the model\'s attention takes no padding; leave out padding: true, and give rows of one length');
  return options.padding ?? taken;
}

/** True where a mask has 0. */
const masked = (mask: Tensor): Tensor => mask.eq(0);
/** Positions of whole sequences: where their length is free, a table of all of them is read. */
const positionsOf = (length: OnnxSize, tokens: Tensor): { readonly positions?: Tensor } => (typeof length === 'string' ? { positions: arange(tokens.shape[1]!) } : {});

function single(model: Decoder | Encoder, options: ExportOnnxOptions): Interface {
  if (options.sourceLength !== undefined) throw new OnnxError('onnx: sourceLength is of encoder-decoders alone; leave it out, and give length');
  const length = sizeOf('length', options.length, model.maxLength), ids = { shape: [sizeOf('batch', options.batch), length], dtype: 'i32' } as const;
  const padding = paddingOf(options, model.takesPadding), types = model.tokenTypes !== undefined;
  return {
    inputs: { input_ids: ids, ...(padding ? { attention_mask: ids } : {}), ...(types ? { token_type_ids: ids } : {}) },
    limits: { [names.length]: model.maxLength },
    compute: (given): Readonly<Record<string, Tensor>> => {
      const tokens = given['input_ids']!, input = { ...positionsOf(length, tokens), ...(padding ? { padding: masked(given['attention_mask']!) } : {}), ...(types ? { tokenTypes: given['token_type_ids'] } : {}) };
      return model instanceof Encoder && !model.head ? { last_hidden_state: model.states(tokens, input) } : { logits: model.logits(tokens, input) };
    },
  };
}

function pair(model: EncoderDecoder, options: ExportOnnxOptions): Interface {
  const batch = sizeOf('batch', options.batch), length = sizeOf('length', options.length, model.maxLength), sourceLength = sizeOf('sourceLength', options.sourceLength, model.encoder.maxLength);
  const ids = { shape: [batch, sourceLength], dtype: 'i32' } as const, padding = paddingOf(options, model.encoder.takesPadding);
  return {
    inputs: { input_ids: ids, ...(padding ? { attention_mask: ids } : {}), decoder_input_ids: { shape: [batch, length], dtype: 'i32' } },
    limits: { [names.length]: model.maxLength, [names.sourceLength]: model.encoder.maxLength },
    compute: (given): Readonly<Record<string, Tensor>> => {
      const source = given['input_ids']!, target = given['decoder_input_ids']!;
      return { logits: model.logits(source, target, { ...positionsOf(length, target), source: { ...positionsOf(sourceLength, source), ...(padding ? { padding: masked(given['attention_mask']!) } : {}) } }) };
    },
  };
}

/** Of the source: tokens that are kept, and those whose keys and values are computed now: all in the first call, none after it. */
const kept = 'past_encoder_sequence_length', fresh = 'new_encoder_sequence_length';

function remembering(model: Decoder | EncoderDecoder, options: ExportOnnxOptions): Interface {
  const isPair = model instanceof EncoderDecoder, decoder = isPair ? model.decoder : model;
  if (options.sourceLength !== undefined) throw new OnnxError('onnx: the source of a decoder with a cache is free; leave out sourceLength');
  const batch = sizeOf('batch', options.batch), length = sizeOf('length', options.length, decoder.maxLength), ids = { shape: [batch, length], dtype: 'i32' } as const;
  // Rows of a target begin at the same place: their masks and positions are not asked for.
  const padding = !isPair && paddingOf(options, decoder.takesPadding), source = `${kept} + ${fresh}`, sourcePadding = isPair && paddingOf(options, model.encoder.takesPadding);
  return {
    inputs: {
      input_ids: ids, ...(padding ? { attention_mask: { shape: [batch, `${names.past} + ${length}`], dtype: 'i32' } } : {}),
      ...(isPair ? { encoder_hidden_states: { shape: [batch, source, model.encoder.width], dtype: 'f32' } } : { position_ids: ids }),
      ...(sourcePadding ? { encoder_attention_mask: { shape: [batch, source], dtype: 'i32' } } : {}),
    },
    sizes: [names.past], limits: { [names.length]: decoder.maxLength },
    derived: {
      ...(padding ? { [names.past]: (to, sizeOf) => to.add('Sub', [sizeOf('attention_mask', 1), sizeOf('input_ids', 1)]) } : {}),
      ...(isPair ? { [fresh]: (to, sizeOf) => to.add('Mul', [sizeOf('encoder_hidden_states', 1), to.add('Cast', [to.add('Equal', [sizeOf('past_key_values.0.encoder.key', 2), to.integers([0])])], { to: { int: onnxTypes.int64 } })]) } : {}),
    },
    compute: (given, trace) => {
      const tokens = given['input_ids']!, T = tokens.shape[1]!, past = trace.sizes[names.past]!, mask = padding ? masked(given['attention_mask']!) : undefined;
      const states = new PastStates(trace, { past, freeLength: typeof length === 'string', isPair, mask, maxLength: decoder.maxLength, keptSource: trace.sizes[kept] });
      const start = scalar(past, 'i32'), logits = isPair
        ? model.cachedLogits(tokens, states, start, { encoded: given['encoder_hidden_states']!.slice(undefined, [0, trace.sizes[fresh]!]), ...(sourcePadding ? { sourcePadding: masked(given['encoder_attention_mask']!) } : {}) })
        : model.cachedLogits(tokens, states, start, { positions: given['position_ids'], ...(mask ? { padding: mask.slice(undefined, [past, past + T]) } : {}) });
      return { logits, ...states.present };
    },
  };
}

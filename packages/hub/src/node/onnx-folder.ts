import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Encoder, EncoderDecoder } from '@ashlar/models';
import { HuggingFaceConfigError } from '../config-keys.js';
import { writeHuggingFaceConfig } from '../hugging-face-config.js';
import { exportDecoderOnnx, exportOnnx, type ExportOnnxOptions } from '../onnx/export-model.js';
import type { OnnxModel } from '../onnx/onnx-format.js';
import { checkTokenizer, specialTokensOf, type WritableModel } from '../pretrained-model.js';
import { writeOnnx } from './onnx-file.js';
import { makeEmptyFolder, writeConfig, writeTokenizer } from './written-folder.js';

export interface SaveOnnxOptions extends Omit<ExportOnnxOptions, 'sourceLength'> {
  /** The `model_type` in config.json; default: the first family that has the model. */
  readonly family?: string | undefined;
}

/** What was written. */
export interface SavedOnnx {
  /** By their paths in the folder. */
  readonly graphs: Readonly<Record<string, OnnxModel>>;
  /** Why there is no config.json; absent: there is one. */
  readonly withoutConfig?: string;
}

/**
 * Writes a model as a folder that transformers.js and Optimum load: `onnx/model.onnx`, of a decoder with what it remembers,
 * or `onnx/encoder_model.onnx` and `onnx/decoder_model_merged.onnx`; `config.json`, and `tokenizer.json` where a tokenizer
 * is given. A model that is in no family has no config.json: it is served by whoever reads its graphs. Makes the folder,
 * which must be empty.
 * @throws {OnnxError} as `exportOnnx` and `exportDecoderOnnx`. @throws HuggingFaceConfigError where the model is not of the
 *   family that was asked for, or the folder is in use. @throws FileWriteError
 */
export async function saveOnnx(folder: string, { config, model, tokenizer, specialTokens = specialTokensOf(tokenizer), labels }: WritableModel, { family, ...options }: SaveOnnxOptions = {}): Promise<SavedOnnx> {
  if (tokenizer) checkTokenizer(tokenizer, model);
  let json: object | undefined, withoutConfig: string | undefined;
  try {
    json = writeHuggingFaceConfig(config, model.namedParameters(), { specialTokens, labels, ...(family === undefined ? {} : { family }) }).json;
  } catch (error) {
    if (family !== undefined || !(error instanceof HuggingFaceConfigError)) throw error;
    withoutConfig = error.message;
  }
  const graphs: Record<string, OnnxModel> = model instanceof EncoderDecoder
    ? { 'onnx/encoder_model.onnx': await exportOnnx(model.encoder, { ...options, length: undefined }), 'onnx/decoder_model_merged.onnx': await exportDecoderOnnx(model, options) }
    : { 'onnx/model.onnx': await (model instanceof Encoder ? exportOnnx(model, options) : exportDecoderOnnx(model, options)) };
  makeEmptyFolder(folder);
  mkdirSync(join(folder, 'onnx'));
  for (const [path, graph] of Object.entries(graphs)) writeOnnx(join(folder, path), graph);
  if (tokenizer) writeTokenizer(folder, tokenizer);
  // Weights are f32; transformers.js would else look for quantized ones in browsers.
  if (json) writeConfig(folder, { ...json, 'transformers.js_config': { dtype: 'fp32' } });
  return { graphs, ...(withoutConfig === undefined ? {} : { withoutConfig }) };
}

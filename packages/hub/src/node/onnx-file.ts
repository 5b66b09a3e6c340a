import { replaceFile } from '@ashlar/text/node';
import { onnxChunks, type OnnxModel } from '../onnx/onnx-format.js';

/**
 * Writes an .onnx file whole or not at all.
 * @throws {OnnxError} where it would be larger than the format allows. @throws FileWriteError where the file system refuses.
 */
export const writeOnnx = (path: string, model: OnnxModel): void => replaceFile(path, onnxChunks(model));

export { openSafetensors, readSafetensorsFile, writeSafetensors, type SafetensorsFile } from './node/safetensors-file.js';
export { openTensorFolder, type TensorFolder } from './node/tensor-folder.js';
export { loadHuggingFace, loadHuggingFaceTokenizer, saveHuggingFace, type SaveHuggingFaceOptions } from './node/hugging-face-folder.js';
export { loadLlama2c, loadLlama2cTokenizer } from './node/llama2c-file.js';
export { writeOnnx } from './node/onnx-file.js';
export { saveOnnx, type SavedOnnx, type SaveOnnxOptions } from './node/onnx-folder.js';
export { loadGguf, saveGguf } from './node/gguf-file.js';

export { openSafetensors, readSafetensorsFile, writeSafetensors, type SafetensorsFile } from './node/safetensors-file.js';
export { readHuggingFaceFolder, type HuggingFaceModel } from './node/hugging-face-folder.js';
export { loadHuggingFace } from './node/load-hugging-face.js';

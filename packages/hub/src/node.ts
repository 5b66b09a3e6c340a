export { openSafetensors, readSafetensorsFile, writeSafetensors, type SafetensorsFile } from './node/safetensors-file.js';

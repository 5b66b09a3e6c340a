export { maximumHeaderBytes, SafetensorsError, type HostTensor, type StoredDType, type StoredTensor } from './safetensors-format.js';
export { readSafetensors, safetensorsReader, type ByteSource, type Safetensors, type SafetensorsReader } from './safetensors-reader.js';
export { safetensorsBytes, safetensorsChunks, type Metadata, type NamedTensors } from './safetensors-writer.js';

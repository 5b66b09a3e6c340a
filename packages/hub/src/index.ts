export { maximumHeaderBytes, SafetensorsError, type HostTensor, type StoredDType, type StoredTensor } from './safetensors-format.js';
export { readSafetensors, safetensorsReader, type ByteSource, type Safetensors, type SafetensorsReader } from './safetensors-reader.js';
export { safetensorsBytes, safetensorsChunks, type Metadata, type NamedTensors } from './safetensors-writer.js';
export { describeHuggingFaceConfig, HuggingFaceConfigError, type Activation, type DecoderDescription } from './hugging-face-config.js';
export { tensorSources, type TensorRole, type TensorSource } from './hugging-face-tensors.js';
export { huggingFaceWeights, type TensorFiles } from './hugging-face-weights.js';
export { decoderConfig, decoderFromHuggingFace, parameterPlace, parametersOf, type ParameterPlace } from './hugging-face-decoder.js';

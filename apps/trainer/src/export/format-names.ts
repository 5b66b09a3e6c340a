/** Forms in which `ashlar export` writes a model; each is a row of the table in formats.ts. */
export const formatNames = ['onnx', 'hf', 'gguf'] as const;
export type FormatName = (typeof formatNames)[number];

export { applyTemperature, argmax, keepMinP, keepTopK, keepTopP, keepTypical, penalizeRepetition, softmax } from './filters.js';
export { checkSampling, distribution, draw, isGreedy, type SamplingOptions } from './sampling.js';
export { type ReadableModel, type ReaderOptions } from './reader.js';
export { ContextError, writer, type Writer, type ConstrainedText, type Constraint, type Ending, type Written, type WritingOptions } from './writer.js';
export { generate, type GenerateOptions } from './generate.js';
export { decoded, untilStop } from './text.js';
export { jsonOf, matching, type ConstraintOptions } from './constraint/constraint.js';
export { JsonSchemaError, jsonSchemaPattern, type JsonSchema } from './constraint/json-schema-pattern.js';
export { chatFormat, type ChatFormat, type ChatMessage } from './chat.js';

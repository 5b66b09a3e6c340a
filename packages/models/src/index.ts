export { Decoder, decoder, type DecoderInput, type DecoderOptions } from './decoder.js';
export { Encoder, encoder, type EmbedOptions, type EncoderInput, type EncoderOptions } from './encoder.js';
export { EncoderDecoder, encoderDecoder, type CachedPairInput, type EncoderDecoderOptions, type PairInput } from './encoder-decoder.js';
export type { ClassesHeadOptions, EncoderHead, EncoderHeadOptions, HeadTransformOptions, LanguageHeadOptions, Pooling, TokenClassesHeadOptions } from './encoder-heads.js';
export type { VocabularyHead, VocabularyHeadOptions } from './vocabulary-head.js';
export type { LayerStack, StackOptions } from './layer-stack.js';
export type { DropoutRates, Initialisation } from './initialisation.js';
export { documentPositions, type SequenceInput } from './sequence-input.js';
export type { ParameterCounts } from './parameter-counts.js';
export { CombinationError } from './combinations.js';
export { ConfigError, closedObject, describeProblems, parseConfig } from './config-errors.js';
export { catalogue, entriesOf, type AnyEntry, type CatalogueEntry, type OwnParts, type PartKind } from './catalogue.js';
export {
  build, decoderSchema, encoderDecoderSchema, encoderSchema, modelJsonSchema, modelSchema, modelSchemasWith, parseModelConfig,
  type ConfigInputWith, type DecoderConfig, type DecoderConfigInput, type EncoderConfig, type EncoderConfigInput, type EncoderDecoderConfig, type EncoderDecoderConfigInput, type Model, type ModelConfig, type ModelConfigInput, type ModelType,
} from './model-config.js';
export type { PartConfig } from './config-parts.js';
export { describeCatalogue, pairProblems, topologyProblems, type PairProblem, type PartDescription, type PartName, type PlaceProblem } from './compatibility.js';
export { presets, type PresetName } from './presets.js';
export type { GroupedSizes, Sizes } from './presets/sizes.js';
export { encoderHeadSchema } from './stack-config.js';

export { Decoder, decoder, type DecoderOptions, type DropoutRates, type Initialisation } from './decoder.js';
export { CombinationError } from './combinations.js';
export { ConfigError, closedObject, describeProblems, parseConfig } from './config-errors.js';
export { catalogue, type CatalogueEntry, type PartKind } from './catalogue.js';
export { build, decoderJsonSchema, decoderSchema, parseDecoderConfig, type DecoderConfig, type DecoderConfigInput, type PartConfig } from './decoder-config.js';
export { describeCatalogue, pairProblems, type PairProblem, type PartDescription, type PartName } from './compatibility.js';

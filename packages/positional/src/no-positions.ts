import { Module, type PositionalEncoding, type PositionalVariant } from '@ashlar/nn';

class NoPositions extends Module implements PositionalEncoding {}

/** Nothing: a causal model learns where tokens stand from what they see. Kazemnejad et al. 2023, arXiv 2305.19466. */
export const noPositions = (): PositionalVariant => ({ contract: 'positional/1', name: 'none', capabilities: { embed: false, rotate: false, scoreMod: false, bidirectional: true }, build: () => new NoPositions() });

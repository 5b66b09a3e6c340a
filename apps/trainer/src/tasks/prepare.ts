import { existsSync } from 'node:fs';
import type { Tokenizer } from '@ashlar/text';
import type { ResolvedConfig } from '../config/resolve.js';
import type { TaskName, TokenizerConfig } from '../config/sections.js';
import { exitCodes, Failure } from '../failure.js';
import { runFolder, type RunFolder } from '../run-folder.js';
import { classificationMaterials } from './classification.js';
import { languageModelMaterials } from './language-model.js';
import { maskedLanguageModelMaterials } from './masked-language-model.js';
import type { Materials } from './materials.js';
import { publishedLines } from './published.js';
import { sequenceToSequenceMaterials } from './sequence-to-sequence.js';
import { spanCorruptionMaterials } from './span-corruption.js';
import { readTokenizer } from './tokenizers.js';

const makers: Readonly<Record<TaskName, (config: ResolvedConfig) => Materials | Promise<Materials>>> = {
  languageModel: languageModelMaterials,
  maskedLanguageModel: maskedLanguageModelMaterials,
  classification: classificationMaterials,
  sequenceToSequence: sequenceToSequenceMaterials,
  spanCorruption: spanCorruptionMaterials,
};

/**
 * Opens the data of a config and builds its model. A run that was begun keeps the tokenizers that it learned or read from a file.
 *
 * @throws Failure with exit code 2 (config) or 3 (data), and the errors of the text package.
 */
export async function prepareMaterials(config: ResolvedConfig, run?: RunFolder): Promise<Materials> {
  if (config.data.source === undefined) throw new Failure(exitCodes.usage, 'no text to train on: add data.source to the config, or use --data FILE (or --data npm:NAME)');
  const materials = await makers[config.task](run ? { ...config, data: withKept(config.data, run) } : config), { tokenizer, targetTokenizer } = config.data;
  if (config.training.from !== undefined) checkSameTokens(materials, runFolder(config.training.from));
  return {
    ...materials, config: { ...materials.config, data: { ...materials.config.data, tokenizer, ...(targetTokenizer && { targetTokenizer }) } },
    measure: async (device, loss) => {
      const measures = await materials.measure(device, loss);
      return config.published ? { ...measures, lines: [...measures.lines, ...publishedLines(config.published)] } : measures;
    },
  };
}

/** Refuses to begin from a run whose parameters are for other tokens. */
function checkSameTokens({ tokenizer, targetTokenizer }: Materials, from: RunFolder): void {
  const check = (name: string, own: Tokenizer | undefined, path: string): void => {
    if (own === undefined || !existsSync(path) || JSON.stringify(own.toJSON()) === JSON.stringify(readTokenizer(path).toJSON())) return;
    throw new Failure(exitCodes.usage, `training.from: the run in ${from.shownPath} has other tokens than the data.${name} of this one; leave data.${name} out to take those of the run`);
  };
  check('tokenizer', tokenizer, from.tokenizer);
  check('targetTokenizer', targetTokenizer, from.targetTokenizer);
}

function withKept({ tokenizer, targetTokenizer, ...data }: ResolvedConfig['data'], run: RunFolder): ResolvedConfig['data'] {
  const kept = (config: TokenizerConfig, path: string): TokenizerConfig => (typeof config === 'object' && existsSync(path) ? { type: 'file', path } : config);
  return { ...data, tokenizer: kept(tokenizer, run.tokenizer), ...(targetTokenizer && { targetTokenizer: kept(targetTokenizer, run.targetTokenizer) }) };
}

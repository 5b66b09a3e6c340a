import { existsSync } from 'node:fs';
import type { ResolvedConfig } from '../config/resolve.js';
import type { TaskName, TokenizerConfig } from '../config/sections.js';
import { exitCodes, Failure } from '../failure.js';
import type { RunFolder } from '../run-folder.js';
import { classificationMaterials } from './classification.js';
import { languageModelMaterials } from './language-model.js';
import { maskedLanguageModelMaterials } from './masked-language-model.js';
import type { Materials } from './materials.js';
import { publishedLines } from './published.js';
import { sequenceToSequenceMaterials } from './sequence-to-sequence.js';
import { spanCorruptionMaterials } from './span-corruption.js';

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
  return {
    ...materials, config: { ...materials.config, data: { ...materials.config.data, tokenizer, ...(targetTokenizer && { targetTokenizer }) } },
    measure: async (device, loss) => {
      const measures = await materials.measure(device, loss);
      return config.published ? { ...measures, lines: [...measures.lines, ...publishedLines(config.published)] } : measures;
    },
  };
}

function withKept({ tokenizer, targetTokenizer, ...data }: ResolvedConfig['data'], run: RunFolder): ResolvedConfig['data'] {
  const kept = (config: TokenizerConfig, path: string): TokenizerConfig => (typeof config === 'object' && existsSync(path) ? { type: 'file', path } : config);
  return { ...data, tokenizer: kept(tokenizer, run.tokenizer), ...(targetTokenizer && { targetTokenizer: kept(targetTokenizer, run.targetTokenizer) }) };
}

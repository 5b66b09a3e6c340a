import type { ResolvedConfig } from '../config/resolve.js';
import type { TaskName } from '../config/sections.js';
import { exitCodes, Failure } from '../failure.js';
import { classificationMaterials } from './classification.js';
import { languageModelMaterials } from './language-model.js';
import { maskedLanguageModelMaterials } from './masked-language-model.js';
import type { Materials } from './materials.js';
import { sequenceToSequenceMaterials } from './sequence-to-sequence.js';

const makers: Readonly<Record<TaskName, (config: ResolvedConfig) => Materials | Promise<Materials>>> = {
  languageModel: languageModelMaterials,
  maskedLanguageModel: maskedLanguageModelMaterials,
  classification: classificationMaterials,
  sequenceToSequence: sequenceToSequenceMaterials,
};

/**
 * Opens the data of a config and builds its model.
 *
 * @throws Failure with exit code 2 (config) or 3 (data), and the errors of the text package.
 */
export async function prepareMaterials(config: ResolvedConfig): Promise<Materials> {
  if (config.data.source === undefined) throw new Failure(exitCodes.usage, 'no text to train on: add data.source to the config, or use --data FILE (or --data npm:NAME)');
  return makers[config.task](config);
}

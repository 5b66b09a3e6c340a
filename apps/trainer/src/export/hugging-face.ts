import { saveHuggingFace } from '@ashlar/hub/node';
import { formatCount } from '../progress/format.js';
import type { ExportFormat } from './formats.js';

/** A folder that Hugging Face's libraries load. */
export const huggingFaceFormat: ExportFormat = {
  options: ['storage', 'family'],
  async write({ model, config, tokenizer }, out, { storage, family }) {
    await saveHuggingFace(out, { config: { ...config.model, vocabulary: model.vocabulary }, model, tokenizer }, { ...(storage === undefined ? {} : { storage }), ...(family === undefined ? {} : { family }) });
    return `a Hugging Face folder, ${formatCount(model.parameterCount)} parameters in ${storage ?? 'f32'}`;
  },
};

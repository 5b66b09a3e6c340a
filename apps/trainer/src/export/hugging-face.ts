import { saveHuggingFace } from '@ashlar/hub/node';
import { formatCount } from '../progress/format.js';
import type { ExportFormat } from './formats.js';
import { writableModel } from './writable-model.js';

/** A folder that Hugging Face's libraries load. */
export const huggingFaceFormat: ExportFormat = {
  options: ['storage', 'family'],
  async write(run, out, { storage, family = run.config.family }) {
    await saveHuggingFace(out, writableModel(run), { ...(storage === undefined ? {} : { storage }), ...(family === undefined ? {} : { family }) });
    return `a Hugging Face folder, ${formatCount(run.model.parameterCount)} parameters in ${storage ?? 'f32'}`;
  },
};

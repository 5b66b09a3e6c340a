import { saveGguf } from '@ashlar/hub/node';
import { formatCount } from '../progress/format.js';
import type { ExportFormat } from './formats.js';

/** A file of llama.cpp, with the tokenizer. */
export const ggufFormat: ExportFormat = {
  options: ['storage'],
  async write({ model, config, tokenizer }, out, { storage }) {
    await saveGguf(out, { config: { ...config.model, vocabulary: model.vocabulary }, model, tokenizer }, { storage, name: config.name });
    return `GGUF, ${formatCount(model.parameterCount)} parameters in ${storage ?? 'f32'}`;
  },
};

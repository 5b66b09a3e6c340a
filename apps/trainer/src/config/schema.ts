import { decoderSchema } from '@ashlar/models';
import { z } from 'zod';
import { dataSection, sampleSection, trainingSection } from './sections.js';

/** Where the JSON Schema of configs stands in the repository. */
export const schemaFile = 'apps/trainer/schema/config.schema.json';

/** A model's own schema, save that the vocabulary may follow from the tokenizer and the longest sequence from the training. */
const modelSection = decoderSchema.extend({
  vocabulary: decoderSchema.shape.vocabulary.optional().describe('V, number of tokens; default: as many as the tokenizer has.'),
  maxLength: decoderSchema.shape.maxLength.describe('The longest sequence, in tokens; default: the context of the training.'),
});

/** The whole config of a training run. */
export const configSchema = z.strictObject({
  $schema: z.string().optional().describe('The address of this schema, for editors.'),
  name: z.string().regex(/^[A-Za-z0-9_][\w.-]*$/, 'must be letters, digits, dots, hyphens and underscores').optional().describe('Of the run; default: the name of the config file.'),
  model: modelSection,
  data: dataSection.prefault({}),
  training: trainingSection,
  sample: sampleSection.prefault({}),
});

export type ConfigInput = z.input<typeof configSchema>;
export type Config = z.output<typeof configSchema>;

/** The published JSON Schema of a config as people write it. */
export function configJsonSchema(): z.core.JSONSchema.BaseSchema {
  const schema = z.toJSONSchema(configSchema, { io: 'input' });
  return { $schema: schema.$schema, title: 'Ashlar training config', description: 'A model, the text it is trained on, and the course of the training. `ashlar train --config FILE` takes it as JSON or YAML.', ...schema };
}

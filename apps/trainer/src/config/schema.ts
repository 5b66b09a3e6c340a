import { decoderSchemaWith, type OwnParts } from '@ashlar/models';
import { z } from 'zod';
import { dataSection, sampleSection, trainingSection } from './sections.js';

/** Where the JSON Schema of configs stands in the repository. */
export const schemaFile = 'apps/trainer/schema/config.schema.json';

/** A model's own schema, save that the vocabulary may follow from the tokenizer and the longest sequence from the training. */
function modelSection(parts?: OwnParts) {
  const schema = decoderSchemaWith(parts);
  return schema.extend({
    vocabulary: schema.shape.vocabulary.optional().describe('V, number of tokens; default: as many as the tokenizer has.'),
    maxLength: schema.shape.maxLength.describe('The longest sequence, in tokens; default: the context of the training.'),
  });
}

/** The whole config of a training run, which may name parts of plugins. */
export const configSchemaWith = (parts?: OwnParts) => z.strictObject({
  $schema: z.string().optional().describe('The address of this schema, for editors.'),
  name: z.string().regex(/^[A-Za-z0-9_][\w.-]*$/, 'must be letters, digits, dots, hyphens and underscores').optional().describe('Of the run; default: the name of the config file.'),
  plugins: z.array(z.string().min(1)).optional().describe('Packages, or files from the folder of this config, with parts that the model names beside those of the catalogue: what each exports as parts.'),
  model: modelSection(parts),
  data: dataSection.prefault({}),
  training: trainingSection,
  sample: sampleSection.prefault({}),
});

export const configSchema = configSchemaWith();

export type ConfigInput = z.input<typeof configSchema>;
export type Config = z.output<typeof configSchema>;

/** The published JSON Schema of a config as people write it. */
export function configJsonSchema(of = configSchema): z.core.JSONSchema.BaseSchema {
  const schema = z.toJSONSchema(of, { io: 'input' });
  return { $schema: schema.$schema, title: 'Ashlar training config', description: 'A model, the text it is trained on, and the course of the training. `ashlar train --config FILE` takes it as JSON or YAML.', ...schema };
}

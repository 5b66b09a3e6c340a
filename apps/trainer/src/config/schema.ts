import { encoderHeadSchema, modelSchemasWith, type OwnParts } from '@ashlar/models';
import { z } from 'zod';
import { dataSection, publishedSection, sampleSection, taskNames, trainingSection } from './sections.js';

/** Where the JSON Schema of configs stands in the repository. */
export const schemaFile = 'apps/trainer/schema/config.schema.json';

/** A model's own schema, save that what the data decide need not be said, nor the longest sequence that the training has. */
function modelSection(parts?: OwnParts) {
  const { decoderSchema, encoderSchema, encoderDecoderSchema } = modelSchemasWith(parts), [language, classes] = encoderHeadSchema.options;
  const followed = {
    vocabulary: decoderSchema.shape.vocabulary.optional().describe('V, number of tokens; default: as many as the tokenizer has, and those that the task adds.'),
    maxLength: decoderSchema.shape.maxLength.describe('The longest sequence, in tokens; default: the context of the training.'),
  };
  const head = z.discriminatedUnion('type', [language, classes.extend({ classes: classes.shape.classes.optional().describe('How many; default: as many as the data have.') })]);
  return z.discriminatedUnion('modelType', [
    decoderSchema.extend(followed), encoderSchema.extend({ ...followed, head }),
    encoderDecoderSchema.extend({ ...followed, sourceVocabulary: encoderDecoderSchema.shape.sourceVocabulary.describe("Number of the source's tokens; default: as many as its tokenizer has.") }),
  ]);
}

/** The whole config of a training run, which may name parts of plugins. */
export const configSchemaWith = (parts?: OwnParts) => z.strictObject({
  $schema: z.string().optional().describe('The address of this schema, for editors.'),
  name: z.string().regex(/^[A-Za-z0-9_][\w.-]*$/, 'must be letters, digits, dots, hyphens and underscores').optional().describe('Of the run; default: the name of the config file.'),
  plugins: z.array(z.string().min(1)).optional().describe('Packages, or files from the folder of this config, with parts that the model names beside those of the catalogue: what each exports as parts.'),
  task: z.enum(taskNames).optional().describe('What is learned; default: what the model is for. languageModel (decoder): the next token. maskedLanguageModel (encoder with a language head): hidden tokens. classification (encoder with a head of classes): the label of a text. sequenceToSequence (encoderDecoder): the target of a source. spanCorruption (encoderDecoder, where it is named): hidden spans of a text, as T5.'),
  model: modelSection(parts),
  data: dataSection.prefault({}),
  training: trainingSection,
  sample: sampleSection.optional(),
  published: publishedSection.optional().describe('Results of others, which `ashlar eval` and the report show beside those of the run.'),
});

export const configSchema = configSchemaWith();

export type Config = z.output<typeof configSchema>;

/** The published JSON Schema of a config as people write it. */
export function configJsonSchema(of = configSchema, reused: 'ref' | 'inline' = 'ref'): z.core.JSONSchema.BaseSchema {
  const schema = z.toJSONSchema(of, { io: 'input', reused });
  return { $schema: schema.$schema, title: 'Ashlar training config', description: 'A model, the data it is trained on, and the course of the training. `ashlar train --config FILE` takes it as JSON or YAML.', ...schema };
}

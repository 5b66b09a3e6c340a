// Writes the published JSON Schema of model configs from the built package: pnpm --filter @ashlar/models schema
import { writeFileSync } from 'node:fs';
import { decoderJsonSchema } from '@ashlar/models';

writeFileSync(new URL('../schema/decoder.schema.json', import.meta.url), `${JSON.stringify(decoderJsonSchema(), null, 2)}\n`);

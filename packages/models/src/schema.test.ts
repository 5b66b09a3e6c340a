import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { modelJsonSchema } from './index.js';

test('the published JSON Schema is that of the code (pnpm --filter @ashlar/models schema writes it anew)', async () => {
  const schema = `${JSON.stringify(modelJsonSchema(), null, 2)}\n`;
  expect(schema).toContain('"additionalProperties": false');
  await expect(schema).toMatchFileSnapshot(fileURLToPath(new URL('../schema/model.schema.json', import.meta.url)));
});

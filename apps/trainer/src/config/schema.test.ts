import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { resolveConfigFile } from './resolve.js';
import { configJsonSchema, schemaFile } from './schema.js';

const root = new URL('../../../../', import.meta.url);
const configs = readdirSync(new URL('configs/', root));

test('the published JSON Schema is fresh (vitest -u writes it anew)', async () => {
  await expect(`${JSON.stringify(configJsonSchema(), undefined, 2)}\n`).toMatchFileSnapshot(fileURLToPath(new URL(schemaFile, root)));
});

describe('the configs of the repository', () => {
  test('there are some', () => {
    expect(configs).toContain('moby-dick.json');
    expect(configs).toContain('nanogpt-cpu.json');
  });

  test.each(configs)('%s resolves and names the schema', (name) => {
    const path = fileURLToPath(new URL(`configs/${name}`, root));
    const config = resolveConfigFile(path, { set: [] });
    expect(config.model.maxLength).toBe(config.training.context);
    const { $schema } = JSON.parse(readFileSync(path, 'utf8')) as { $schema: string };
    expect(new URL($schema, new URL('configs/', root)).href).toBe(new URL(schemaFile, root).href);
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { resolveConfig, resolveConfigFile } from './resolve.js';
import { createProgram } from '../program.js';
import { configJsonSchema, schemaFile } from './schema.js';

const root = new URL('../../../../', import.meta.url);
const configs = readdirSync(new URL('configs/', root));

test('the published JSON Schema is fresh (pnpm --filter @ashlar/trainer schema writes it anew)', async () => {
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

test('the config of the guide resolves, with the settings that it tries', () => {
  const guide = readFileSync(new URL('docs/guides/train-your-own.md', root), 'utf8');
  const [, yaml] = /^```yaml\n([\s\S]*?)^```$/m.exec(guide)!;
  const set = [...guide.matchAll(/--set (\S+)/g)].map(([, setting]) => setting!);
  expect(set.length).toBeGreaterThan(0);
  expect(resolveConfig(parse(yaml!) as Record<string, unknown>, { set }, 'guide').model).toMatchObject({ width: 192, maxLength: 64 });
});

test('the readme of the package names every option of every command', () => {
  const readme = readFileSync(new URL('apps/trainer/README.md', root), 'utf8');
  const program = createProgram({ stdout: { write: () => {} }, stderr: { write: () => {} } }, () => {});
  for (const command of program.commands.flatMap((one) => [one, ...one.commands])) {
    expect(readme).toContain(`\`${command.parent === program ? '' : `${command.parent!.name()} `}${command.name()}`);
    for (const option of command.options) expect(readme).toContain(option.long!);
  }
});

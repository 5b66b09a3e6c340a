import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ashlar, playground, rowsOf, type Playground } from '../test/ashlar-process.js';
import { resolveConfigFile } from './config/resolve.js';
import { main } from './main.js';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

let ground: Playground;
function write(file: string, text: string): void {
  mkdirSync(dirname(ground.at(file)), { recursive: true });
  writeFileSync(ground.at(file), text);
}
/** A package as its author would publish it. */
function plugin(name: string, code: string): void {
  write(`node_modules/${name}/package.json`, JSON.stringify({ name, type: 'module', exports: { '.': { default: './index.js' } } }));
  write(`node_modules/${name}/index.js`, code);
}
/** Runs `ashlar train` inside this process, where it ends before it builds a model. */
async function refused(...words: string[]): Promise<{ code: number; stderr: string }> {
  let stderr = '';
  const stream = (write: (text: string) => void) => ({ isTTY: false, columns: 80, write: (text: string) => { write(text); return true; } });
  const code = await main(['train', '--device', 'wasm', '--out', ground.at('refused'), ...words], { stdout: stream(() => {}), stderr: stream((text) => { stderr += text; }) });
  return { code, stderr };
}
/** The config of the playground with plugins and attention. */
function config(file: string, plugins: unknown, attention: object): string {
  const written = JSON.parse(readFileSync(ground.config, 'utf8')) as { model: object };
  write(file, JSON.stringify({ ...written, plugins, model: { ...written.model, attention, positional: 'none' } }));
  return ground.at(file);
}
const windowed = { type: 'windowed', heads: 2, windowKeys: 3 };

beforeAll(() => {
  ground = playground();
  const packages = fileURLToPath(new URL('../../../packages', import.meta.url));
  mkdirSync(ground.at('node_modules', '@ashlar'), { recursive: true });
  for (const name of ['attention', 'models', 'nn', 'tensor']) symlinkSync(`${packages}/${name}`, ground.at('node_modules', '@ashlar', name), 'junction');
  symlinkSync(fileURLToPath(new URL('../node_modules/zod', import.meta.url)), ground.at('node_modules', 'zod'), 'junction');
  plugin('windowed', `
import { multiHead, slidingWindow } from '@ashlar/attention';
import { entriesOf } from '@ashlar/models';
import '@ashlar/nn';
import { z } from 'zod';
export const parts = { attention: { windowed: entriesOf()({
  summary: 'A window', formula: 'softmax(Q Kᵀ, over 0 ≤ q − k < windowKeys) V', paper: 'unpublished', options: { heads: z.int().min(1), windowKeys: z.int().min(1) }, example: { heads: 2, windowKeys: 3 },
  create: ({ heads, windowKeys }) => multiHead({ heads, mask: slidingWindow(windowKeys) }, 'windowed'),
}) } };
`);
  plugin('plain', "import { z } from 'zod';\nexport const parts = { attention: { windowed: { options: { heads: z.int(), windowKeys: z.int() }, create: () => { throw new Error('not built'); } } } };\n");
  plugin('empty', 'export const other = 1;\n');
  plugin('broken', "throw new Error('out of order');\n");
  plugin('strange', "export const parts = { attentions: {} };\n");
  plugin('taken', "export const parts = { attention: { multiHead: {} } };\n");
  plugin('stale', 'export const parts = {};\n');
  write('node_modules/stale/node_modules/@ashlar/nn/package.json', JSON.stringify({ name: '@ashlar/nn', type: 'module', exports: './index.js' }));
  write('node_modules/stale/node_modules/@ashlar/nn/index.js', '');
});
afterAll(() => ground.remove());

describe('parts of plugins', () => {
  const few = ['--device', 'wasm', '--set', 'training.steps=6', '--set', 'sample.tokens=1', '--json'];

  test('are trained as the same part of the catalogue is, and known to the run afterwards', async () => {
    const [mine, same] = await Promise.all([
      ashlar(['train', '--config', config('mine.json', ['windowed'], windowed), '--out', ground.at('mine'), ...few]),
      ashlar(['train', '--config', config('same.json', undefined, { type: 'multiHead', heads: 2, mask: { type: 'slidingWindow', windowKeys: 3 } }), '--out', ground.at('same'), ...few]),
    ]);
    expect(mine).toMatchObject({ code: 0 });
    expect(same).toMatchObject({ code: 0 });
    expect(rowsOf(ground.at('mine', 'metrics.jsonl'))).toEqual(rowsOf(ground.at('same', 'metrics.jsonl')));
    expect((JSON.parse(readFileSync(ground.at('mine', 'config.json'), 'utf8')) as { plugins: string[] }).plugins[0]).toMatch(/windowed[/\\]index\.js$/);
    const written = await ashlar(['generate', '--run', ground.at('mine'), '--prompt', 'the ', '--tokens', '5', '--device', 'wasm'], { cwd: '/' });
    expect(written).toMatchObject({ code: 0, stdout: expect.stringMatching(/^the /) as string });
  });

  test.each<[string, unknown, object, string]>([
    ['that are not installed', ['nowhere'], windowed, 'plugins: "nowhere": it cannot be found from the folder of the config: install it there (npm install nowhere), or give a file such as "./dist/index.js"'],
    ['that are no file', ['./dist/mine.js'], windowed, 'plugins: "./dist/mine.js": there is no such file'],
    ['that export none', ['empty'], windowed, 'it must export parts: { attention: { mine: entry } }'],
    ['that fail', ['broken'], windowed, 'index.js: out of order'],
    ['of no family', ['strange'], windowed, 'there is no family "attentions"; the families are attention, positional'],
    ['with a name of the catalogue', ['taken'], windowed, 'there is attention multiHead already; leave one of them out'],
    ['named twice', ['plain', './node_modules/plain/index.js'], windowed, 'there is attention windowed already'],
    ['on another copy of our packages', ['stale'], windowed, 'it uses another copy of @ashlar/nn'],
    ['with an unknown option', ['plain'], { ...windowed, windowKey: 2 }, 'model.attention.windowKey: unknown key. Did you mean "windowKeys"?'],
    ['that are no list', 'windowed', windowed, 'plugins: must be an array, got "windowed"'],
  ])('%s are refused', async (_, plugins, attention, message) => {
    const { code, stderr } = await refused('--config', config('refused.json', plugins, attention));
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  test('are named in the config of the guide', () => {
    plugin('fading-window', "import { z } from 'zod';\nexport const parts = { attention: { fadingWindow: { options: { heads: z.int(), windowKeys: z.int(), fade: z.number() } } } };\n");
    write('guide.yaml', /^```yaml\n([\s\S]*?)^```$/m.exec(readFileSync(new URL('../../../docs/guides/new-attention.md', import.meta.url), 'utf8'))![1]!);
    expect(resolveConfigFile(ground.at('guide.yaml'), { set: ['model.attention.fade=0.3'] }).model.attention).toEqual({ type: 'fadingWindow', heads: 4, windowKeys: 64, fade: 0.3 });
  });

  test('are not named by --set', async () => {
    expect(await refused('--config', config('set.json', ['plain'], windowed), '--set', 'plugins=["empty"]')).toEqual({ code: 2, stderr: 'error: --set: plugins are named in the config alone\n' });
  });
});

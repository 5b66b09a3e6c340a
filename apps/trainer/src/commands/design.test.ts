import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { build } from '@ashlar/models';
import headless from '@xterm/headless';
import { afterAll, expect, test } from 'vitest';
import { resolveConfigFile } from '../config/resolve.js';
import { questions, type AnswerKey } from '../design/questions.js';
import { main } from '../main.js';
import { designCommand, type DesignCommandOptions, type DesignResult } from './design.js';

const folder = mkdtempSync(join(tmpdir(), 'ashlar-design-')), at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, contents: unknown): string => { writeFileSync(at(name), JSON.stringify(contents)); return at(name); };

/** Runs the command line inside this process. */
async function ashlar(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' };
  const stream = (name: 'stdout' | 'stderr') => ({ isTTY: false, columns: 80, write: (text: string) => { written[name] += text; return true; } });
  return { code: await main(['design', '--device', 'wasm', ...words], { stdout: stream('stdout'), stderr: stream('stderr') }), ...written };
}

/** A session in a terminal, in which keys are pressed as soon as a text stands there. */
async function session(options: DesignCommandOptions, keys: readonly (readonly [text: string, pressed: string])[]): Promise<string> {
  const output = Object.assign(new PassThrough(), { columns: 160, rows: 200, isTTY: true }), input = new PassThrough(), streams = { write: (text: string) => { output.write(text); } };
  const terminal = new headless.Terminal({ cols: 160, rows: 200, convertEol: true, allowProposedApi: true });
  output.on('data', (data: Buffer) => terminal.write(data));
  const shown = (): string => Array.from({ length: terminal.buffer.active.length }, (_, i) => terminal.buffer.active.getLine(i)!.translateToString(true)).join('\n').trimEnd();
  const ended = designCommand(options, { stdout: streams, stderr: streams }, { input, output });
  let problem: unknown;
  const settled = ended.catch((error: unknown) => { problem = error; });
  for (const [text, pressed] of keys) {
    await expect.poll(shown, { timeout: 20_000, interval: 10 }).toContain(text);
    input.write(pressed);
  }
  await settled;
  if (problem) throw problem as Error;
  await new Promise<void>((done) => { terminal.write('', done); });
  return shown();
}

const needed = ['--task', 'languageModel', '--data-size', '1.2MB', '--memory', '2GB', '--time', 'none', '--context', '64'];

test('a config with its plan, which a training takes, and which is not overwritten', async () => {
  const { code, stdout } = await ashlar(...needed, '--out', at('book.json'));
  expect(code).toBe(0);
  const { config, choices, plan, needs } = JSON.parse(readFileSync(at('book.plan.json'), 'utf8')) as Extract<DesignResult, { possible: true }>;
  expect(JSON.parse(readFileSync(at('book.json'), 'utf8'))).toEqual(config);
  expect(resolveConfigFile(at('book.json'), { set: [] })).toMatchObject({ name: 'book', training: config.training, model: { width: config.model.width } });
  expect(needs).toEqual({ task: 'languageModel', purpose: 'training', dataTokens: 1.2e6, context: 64, memory: 2e9 });
  expect(plan).toMatchObject({ parameters: (build(config.model, { seed: 'none' }) as { parameterCount: number }).parameterCount, steps: config.training.steps, fit: { fits: true } });
  for (const { key, reason } of choices) for (const text of [key, reason]) expect(stdout.replaceAll(/\s+/g, ' ')).toContain(text);
  expect(stdout).toMatch(/^written: .*book\.json, and .*book\.plan\.json with the reasons and the plan\nnext: .* train --config .*book\.json --data YOUR_TEXT\n$/m);
  expect(readdirSync(folder).filter((name) => name.startsWith('book')).length).toBe(2);

  expect(await ashlar(...needed, '--out', at('book.json'))).toMatchObject({ code: 2, stderr: expect.stringContaining('book.json is there already, and a design overwrites nothing; give another --out') });
  expect(await ashlar(...needed, '--out', at('book'))).toMatchObject({ code: 2, stderr: expect.stringContaining('book.plan.json is there already') });
});

test('answers from a file, options before them, and one JSON object', async () => {
  const answers = file('answers.json', { task: 'classification', classes: 4, dataSize: '500kB', context: 32, memory: '1GB', time: 'none' });
  const { code, stdout } = await ashlar('--answers', answers, '--context', '48', '--latency', '200ms', '--json', '--out', at('labels.json'));
  const result = JSON.parse(stdout) as DesignResult;
  expect([code, result.needs]).toEqual([0, { task: 'classification', purpose: 'training', dataTokens: 5e5, context: 48, classes: 4, memory: 1e9, latency: 0.2 }]);
  expect(result).toMatchObject({ possible: true, config: { task: 'classification', model: { modelType: 'encoder', maxLength: 48, head: { classes: 4 } } } });
  expect(resolveConfigFile(at('labels.json'), { set: [] }).task).toBe('classification');
});

test('needs that exclude each other: what would have to give, and nothing written', async () => {
  const { code, stdout, stderr } = await ashlar(...needed, '--context', '3000', '--memory', '3MB', '--json', '--out', at('none.json'));
  expect([code, existsSync(at('none.json')), (JSON.parse(stdout) as DesignResult).possible]).toEqual([2, false, false]);
  expect(stderr).toMatch(/a context of 3000 tokens does not go with 2\.86 MiB of memory: .*What would have to give: memory of at least .*; or a context of \d+ tokens/);
});

test.each([
  [['--data-size', '1MB'], '--task must be one of languageModel, maskedLanguageModel, classification, sequenceToSequence, got nothing'],
  [['--task', 'languageModel'], '--data-size must be such as 1MB; a novel has about 1MB, got nothing'],
  [['--task', 'poetry', '--data-size', 'much'], /--task must be .*, got "poetry"\n--data-size must be .*, got "much"/],
  [[...needed, '--classes', '3'], '--classes does not go with --task languageModel; leave it out'],
  [['--task', 'classification', '--data-size', '1MB'], '--classes must be a whole number from 2, got nothing'],
  [[...needed, '--purpose', 'inference'], '--time does not go with --purpose inference; leave it out'],
  [[...needed, '--latency', '20'], '--latency must be'],
  [['--answers', file('wrong.json', { dataSiz: '1MB' })], 'there is no question dataSiz. Did you mean'],
  [['--answers', file('list.json', { task: ['a'] })], 'task must be a text or a number, got ["a"]'],
])('refused: %j', async (words, message) => {
  expect(await ashlar(...words)).toMatchObject({ code: 2, stdout: '', stderr: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message) });
});

test('wrong answers given by option are refused before anything is asked', async () => {
  await expect(session({ device: 'wasm', json: false, out: at('never.json'), memory: 'lots' }, [])).rejects.toThrow('--memory must be such as 4GB');
});

test('in a terminal an answer that is none is asked for again, and an interruption leaves nothing behind', async () => {
  const before = readdirSync(folder);
  await expect(session({ device: 'wasm', json: false, out: at('left.json'), task: 'languageModel', purpose: 'training' }, [[questions.dataSize.text, 'much\r'], ['It must be such as 1MB', '\u00152MB\r'], [questions.context.text, '\u0003']]))
    .rejects.toMatchObject({ exitCode: 130, message: 'interrupted: nothing was written' });
  expect(readdirSync(folder)).toEqual(before);
});

/** What differs from machine to machine: times, speeds, bytes, the device. */
const settled = (text: string): string => text.replaceAll(`${folder}/`, '').replaceAll(/device: .*/g, 'device: …')
  .replaceAll(/\d[\d.,]* (ms|s|min|h|days)( \d+ (s|min))?\b/g, '…').replaceAll(/\d[\d.,]* [KMGT]?(iB|B|FLOP)(\/s)?/g, '…').replaceAll(/\s+/g, ' ').trim();

test('the guide shows what a terminal shows', async () => {
  const guide = readFileSync(new URL('../../../../docs/guides/design.md', import.meta.url), 'utf8'), blocks = [...guide.matchAll(/^```text\n(.*?)^```$/gms)].map(([, text]) => text!.split(/\n{2,}/).map(settled));
  const screen = settled(await session({ device: 'wasm', json: false, out: at('model.json') }, (Object.entries({ task: '\r', purpose: '\r', dataSize: '1.2MB\r', context: '\r', memory: '2GB\r', time: '8h\r', latency: '\r' }) as [AnswerKey, string][]).map(([key, pressed]) => [questions[key].text, pressed] as const)));
  const [command, ...words] = /^pnpm ashlar (design --task .*)$/m.exec(guide)![1]!.split(' '), refused = settled((await ashlar(...words)).stderr);
  expect([command, blocks.length]).toEqual(['design', 4]);
  for (const part of blocks.slice(0, 3).flat()) expect(screen).toContain(part);
  expect(refused).toBe(`device: … ${blocks[3]![0]}`);
});

import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readSafetensorsFile } from '@ashlar/hub/node';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ashlar, launch, playground, rowsOf, type Ended, type Playground } from '../test/ashlar-process.js';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 }); // each process has 100 s, on a machine that may be busy

let ground: Playground;
let first: Ended;
beforeAll(async () => {
  ground = playground();
  first = await ashlar(['train', '--config', ground.config, '--device', 'wasm', '--out', ground.at('first')]);
});
afterAll(() => ground.remove());

const train = (out: string, ...more: string[]) => ['train', '--config', ground.config, '--device', 'wasm', '--json', '--out', ground.at(out), ...more];

describe('ashlar train', () => {
  test('ends by itself and leaves all files of a run', () => {
    expect(first).toMatchObject({ code: 0, byItself: true });
    expect(readdirSync(ground.at('first')).sort()).toEqual(['checkpoint-40.safetensors', 'checkpoint-60.safetensors', 'config.json', 'metrics.jsonl', 'model.safetensors', 'report.html', 'tokenizer.json']);
    expect(rowsOf(ground.at('first', 'metrics.jsonl')).map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect(rowsOf(ground.at('first', 'metrics.jsonl')).filter(({ valLoss }) => valLoss !== undefined).map(({ step }) => step)).toEqual([20, 40, 60]);
    const config = JSON.parse(readFileSync(ground.at('first', 'config.json'), 'utf8')) as { model: object; data: object };
    expect(config.model).toMatchObject({ vocabulary: JSON.parse(readFileSync(ground.at('first', 'tokenizer.json'), 'utf8')).characters.length, maxLength: 8 });
    expect(config.data).toMatchObject({ source: ground.at('book.txt'), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  });

  test('learns', () => {
    const rows = rowsOf(ground.at('first', 'metrics.jsonl'));
    expect(rows[0]!.loss).toBeGreaterThan(2.8);
    expect(rows.at(-1)!.valLoss).toBeLessThan(rows[19]!.valLoss!);
    expect(rows.at(-1)!.valLoss).toBeLessThan(2.75);
  });

  test('says on stderr which device and why; prints lines and the sample to stdout', () => {
    expect(first.stderr).toMatch(/^device: wasm, .*\(asked for\)$/m);
    expect(first.stdout).toMatch(/^step 60\/60 · loss [\d.]+ · validation [\d.]+ · [\d,]+ tokens\/s$/m);
    const sample = first.stdout.split('\n').slice(-2)[0]!;
    expect(sample.startsWith('the ')).toBe(true);
    expect(sample).toHaveLength(4 + 20);
    expect(readFileSync(ground.at('first', 'report.html'), 'utf8')).toContain(sample.slice(4));
  });

  test('the same seed gives the same losses and prints the rows as JSON; another seed gives others', async () => {
    const [again, other] = await Promise.all([ashlar(train('again')), ashlar(train('other', '--seed', '2', '--set', 'sample.tokens=1'))]);
    expect(again.code).toBe(0);
    expect(again.stdout).toBe(readFileSync(ground.at('again', 'metrics.jsonl'), 'utf8'));
    expect(rowsOf(ground.at('again', 'metrics.jsonl'))).toEqual(rowsOf(ground.at('first', 'metrics.jsonl')));
    expect(other.code).toBe(0);
    expect(rowsOf(ground.at('other', 'metrics.jsonl')).map(({ loss }) => loss)).not.toEqual(rowsOf(ground.at('first', 'metrics.jsonl')).map(({ loss }) => loss));
  });

  test('without --out, runs have names of their own', async () => {
    const words = ['train', '--config', ground.config, '--device', 'wasm', '--set', 'training.steps=6', '--set', 'sample.tokens=1', '--json'];
    const ended = await Promise.all([ashlar(words, { cwd: ground.folder }), ashlar(words, { cwd: ground.folder })]);
    expect(ended.map(({ code }) => code)).toEqual([0, 0]);
    const runs = readdirSync(ground.at('runs'));
    expect(runs).toHaveLength(2);
    for (const run of runs) {
      expect(run).toMatch(/^tiny-\d{8}-\d{6}(-2)?$/);
      expect(existsSync(ground.at('runs', run, 'report.html'))).toBe(true);
    }
  });

  test('a folder in use is refused with what to do', async () => {
    const before = readFileSync(ground.at('first', 'metrics.jsonl'), 'utf8');
    expect(await ashlar(train('first'))).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('holds a finished run, which is never overwritten; give another --out') });
    expect(await ashlar(train('first', '--resume'))).toMatchObject({ code: 2, stderr: expect.stringContaining('is finished; its report is') });
    expect(await ashlar(train('.'))).toMatchObject({ code: 2, stderr: expect.stringContaining('is in use and holds no run') });
    expect(readFileSync(ground.at('first', 'metrics.jsonl'), 'utf8')).toBe(before);
  });
});

const long = ['--set', 'training.steps=1500', '--set', 'training.checkpointEvery=30', '--set', 'training.evaluateEvery=250', '--set', 'sample.tokens=5'];

describe('a run that was killed', () => {
  test('goes on and gives exactly the losses of one that was not', async () => {
    const whole = ashlar(train('whole', ...long));
    const kills = [10, 80, 45];
    for (const [i, rows] of kills.entries()) {
      const running = launch(train('killed', ...long, ...(i === 0 ? [] : ['--resume'])));
      await running.lines(rows);
      running.child.kill('SIGKILL');
      expect((await running.ended).signal).toBe('SIGKILL');
    }
    writeFileSync(ground.at('killed', 'metrics.jsonl'), readFileSync(ground.at('killed', 'metrics.jsonl'), 'utf8').slice(0, -20)); // the last row half written
    for (const file of ['checkpoint-120.safetensors', 'metrics.jsonl', 'config.json', 'report.html']) writeFileSync(ground.at('killed', `.${file}.1-0.tmp`), 'half');
    const last = await ashlar(['train', '--resume', '--device', 'wasm', '--json', '--out', ground.at('killed')]);
    expect(last).toMatchObject({ code: 0, byItself: true, stderr: expect.stringMatching(/going on after step \d+/) });
    expect((await whole).code).toBe(0);
    expect(rowsOf(ground.at('killed', 'metrics.jsonl'))).toEqual(rowsOf(ground.at('whole', 'metrics.jsonl')));
    expect(readdirSync(ground.at('killed')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    const [one, other] = ['killed', 'whole'].map((run) => readSafetensorsFile(ground.at(run, 'model.safetensors')).tensors);
    expect(one).toEqual(other);
  });

  test('while its folder was being made begins anew', async () => {
    mkdirSync(ground.at('made'));
    writeFileSync(ground.at('made', '.config.json.1-0.tmp'), '{');
    const ended = await ashlar(train('made', '--set', 'training.steps=6', '--resume'));
    expect(ended).toMatchObject({ code: 0, byItself: true });
    expect(readdirSync(ground.at('made')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('before its first checkpoint begins anew, once its process is gone; a damaged checkpoint is passed over for the one before it', async () => {
    const running = launch(train('early', ...long));
    await running.lines(5);
    running.child.kill('SIGSTOP');
    expect(await ashlar(train('early', ...long, '--resume'))).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(`is being trained by process ${running.child.pid} on `) });
    running.child.kill('SIGKILL');
    await running.ended;
    const second = launch(train('early', ...long, '--resume'));
    await second.lines(100);
    second.child.kill('SIGKILL');
    expect((await second.ended).stderr).toContain('no checkpoint was written yet: beginning at step 1');

    const steps = readdirSync(ground.at('early')).flatMap((name) => /^checkpoint-(\d+)/.exec(name)?.[1] ?? []).map(Number).sort((a, b) => b - a);
    expect(steps).toHaveLength(2);
    const newest = ground.at('early', `checkpoint-${steps[0]}.safetensors`);
    const bytes = readFileSync(newest);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(newest, bytes);
    const last = await ashlar(train('early', ...long, '--resume'));
    expect(last).toMatchObject({ code: 0, stderr: expect.stringContaining('do not match their checksum; going back to the checkpoint before it') });
    expect(last.stderr).toContain(`going on after step ${steps[1]}`);
    expect(rowsOf(ground.at('early', 'metrics.jsonl'))).toEqual(rowsOf(ground.at('whole', 'metrics.jsonl')));
  });

  test('is not gone on with by another config or text', async () => {
    const running = launch(train('fixed', ...long));
    await running.lines(35);
    running.child.kill('SIGKILL');
    await running.ended;
    expect(await ashlar(train('fixed', ...long, '--set', 'training.batch=5', '--resume'))).toMatchObject({ code: 2, stderr: expect.stringContaining('training.batch is 4 in the run and 5 now') });
    expect(await ashlar(['train', '--resume', '--out', ground.at('fixed'), '--seed', '8'])).toMatchObject({ code: 2, stderr: expect.stringContaining('training.seed is 1 in the run and 8 now') });
    const book = readFileSync(ground.at('book.txt'), 'utf8');
    writeFileSync(ground.at('book.txt'), book.replace('whale', 'whales'));
    const changed = await ashlar(['train', '--resume', '--out', ground.at('fixed'), '--device', 'wasm']);
    writeFileSync(ground.at('book.txt'), book);
    expect(changed).toMatchObject({ code: 3, stderr: expect.stringContaining('the text is not the one of the config') });
  });

  test('goes on where its text has moved, and with another sample if that is asked for', async () => {
    const running = launch(train('moved', ...long));
    await running.lines(35);
    running.child.kill('SIGKILL');
    await running.ended;
    copyFileSync(ground.at('book.txt'), ground.at('elsewhere.txt'));
    const ended = await ashlar(['train', '--resume', '--out', ground.at('moved'), '--device', 'wasm', '--data', ground.at('elsewhere.txt'), '--set', 'sample.prompt=whale', '--set', 'sample.tokens=3']);
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^whale.{3}$/m) });
    expect(rowsOf(ground.at('moved', 'metrics.jsonl'))).toEqual(rowsOf(ground.at('whole', 'metrics.jsonl')));
    expect(JSON.parse(readFileSync(ground.at('moved', 'config.json'), 'utf8'))).toMatchObject({ data: { source: ground.at('elsewhere.txt') }, sample: { prompt: 'whale' } });
  });
});

describe('SIGINT', () => {
  test('finishes the step, writes a checkpoint, says how to go on, and ends with 130', async () => {
    const running = launch(train('interrupted', ...long));
    await running.lines(33);
    running.child.kill('SIGINT');
    const ended = await running.ended;
    expect(ended).toMatchObject({ code: 130, byItself: true });
    const rows = rowsOf(ground.at('interrupted', 'metrics.jsonl')), step = rows.at(-1)!.step;
    expect(step).toBeLessThan(1500);
    expect(existsSync(ground.at('interrupted', `checkpoint-${step}.safetensors`))).toBe(true);
    expect(ended.stderr).toContain(`stopped after step ${step} of 1,500; its checkpoint is written. go on with: node `);
    const advice = /train --resume --out (\S+)/.exec(ended.stderr)![1]!;
    expect(await ashlar(['train', '--resume', '--out', advice, '--device', 'wasm', '--json'])).toMatchObject({ code: 0 });
    expect(rowsOf(ground.at('interrupted', 'metrics.jsonl'))).toEqual(rowsOf(ground.at('whole', 'metrics.jsonl')));
  });

  test('a second one ends at once, and nothing that was written is lost', async () => {
    const slow = ['--set', 'model.width=64', '--set', 'training.batch=32', '--set', 'training.evaluateEvery=300', '--set', 'training.checkpointEvery=2', '--set', 'training.steps=300'];
    const running = launch(['train', '--config', ground.config, '--device', 'reference', '--json', '--out', ground.at('twice'), ...slow]);
    await running.lines(3);
    running.child.kill('SIGINT');
    await new Promise((resolve) => { setTimeout(resolve, 100); });
    running.child.kill('SIGINT');
    const ended = await running.ended;
    expect(ended).toMatchObject({ code: 130, byItself: true });
    expect(ended.stderr).not.toContain('stopped after step');
    expect(rowsOf(ground.at('twice', 'metrics.jsonl')).map(({ step }) => step).slice(0, 3)).toEqual([1, 2, 3]);
    expect(existsSync(ground.at('twice', 'checkpoint-2.safetensors'))).toBe(true);
  });
});

import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ashlar, cli, launchProgram, playground, rowsOf, type Playground } from '../test/ashlar-process.js';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 }); // each process has 100 s, on a machine that may be busy

let ground: Playground;
let run: string;
beforeAll(async () => {
  ground = playground();
  run = ground.at('run');
  const { code, stderr } = await ashlar(['train', '--config', ground.config, '--device', 'wasm', '--out', run, '--set', 'training.steps=20', '--set', 'sample.tokens=1']);
  if (code !== 0) throw new Error(stderr);
});
afterAll(() => ground.remove());

const train = (...more: string[]) => ['train', '--config', ground.config, '--device', 'wasm', '--out', ground.at('never'), ...more];

/** One line on stderr beside the device's, the exit code, no stack trace, nothing on stdout. */
async function refused(words: readonly string[], code: number, message: string | RegExp): Promise<void> {
  const ended = await ashlar(words, { cwd: ground.folder });
  expect(ended.stderr).toMatch(message);
  expect(ended).toMatchObject({ code, stdout: '', byItself: true });
  expect(ended.stderr).not.toMatch(/^\s+at |node:internal/m);
  expect(ended.stderr.split('\n').filter((line) => line.startsWith('error: '))).toHaveLength(1);
}

describe('a text that cannot be trained on', () => {
  test('is missing', () => refused(train('--data', 'none.txt'), 3, 'none.txt: there is no such file'));
  test('is empty', () => {
    writeFileSync(ground.at('empty.txt'), '');
    return refused(train('--data', 'empty.txt'), 3, 'empty.txt: the text is empty');
  });
  test('is a folder without texts', () => {
    mkdirSync(ground.at('bare'));
    return refused(train('--data', 'bare'), 3, 'is a folder without .txt, .jsonl or .parquet files');
  });
  test('is shorter than the context', () => {
    writeFileSync(ground.at('short.txt'), 'the sea!');
    return refused(train('--data', 'short.txt', '--set', 'data.validation=0.3'), 3, 'a context of 8 needs a text of at least 9 tokens, got 5');
  });
  test('is too short to hold anything out', () => {
    writeFileSync(ground.at('short.txt'), 'the sea and the ship');
    return refused(train('--data', 'short.txt', '--set', 'data.validation=0.05'), 3, /short\.txt: 20 tokens .*held-out fraction 0.05/);
  });
  test('is not UTF-8', () => {
    writeFileSync(ground.at('latin.txt'), Buffer.concat([Buffer.from('the caf'), Buffer.of(0xe9), Buffer.from(' of the whale '.repeat(20))]));
    return refused(train('--data', 'latin.txt'), 3, 'latin.txt: invalid UTF-8 at byte 7');
  });
  test('is a package that is not installed', () => refused(train('--data', 'npm:ashlar-no-such-text'), 3, 'the package ashlar-no-such-text is not installed'));
  test('is not named', () => {
    writeFileSync(ground.at('no-text.json'), JSON.stringify({ ...JSON.parse(readFileSync(ground.config, 'utf8')) as object, data: {} }));
    return refused(['train', '--config', 'no-text.json', '--out', 'never'], 2, 'add data.source to the config, or use --data FILE');
  });
});

describe('a config that cannot work', () => {
  test('heads do not divide the width', () => refused(train('--set', 'model.attention.heads=3'), 2, 'heads must divide the width (16), got 3'));
  test('an unknown key', () => refused(train('--set', 'training.stepz=3'), 2, 'training.stepz: unknown key. Did you mean "steps"?'));
  test('a missing file', () => refused(['train', '--config', 'none.json'], 2, 'none.json: there is no such config file'));
  test('no config at all', () => refused(['train'], 2, 'train needs a config: --config FILE'));
  test('nothing to go on with', () => refused(['train', '--resume', '--config', ground.config], 2, 'there is no unfinished run of tiny in runs/'));
  test('a vocabulary smaller than the text has', () => refused(train('--set', 'model.vocabulary=5'), 2, /model\.vocabulary must be at least \d+/));
  test('a prompt of the sample that the text cannot write', () => refused(train('--set', 'sample.prompt=Ωmega'), 2, /sample\.prompt: .*"Ω" \(U\+03A9\)/));
});

test('a cache that cannot be made', async () => {
  expect(await ashlar(train(), { env: { ASHLAR_CACHE: ground.at('book.txt', 'cache') } })).toMatchObject({ code: 5, stderr: expect.stringContaining('set ASHLAR_CACHE to a folder that can be written') });
});

test('none of these has left anything behind', () => {
  expect(readdirSync(ground.folder).filter((name) => name === 'never' || name === 'runs')).toEqual([]);
});

describe('words that are not understood', () => {
  test.each([[['trian'], "unknown command 'trian'"], [['train', '--confg', 'x'], "unknown option '--confg'"], [['generate', '--run', 'x'], 'generate needs --prompt TEXT, or --chat'], [['train', '--seed', 'x'], 'It must be a whole number from 0.'], [['generate', '--run', 'x', '--prompt', 'x', '--top-p', '2'], 'It must be a number above 0 and at most 1.']])('%j', (words, message) => refused(words, 2, message));
  test('help is no error', async () => {
    expect(await ashlar(['train', '--help'])).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('--config <file>') });
    expect((await ashlar(['--help'])).stdout).toContain('Exit codes: 0 done, 1 trouble at run time, 2 usage or config, 3 text, model or checkpoint file');
  });
});

describe('a device that is not there', () => {
  test.each([[['train', '--config', 'tiny.json']], [['generate', '--run', 'run', '--prompt', 'the']], [['eval', '--run', 'run']]])('%j', (words) =>
    refused([...words, '--device', 'wasmm'], 4, '--device wasmm: unknown device. Did you mean "wasm"? There are auto, webgpu, wasm, reference'));
});

describe('a run that cannot be read', () => {
  const generate = (folder: string, prompt = 'the ') => ['generate', '--run', folder, '--prompt', prompt, '--tokens', '3', '--device', 'wasm'];
  /** A copy of the run with something done to it. */
  const broken = (name: string, breakIt: (at: (file: string) => string) => void): string => {
    mkdirSync(ground.at(name));
    for (const file of ['config.json', 'tokenizer.json', 'model.safetensors']) copyFileSync(ground.at('run', file), ground.at(name, file));
    breakIt((file) => ground.at(name, file));
    return ground.at(name);
  };

  test('an unknown token in the prompt', () => refused(generate(run, 'the Ω'), 2, /--prompt: .*"Ω" \(U\+03A9\) at position 4; .*known characters/));
  test('an empty prompt', () => refused(generate(run, ''), 2, '--prompt: must hold at least one character'));
  test('no such folder', () => refused(generate('nowhere'), 3, '--run nowhere: there is no such folder'));
  test('a folder that is no run', () => refused(generate('.'), 3, 'config.json: there is no such file: is this the folder of a run?'));
  test('model.safetensors cut off', () => refused(generate(broken('cut', (at) => truncateSync(at('model.safetensors'), 3000))), 3, /cut\/model\.safetensors: /));
  test('model.safetensors that is empty', () => refused(generate(broken('void', (at) => truncateSync(at('model.safetensors'), 0))), 3, /void\/model\.safetensors: /));
  test('model.safetensors with a broken header', () => refused(generate(broken('header', (at) => {
    const bytes = readFileSync(at('model.safetensors'));
    bytes[9] = 0;
    writeFileSync(at('model.safetensors'), bytes);
  })), 3, /header\/model\.safetensors: header: /));
  test('model.safetensors of another model', () => refused(generate(broken('other', (at) => {
    const config = JSON.parse(readFileSync(at('config.json'), 'utf8')) as { model: { width: number } };
    config.model.width = 32;
    writeFileSync(at('config.json'), JSON.stringify(config));
  })), 3, /the tensor tokens\.weight must be f32 \[\d+, 32\], got f32 \[\d+, 16\]/));
  test('tokenizer.json that is damaged', () => refused(generate(broken('tokenizer', (at) => writeFileSync(at('tokenizer.json'), '{ "type": "charac'))), 3, 'tokenizer.json: not valid JSON'));
  test('every checkpoint damaged', async () => {
    const folder = broken('checkpoints', (at) => {
      writeFileSync(at('checkpoint-20.safetensors'), readFileSync(ground.at('run', 'checkpoint-20.safetensors')).subarray(0, 500));
      writeFileSync(at('metrics.jsonl'), '');
      truncateSync(at('model.safetensors'), 0);
    });
    await refused(['train', '--resume', '--out', folder, '--device', 'wasm'], 3, 'checkpoint-20.safetensors: ');
  });
  test('a text that is gone', async () => {
    const folder = broken('gone', (at) => writeFileSync(at('config.json'), readFileSync(at('config.json'), 'utf8').replace('book.txt', 'gone.txt')));
    await refused(['eval', '--run', folder, '--device', 'wasm'], 3, 'gone.txt: there is no such file');
    expect((await ashlar(['eval', '--run', folder, '--device', 'wasm', '--data', ground.at('book.txt')])).stdout).toContain('held out');
  });
});

describe('eval and generate', () => {
  test('eval gives the last validation loss, of the held-out text, and other texts whole', async () => {
    const held = JSON.parse((await ashlar(['eval', '--run', run, '--device', 'wasm', '--json'])).stdout) as { valLoss: number; bitsPerCharacter: number };
    expect(held).toMatchObject({ valLoss: rowsOf(ground.at('run', 'metrics.jsonl')).at(-1)!.valLoss, part: 'held out', source: ground.at('book.txt') });
    expect(held.bitsPerCharacter).toBeCloseTo(held.valLoss / Math.log(2), 10);
    writeFileSync(ground.at('more.txt'), 'the white whale and the old man');
    expect(JSON.parse((await ashlar(['eval', '--run', run, '--data', ground.at('more.txt'), '--device', 'wasm', '--json'])).stdout)).toMatchObject({ part: 'whole text', predictions: 30 });
  });

  test('generate writes the prompt and so many characters, past the context, and the same for the same seed', async () => {
    const words = ['generate', '--run', run, '--prompt', 'the ', '--tokens', '40', '--device', 'wasm', '--top-k', '5'];
    const [one, same, other] = await Promise.all([ashlar(words), ashlar(words), ashlar([...words, '--seed', '2'])]);
    expect(one).toMatchObject({ code: 0, byItself: true });
    expect(one.stdout).toHaveLength(4 + 40 + 1);
    expect(one.stdout.startsWith('the ')).toBe(true);
    expect(same.stdout).toBe(one.stdout);
    expect(other.stdout).not.toBe(one.stdout);
  });

  test('an unfinished run writes from its newest checkpoint, and says so', async () => {
    mkdirSync(ground.at('half'));
    for (const file of ['config.json', 'tokenizer.json', 'checkpoint-20.safetensors']) copyFileSync(ground.at('run', file), ground.at('half', file));
    const words = ['--prompt', 'the ', '--tokens', '9', '--device', 'wasm'];
    const half = await ashlar(['generate', '--run', ground.at('half'), ...words]);
    expect(half).toMatchObject({ code: 0, stderr: expect.stringContaining('the run is not finished: using its checkpoint of step 20') });
    expect(half.stdout).toBe((await ashlar(['generate', '--run', run, ...words])).stdout);
  });

  test('a reader that goes away is no error', async () => {
    const ended = await launchProgram('bash', ['-c', `"${process.execPath}" "${cli}" generate --run "${run}" --prompt "the " --tokens 3000 --device wasm | head -c 2; exit \${PIPESTATUS[0]}`]).ended;
    expect(ended).toMatchObject({ code: 0, stdout: 'th', byItself: true });
    expect(ended.stderr).not.toMatch(/EPIPE|error/);
  });
});

describe('a full disk', () => {
  const steps = ['--set', 'training.steps=200', '--set', 'training.checkpointEvery=$EVERY', '--set', 'training.evaluateEvery=200', '--set', 'sample.tokens=1'];
  const command = `"${process.execPath}" "${cli}" train --config "$CONFIG" --device wasm --json --out "$FOLDER/run" ${steps.map((word) => `"${word}"`).join(' ')}`;

  /** What was written stays whole, and once there is room the run goes on to the same end. */
  async function goesOn(name: string, note: RegExp): Promise<void> {
    expect(readdirSync(ground.at(name)).filter((file) => file.endsWith('.tmp'))).toEqual([]);
    const rows = rowsOf(ground.at(name, 'metrics.jsonl'));
    expect(rows.map(({ step }) => step)).toEqual(rows.map((_, i) => i + 1));
    expect(rows.length).toBeGreaterThanOrEqual(40);
    expect(await ashlar(['train', '--resume', '--out', ground.at(name), '--device', 'wasm', '--json'])).toMatchObject({ code: 0, stderr: expect.stringMatching(note) });
    expect(rowsOf(ground.at(name, 'metrics.jsonl')).map(({ step }) => step)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  }

  test.skipIf(process.platform !== 'linux')('ends with a clear message; earlier checkpoints and rows are whole', async (context) => {
    // Two checkpoints of 45 kB fit, a third does not.
    const script = `mount -t tmpfs -o size=128k tmpfs "$FOLDER" || exit 77; ${command}; code=$?; cp -r "$FOLDER/run" "$KEEP"; exit $code`;
    mkdirSync(ground.at('disk'));
    const ended = await launchProgram('unshare', ['-Urm', 'sh', '-c', script], { env: { FOLDER: ground.at('disk'), KEEP: ground.at('kept'), CONFIG: ground.config, EVERY: '20' } }).ended;
    if (ended.code === 77 || /unshare/.test(ended.stderr)) return context.skip(`this machine does not let a test mount a file system: ${ended.stderr.trim()}`);
    expect(ended.stderr).toMatch(/error: cannot write .*\.safetensors: the disk is full \(ENOSPC\); what was there before is untouched/);
    expect(ended.stderr).toMatch(/the checkpoint of step \d+ is there\. go on with: node .* train --resume --out/);
    expect(ended).toMatchObject({ code: 5, byItself: true });
    await goesOn('kept', /going on after step \d+/);
  });

  test.skipIf(process.platform !== 'linux')('where only a row does not fit, the rows before it are whole', async () => {
    const ended = await launchProgram('bash', ['-c', `trap "" XFSZ; ulimit -f 7; ${command}`], { env: { FOLDER: ground.at('limited'), CONFIG: ground.config, EVERY: '1000' } }).ended;
    expect(ended.stderr).toMatch(/error: cannot write .*metrics\.jsonl: the file would exceed the allowed size \(EFBIG\); what was there before is untouched\nno checkpoint was written yet/);
    expect(ended).toMatchObject({ code: 5, byItself: true });
    cpSync(ground.at('limited', 'run'), ground.at('limited-kept'), { recursive: true });
    await goesOn('limited-kept', /beginning at step 1/);
  });
});

import { fileURLToPath } from 'node:url';
import { expect, describe, it, test } from 'vitest';
import type { Benchmark } from '@ashlar/conformance/benchmark';
import { caseName, casesOf, parseSettings } from './cases.js';
import { choose, discover, repository } from './discover.js';
import { measure, type MeasureOptions } from './measure.js';
import { allWell, renderReport, type SuiteReport } from './report.js';

const elsewhere = fileURLToPath(new URL('./test/package', import.meta.url));
const options: MeasureOptions = { device: { device: 'wasm', adapter: 'auto' }, rounds: 3, roundMs: 20, warmUpMs: 10, budgetMs: 5000, timeoutMs: 60_000 };

describe('benchmarks are found', () => {
  it('in every package of the repository, with no list of them', async () => {
    const found = await discover([repository]), names = found.map(({ benchmark }) => benchmark.name);
    for (const name of ['matmul', 'attention', 'norm', 'optimizer', 'crossEntropy', 'mixers', 'scaling', 'normVariants', 'trainingStep', 'firstStep', 'startup', 'install', 'inference']) expect(names).toContain(name);
    expect(names).not.toContain('moods'); // those of tests are theirs
    expect(new Set(choose(found, ['kernels', 'mixers']).map(({ benchmark }) => benchmark.suite))).toEqual(new Set(['kernels', 'mixers']));
    expect(choose(found, ['norm']).map(({ benchmark }) => benchmark.name)).toEqual(['norm']);
    expect(() => choose(found, ['nrom'])).toThrow('nrom is no suite and no benchmark; suites are ');
    for (const { benchmark } of found) expect(casesOf(benchmark, new Map()).length, benchmark.name).toBeGreaterThan(0);
  });
  it('in a package elsewhere', async () => {
    expect((await discover([elsewhere])).map(({ benchmark }) => benchmark.name)).toEqual(['moods', 'ending']);
    await expect(discover([fileURLToPath(new URL('.', import.meta.url))])).rejects.toThrow('there is no file bench/NAME.bench.ts');
    await expect(discover([elsewhere, elsewhere])).rejects.toThrow('two benchmarks are named');
  });
});

describe('cases', () => {
  const one: Benchmark = { suite: 's', name: 'one', description: 'd', parameters: { mask: ['causal', 'window(1, 2)'], length: [8, 16], cached: [true] }, when: ({ mask, length }) => mask === 'causal' || length !== 8, prepare: () => { throw new Error('not asked for'); } };
  it('are all combinations that make sense', () => expect(casesOf(one, new Map()).map(caseName)).toEqual(['causal, length 8, cached true', 'causal, length 16, cached true', 'window(1, 2), length 16, cached true']));
  it('take other numbers, and some of the texts', () => {
    expect(casesOf(one, parseSettings(['length=32,64', 'mask=window(1, 2),causal', 'other=1'])).map(caseName)).toEqual(['window(1, 2), length 32, cached true', 'window(1, 2), length 64, cached true', 'causal, length 32, cached true', 'causal, length 64, cached true']);
    expect(() => casesOf(one, parseSettings(['length=long']))).toThrow('one: length must be a number, got long');
    expect(() => casesOf(one, parseSettings(['mask=none']))).toThrow('one: mask must be among causal, window(1, 2); got none');
    expect(() => casesOf(one, parseSettings(['mask=window(1, 2)', 'length=8']))).toThrow('no case is left');
    expect(() => parseSettings(['length'])).toThrow('--set takes PARAMETER=VALUE');
    expect(() => parseSettings(['a=1', 'a=2'])).toThrow('given twice');
  });
});

describe('measuring', () => {
  test('times those who are right; tells of those who are wrong or cannot run', async () => {
    const [moods] = await discover([elsewhere]), result = await measure(moods!, casesOf(moods!.benchmark, new Map()), options);
    expect(result.cases.map(({ parameters, status }) => [parameters['mood'], parameters['ms'], status])).toEqual([['right', 5, 'timed'], ['right', 20, 'timed'], ['wrong', 5, 'wrong'], ['unable', 5, 'failed']]);
    const [short, long, wrong, unable] = result.cases;
    if (short?.status !== 'timed' || long?.status !== 'timed') throw new Error('not timed');
    expect(short.ms.count).toBe(3);
    expect(short.ms.median).toBeGreaterThan(4);
    expect(long.ms.median).toBeGreaterThan(19);
    expect(long.figures['calls']).toBeGreaterThanOrEqual(4);
    expect(wrong).toMatchObject({ reason: 'Error: 3 is not 4' });
    expect(unable).toMatchObject({ reason: 'Error: no such library here' });
    expect(result.judgements).toEqual([{ what: '2 were timed', holds: true }]);
    expect(result).not.toHaveProperty('device');

    const report: SuiteReport = { suite: 'moods', kind: 'wasm', threads: 2, date: '', machine: { cpu: 'X', cores: 2, memoryBytes: 8e9, freeMemoryBytes: 4e9, system: 'linux', node: '20', load: 0 }, benchmarks: [result] }, text = renderReport(report);
    expect(text).toMatch(/\| mood \| ms \| time \| 95 % interval \| GB\/s \| tokens\/s \| calls \| state \|/);
    expect(text).toMatch(/\| unable \| 5 \| failed: no time \|/);
    expect(text).toContain('- wrong, ms 5 is wrong: Error: 3 is not 4');
    expect(text).toContain('- holds: 2 were timed');
    expect(allWell(report)).toBe(false);
    expect(allWell({ ...report, benchmarks: [{ ...result, cases: [short] }] })).toBe(true);
    expect(allWell({ ...report, benchmarks: [{ ...result, cases: [short], judgements: [{ what: 'x', holds: false }] }] })).toBe(false);
  }, 60_000);
  test('a process that ends is a result too', async () => {
    const [, ending] = await discover([elsewhere]), result = await measure(ending!, casesOf(ending!.benchmark, new Map()), options);
    expect(result.cases).toEqual([{ status: 'failed', parameters: {}, reason: expect.stringContaining('the process ended with code 3') }]);
  }, 60_000);
});

import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { parseHTML } from 'linkedom';
import { describe, expect, it, test } from 'vitest';
import { repository } from '../harness/discover.js';
import type { SuiteReport } from '../harness/report.js';
import { summarize } from '../harness/summary.js';
import type { RaceReport } from '../steps/report.js';
import { benchmarksPage } from './page.js';
import { figuresOf, readmes, withFigures } from './readme.js';
import { storedResults } from './stored.js';

const machine = { cpu: 'Some <CPU>', cores: 2, memoryBytes: 8e9, freeMemoryBytes: 4e9, system: 'linux', node: '20.20.2', load: 0.1 };
const timed = (name: string, ms: number): RaceReport['outcomes'][number] => ({
  status: 'timed', name, title: `The ${name}`, launch: 'plain', about: { version: '1' }, evidence: { losses: [], gradientNorms: [], parameterNorm: 0 },
  firstStepMs: 1500, msPerStep: summarize([ms - 1, ms, ms + 1]), stepsPerRound: 5, peakRssBytes: 1e8, others: [],
});
const race: RaceReport = { reference: 'r0', device: 'wasm', machine, date: '2031-05-06T07:08:09Z', outcomes: [timed('ashlar', 50), timed('peer', 4000), { status: 'failed', name: 'absent', title: 'The absent', reasons: ['no <engine>'] }] };
const suite: SuiteReport = {
  suite: 'growth', kind: 'wasm', threads: 2, machine, date: '2031-05-06T07:08:09Z', revision: 'abc1234',
  benchmarks: [{
    suite: 'growth', name: 'growing', description: 'What grows.', judgements: [{ what: 'exponent 1.01', holds: true }],
    cases: [
      ...[1, 2, 4].flatMap((length) => ['a', 'b'].map((kind) => ({ status: 'timed' as const, parameters: { kind, length }, ms: summarize([length, length, length]), callsPerRound: 1, work: { tokens: length }, figures: { stateBytes: 1000 * length } }))),
      { status: 'wrong' as const, parameters: { kind: 'c', length: 1 }, reason: 'off by 3' },
    ],
  }],
};

describe('the page', () => {
  const page = benchmarksPage([race, suite]), { document } = parseHTML(page);
  it('fetches nothing and runs nothing', () => {
    expect(document.querySelectorAll('script, link[rel=stylesheet], img, iframe, object, embed')).toHaveLength(0);
    expect(page.replaceAll('http://www.w3.org/2000/svg', '').replaceAll('http://www.w3.org/1999/xlink', '')).not.toMatch(/https?:\/\/|@import|url\(/);
  });
  it('shows every contestant, refusal, case and judgement', () => {
    const text = document.body.textContent!;
    for (const shown of ['Some <CPU>', 'The ashlar', 'The peer', 'The absent failed: no <engine>', 'What grows.', 'holds: exponent 1.01', 'c, length 1 is wrong: off by 3', 'revision abc1234', '80.00 ×']) expect(text).toContain(shown);
  });
  it('draws dots where times differ a lot, and a line a series where a number grows', () => {
    const [bars, lines] = [...document.querySelectorAll('section svg')];
    expect(bars!.querySelectorAll('circle')).toHaveLength(2);
    expect(lines!.querySelectorAll('g[aria-label=line] path')).toHaveLength(2);
    expect(lines!.querySelectorAll('circle')).toHaveLength(6);
    expect([...document.querySelectorAll('.legend .key')].map(({ textContent }) => textContent)).toEqual(['a', 'b']);
  });
  it('needs results', () => expect(() => benchmarksPage([])).toThrow('no stored results'));
});

describe('the figures in the readmes', () => {
  it('are a table of races, with the machine', () => {
    const text = figuresOf([race, suite], true);
    expect(text).toContain('| R0, wasm | The peer | 4 s | 0.991 | 192 | 1.5 s | 80.00 × |');
    expect(text).toContain('| R0, wasm | The absent | failed |');
    expect(text).toContain('Some <CPU>, 2 cores');
    expect(text).toContain('- growth, wasm: holds: exponent 1.01');
    expect(figuresOf([race, suite], false)).not.toContain('exponent');
  });
  it('replace what was there, and nothing else', () => {
    const [first] = readmes, text = readFileSync(first.file, 'utf8'), changed = withFigures(text, 'FIGURES');
    expect(changed).toContain('\nFIGURES\n');
    expect(withFigures(changed, figuresOf([...storedResults().values()], false))).toBe(text);
    expect(() => withFigures('no marks', '')).toThrow('needs the lines');
  });
  test.each(readmes.map(({ file, judgements }) => [relative(repository, file), file, judgements] as const))('%s agrees with the stored results; if not: pnpm bench readme', (_, file, judgements) => {
    const text = readFileSync(file, 'utf8');
    expect(text).toBe(withFigures(text, figuresOf([...storedResults().values()], judgements)));
  });
});

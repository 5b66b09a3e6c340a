import { tokenArray } from '@ashlar/text';
import type { MetricsRow } from '@ashlar/train';
import { parseHTML } from 'linkedom';
import { describe, expect, test } from 'vitest';
import { countingBaselines } from './baselines.js';
import { thisMachine } from './machine.js';
import { parameterParts } from './parameter-parts.js';
import { reportPage, totals, type ReportContents } from './report.js';

const rows: MetricsRow[] = Array.from({ length: 120 }, (_, i) => ({
  step: (i + 1) * 10, loss: 4 - i / 60, ...(i % 12 === 11 ? { valLoss: 4.1 - i / 60 } : {}), learningRate: 1e-3 * (1 - i / 120), gradNorm: 1 + 1 / (i + 1), tokensPerSecond: 10_000, seconds: 0.5,
}));

const contents: ReportContents = {
  name: 'a<b>', date: new Date('2031-05-06T07:08:09Z'), rows, baselines: [{ label: 'counting pairs', loss: 3.2 }],
  sample: { prompt: 'Once <script>', text: 'alert(1)</script> & more\nand more', how: '20 tokens' },
  data: [['data', 'book.txt'], ['tokenizer', 'character'], ['tokens to train on', '90,000']],
  measures: { numbers: { accuracy: 0.5 }, headline: ['accuracy', '50.00 %'], lines: [['accuracy', '50.00 % of <8> texts']], examples: { titles: ['text', 'taken for'], rows: [['a <b> text', 'en']] } },
  training: { steps: 1200, batch: 10, context: 50, seed: 7 },
  parameters: [{ name: 'tokens.weight', shape: [65, 8], size: 520 }, { name: 'layers.0.up.weight', shape: [8, 4], size: 32 }, { name: 'layers.1.up.weight', shape: [8, 4], size: 32 }],
  plan: { plans: 1, kernels: 12, flops: 2e9, bytes: 3 << 20, memory: [{ part: 'working memory', bytes: 1 << 20 }], kinds: [{ kind: 'dot', count: 4, flops: 1e9, bytes: 1000 }], explanation: '# kernel <x>' },
  device: { kind: 'wasm', description: 'WebAssembly, 2 threads' }, machine: thisMachine(), config: { training: { steps: 1200 } },
};
const page = reportPage(contents);
const { document } = parseHTML(page);

describe('the report', () => {
  test('fetches nothing and runs nothing', () => {
    expect(document.querySelectorAll('script, link[rel=stylesheet], img, iframe, object, embed')).toHaveLength(0);
    for (const element of document.querySelectorAll('[href], [src]')) expect(element.getAttribute('href') ?? element.getAttribute('src')).toMatch(/^(data:|#)/);
    expect(page.replaceAll('http://www.w3.org/2000/svg', '').replaceAll('http://www.w3.org/1999/xlink', '')).not.toMatch(/https?:\/\//);
    expect(page).not.toMatch(/@import|url\(/);
  });

  test('shows texts as they are', () => {
    expect(document.querySelector('h1')!.textContent).toBe('a<b>');
    expect(document.querySelector('.sample')!.textContent).toBe('Once <script>alert(1)</script> & more\nand more');
    expect(document.querySelector('.sample b')!.textContent).toBe('Once <script>');
    expect(document.body.textContent).toContain('# kernel <x>');
  });

  test('names the figures', () => {
    const tiles = [...document.querySelectorAll('.tile')].map((tile) => tile.textContent);
    const valLoss = 4.1 - 119 / 60;
    expect(tiles).toEqual([`${valLoss.toFixed(3)}validation loss`, '50.00 %accuracy', `${(4 - 117.5 / 60).toFixed(3)}training loss`, '584parameters', '10,000tokens a second', '1 min 00 straining time']);
  });

  test('has a chart of each kind, with the data in it', () => {
    const labels = [...document.querySelectorAll('svg')].map((svg) => svg.getAttribute('aria-label'));
    expect(labels).toEqual(['Loss over the steps, linear scale', 'Loss over the steps, log scale', 'Learning rate over the steps', 'Gradient norm before clipping over the steps', 'Tokens a second over the steps']);
    for (const svg of document.querySelectorAll('svg')) {
      const longest = Math.max(...[...svg.querySelectorAll('path')].map((path) => (path.getAttribute('d') ?? '').split('L').length));
      expect(longest).toBe(rows.length);
    }
    const [loss] = document.querySelectorAll('svg');
    expect(loss!.querySelectorAll('circle')).toHaveLength(10);
    expect(loss!.textContent).toContain('counting pairs');
    expect(page).not.toContain('NaN');
  });

  test('works for a run of one row without an evaluation, plan or baseline', () => {
    const { plan: _, ...rest } = contents;
    const small = reportPage({ ...rest, rows: [{ step: 1, loss: 3, learningRate: 0, gradNorm: 0, tokensPerSecond: 5, seconds: 1 }], baselines: [] });
    expect(small).not.toContain('NaN');
    expect(small).not.toContain('Plan of a training step');
  });

  test('can be dark', () => {
    expect(page).toContain('prefers-color-scheme: dark');
    for (const svg of document.querySelectorAll('svg')) expect(svg.outerHTML).not.toMatch(/(fill|stroke)="(black|white|#[0-9a-f]+)"/);
  });
});

test('time and tokens are those of the steps', () => {
  expect(totals([{ ...rows[0]!, tokensPerSecond: 100, seconds: 1.5 }, { ...rows[0]!, tokensPerSecond: 50, seconds: 4 }])).toEqual({ seconds: 5.5, tokens: 350 });
  expect(document.body.textContent).toMatch(/tokens seen\s*600,000/);
});

test('of several plans, what only one of all steps could tell is not told', () => {
  expect(document.body.textContent).toContain('reached');
  const several = parseHTML(reportPage({ ...contents, plan: { ...contents.plan!, plans: 3 } })).document.body.textContent;
  expect(several).toContain('Plan of a training step, the last of 3: one for each length of rows');
  expect(several).not.toMatch(/reached|operations a token/);
});

test('parameters that play the same part are summed up', () => {
  expect(parameterParts(contents.parameters)).toEqual([
    { part: 'tokens.weight', shape: '65 × 8', count: 1, size: 520 },
    { part: 'layers.*.up.weight', shape: '8 × 4', count: 2, size: 64 },
  ]);
});

describe('baselines', () => {
  test('are the mean losses of counting, smoothed as documented', () => {
    const train = [0, 1, 2, 1, 0, 1, 2, 2, 0, 1], held = [1, 2, 0, 3, 1, 1], vocabulary = 4;
    const count = (token: number) => train.slice(1).filter((one) => one === token).length;
    const alone = (token: number) => (count(token) + 1) / (train.length - 1 + vocabulary);
    const after = (before: number, token: number) => {
      const followers = train.slice(1).filter((_, i) => train[i] === before);
      if (followers.length === 0) return alone(token);
      const kinds = new Set(followers).size, weight = followers.length / (followers.length + kinds);
      return weight * followers.filter((one) => one === token).length / followers.length + (1 - weight) * alone(token);
    };
    let single = 0, pair = 0;
    for (let i = 1; i < held.length; i++) {
      single -= Math.log(alone(held[i]!)) / (held.length - 1);
      pair -= Math.log(after(held[i - 1]!, held[i]!)) / (held.length - 1);
    }
    const [tokens, pairs] = countingBaselines([tokenArray(Int32Array.from(train))], [tokenArray(Int32Array.from(held))], vocabulary);
    expect(tokens!.loss).toBeCloseTo(single, 12);
    expect(pairs!.loss).toBeCloseTo(pair, 12);
  });

  test('texts longer than a window are counted whole', () => {
    const long = Int32Array.from({ length: 150_000 }, (_, i) => i % 3);
    const [, pairs] = countingBaselines([tokenArray(long)], [tokenArray(long)], 3);
    expect(pairs!.loss).toBeLessThan(1e-4); // each token has one follower
  });
});

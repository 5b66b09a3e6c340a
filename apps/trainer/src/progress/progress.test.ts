import type { MetricsRow } from '@ashlar/train';
import { describe, expect, test } from 'vitest';
import { formatDuration, formatLarge, plural } from './format.js';
import { jsonRows, progress, progressText, type Terminal } from './progress.js';

const row = (step: number, more: Partial<MetricsRow> = {}): MetricsRow => ({ step, loss: 2.5, learningRate: 1e-3, gradNorm: 1, tokensPerSecond: 9812, seconds: 0.25, ...more });

/** A terminal that keeps what is written, and what a screen would show of it. */
function fakeTerminal(isTTY: boolean, columns = 100) {
  let written = '';
  const terminal: Terminal = { isTTY, columns, write: (text) => { written += text; } };
  return { terminal, get written() { return written; }, get screen() { return written.split('\n').map((line) => line.slice(line.lastIndexOf('\u001B[2K') + 1).replace('[2K', '')); } };
}

test.each([[0.4, '0 s'], [42, '42 s'], [59.6, '1 min 00 s'], [185, '3 min 05 s'], [3600, '1 h 00 min'], [7530, '2 h 05 min'], [-3, '0 s']])('%d seconds are %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test.each([[999, '999'], [804096, '804,096'], [10_800_000, '10.8 M'], [1.24e9, '1.24 B'], [3e12, '3.00 T']])('%d is %s', (value, text) => {
  expect(formatLarge(value)).toBe(text);
});

test('numbers of things', () => {
  expect([plural(1, 'token'), plural(2, 'token'), plural(2, 'entry', 'entries')]).toEqual(['1 token', '2 tokens', '2 entries']);
});

test('the line of a step', () => {
  expect(progressText(row(250), 2000, 2.38, 185)).toBe('step   250/2,000 · loss 2.5000 · validation 2.3800 · 9,812 tokens/s · 3 min 05 s left');
  expect(progressText(row(10), 2000, undefined, undefined)).toBe('step    10/2,000 · loss 2.5000 · 9,812 tokens/s');
  expect(progressText(row(2000), 2000, 2, 0)).not.toContain('left');
});

describe('on a terminal', () => {
  test('one line is rewritten, and each evaluation leaves a line', () => {
    const fake = fakeTerminal(true);
    let clock = 0;
    const shown = progress({ steps: 100, from: 0, terminal: fake.terminal, now: () => clock });
    clock = 10;
    shown.row(row(10));
    expect(fake.screen).toEqual(['step  10/100 · loss 2.5000 · 9,812 tokens/s · 1 min 30 s left']);
    shown.busy('evaluating');
    expect(fake.screen[0]).toBe('step  10/100 · loss 2.5000 · 9,812 tokens/s · 1 min 30 s left · evaluating');
    clock = 20;
    shown.row(row(20, { valLoss: 2.25 }));
    expect(fake.screen).toEqual(['step  20/100 · loss 2.5000 · validation 2.2500 · 9,812 tokens/s', 'step  20/100 · loss 2.5000 · validation 2.2500 · 9,812 tokens/s · 1 min 20 s left']);
    shown.end();
    expect(fake.screen.at(-1)).toBe('');
  });

  test('the line is never longer than the terminal is wide', () => {
    const fake = fakeTerminal(true, 30);
    progress({ steps: 100, from: 0, terminal: fake.terminal }).row(row(10));
    expect(fake.screen[0]).toBe('step  10/100 · loss 2.5000 ·…');
  });

  test('a terminal that does not know its width is taken to have 80 columns', () => {
    const fake = fakeTerminal(true, 0);
    progress({ steps: 100, from: 0, terminal: fake.terminal }).row(row(10));
    expect(fake.screen[0]).toContain('9,812 tokens/s');
  });

  test('the time that is left counts from where a run goes on', () => {
    const fake = fakeTerminal(true);
    let clock = 0;
    const shown = progress({ steps: 100, from: 50, terminal: fake.terminal, now: () => clock });
    clock = 10;
    shown.row(row(60));
    expect(fake.screen[0]).toContain('40 s left');
  });
});

describe('elsewhere', () => {
  test('a plain line at evaluations and every ten seconds', () => {
    const fake = fakeTerminal(false);
    let clock = 0;
    const shown = progress({ steps: 100, from: 0, terminal: fake.terminal, now: () => clock });
    for (let step = 1; step <= 100; step++) {
      clock = step / 4;
      shown.busy('evaluating');
      shown.row(row(step, step === 60 ? { valLoss: 2 } : {}));
    }
    shown.end();
    expect(fake.written).not.toContain('\u001B');
    expect(fake.written).not.toContain('\r');
    expect(fake.written.trimEnd().split('\n').map((line) => /step +(\d+)/.exec(line)![1])).toEqual(['40', '60', '100']);
  });
});

test('rows as JSON are lines of JSON and nothing else', () => {
  const fake = fakeTerminal(true);
  const shown = jsonRows(fake.terminal);
  shown.busy('evaluating');
  shown.note('note');
  shown.row(row(10));
  shown.row(row(20, { valLoss: 2 }));
  shown.end();
  expect(fake.written.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([row(10), row(20, { valLoss: 2 })]);
});

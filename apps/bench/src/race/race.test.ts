import { expect, it } from 'vitest';
import { gateSteps, type Entrant } from '../contestant.js';
import type { Launch } from '../harness/conversation.js';
import { expectedOf } from '../steps/expected.js';
import { findPython, defaultPythons, pytorch } from '../peers/pytorch.js';
import { race, type RaceOptions } from './race.js';

const options: RaceOptions = { rounds: 3, roundMs: 20, budgetMs: 10_000, timeoutMs: 10_000 };

/** A contestant in a few lines: it claims what it is told to claim, and takes `ms` a step. */
const script = `
  const { claim, ms, mood } = JSON.parse(process.argv[1]);
  const send = (message) => console.log('@bench ' + JSON.stringify(message));
  const wait = (time) => new Promise((resolve) => setTimeout(resolve, time));
  if (mood === 'crash') throw new Error('no engine here');
  if (mood === 'unable') { send({ event: 'failed', message: 'no adapter' }); process.exit(1); }
  if (mood === 'silent') await wait(1e6);
  console.log('some chatter');
  send({ event: 'ready', ...claim, firstStepMs: 5, about: { mood } });
  for await (const line of (await import('node:readline')).createInterface({ input: process.stdin })) {
    const { command, steps } = JSON.parse(line);
    if (mood === 'fickle') process.exit(3);
    if (command === 'finish') { send({ event: 'finished', peakRssBytes: 1000, figures: { kernels: 7 } }); break; }
    await wait(ms * steps);
    send({ event: 'timed', ms: ms * steps, loss: 1 });
  }`;

const right = {
  losses: expectedOf.r0.losses.slice(0, gateSteps),
  gradientNorms: expectedOf.r0.gradientNorms.slice(0, gateSteps),
  parameterNorm: expectedOf.r0.parameterNorms[gateSteps - 1],
};
const withoutDecay = { ...right, parameterNorm: right.parameterNorm! * (1 + 1.1e-4) };

const launch = (mood: string, ms = 2, claim: object = right): Launch => ({
  label: mood, command: process.execPath, environment: {},
  args: ['--input-type=module', '-e', script, JSON.stringify({ claim, ms, mood })],
});
const entrant = (name: string, ...launches: Launch[]): Entrant => ({ name, title: name, launches });

it('gives a time to those who are right, and to nobody else; leaves nobody out', async () => {
  const outcomes = await race('r0', [
    entrant('good', launch('good')),
    entrant('mutant', launch('mutant', 1, withoutDecay)),
    entrant('crash', launch('crash')),
    entrant('unable', launch('unable')),
    entrant('fickle', launch('fickle')),
    entrant('absent', { label: 'absent', command: '/nonexistent/python3', args: [], environment: {} }),
  ], options);
  expect(outcomes.map(({ name, status }) => [name, status])).toEqual([
    ['good', 'timed'], ['mutant', 'wrong'], ['crash', 'failed'], ['unable', 'failed'], ['fickle', 'failed'], ['absent', 'failed'],
  ]);
  const [good, mutant, crash, unable, fickle, absent] = outcomes;
  expect(good).toMatchObject({ msPerStep: { median: 2, count: 3 }, stepsPerRound: 10, figures: { kernels: 7 }, peakRssBytes: 1000 });
  expect(mutant).not.toHaveProperty('msPerStep');
  expect(mutant).toMatchObject({ reasons: [expect.stringContaining('parameter norm after step 5: expected 38.530891')] });
  expect(crash).toMatchObject({ reasons: [expect.stringContaining('no engine here')] });
  expect(unable).toMatchObject({ reasons: ['no adapter'] });
  expect(fickle).toMatchObject({ reasons: [expect.stringContaining('ended with code 3')] });
  expect(absent).toMatchObject({ reasons: [expect.stringContaining('/nonexistent/python3 cannot be started')] });
});

it('ends a contestant that says nothing', async () => {
  const [outcome] = await race('r0', [entrant('silent', launch('silent'))], { ...options, timeoutMs: 1500 });
  expect(outcome).toMatchObject({ status: 'failed', reasons: ['no answer within 1.5 s'] });
});

it('keeps the fastest right way to start a contestant, and tells of the others', async () => {
  const [outcome] = await race('r0', [
    entrant('many', launch('slow', 40), launch('fast', 10), launch('wrong', 1, withoutDecay), launch('crash')),
  ], options);
  expect(outcome).toMatchObject({
    status: 'timed', launch: 'fast', msPerStep: { median: 10 },
    others: [{ label: 'slow', msPerStep: 40 }, { label: 'wrong', reason: expect.stringContaining('wrong') }, { label: 'crash', reason: expect.stringContaining('no engine here') }],
  });
});

it('cuts the rounds of a slow contestant to the budget, but never below 2', async () => {
  const [outcome] = await race('r0', [entrant('slow', launch('slow', 60))], { ...options, rounds: 9, roundMs: 60, budgetMs: 100 });
  expect(outcome).toMatchObject({ status: 'timed', msPerStep: { count: 2 } });
});

const python = findPython(defaultPythons);
it.runIf(python !== undefined)('PyTorch passes the gate (runs where a python3 has torch)', async () => {
  const [outcome] = await race('r0', [pytorch('r0', 1, python!)], { ...options, timeoutMs: 60_000 });
  expect(outcome).toMatchObject({ status: 'timed', name: 'pytorch-1' });
});

import { expect, it } from 'vitest';
import { objections } from '../r0/gate.js';
import { gather } from '../serve.js';
import { choosePeers, peerNames } from './catalogue.js';
import { startJaxJs } from './jax-js.js';
import { startTfjs } from './tfjs.js';

it('jax-js on wasm computes R0', async () => {
  expect(objections(await gather(await startJaxJs('wasm')))).toEqual([]);
}, 120_000);

it('TensorFlow.js on wasm computes R0', async () => {
  const training = await startTfjs('wasm');
  expect(objections(await gather(training))).toEqual([]);
  await training.close?.();
}, 240_000);

it('chooses peers by name', () => {
  const options = { adapter: 'auto', python: 'python3' };
  expect(choosePeers('none', options)).toEqual([]);
  expect(choosePeers('all', options).map(({ name }) => name)).toEqual(peerNames);
  expect(choosePeers('pytorch-2, tfjs-wasm', options).map(({ name }) => name)).toEqual(['pytorch-2', 'tfjs-wasm']);
  expect(() => choosePeers('jax', options)).toThrow('jax is no peer; allowed are all, none, or some of jax-js-wasm');
  expect(() => choosePeers('', options)).toThrow('(nothing) is no peer');
});

import { expect, it } from 'vitest';
import { objections } from '../steps/gate.js';
import { gather } from '../serve.js';
import { r0 } from '../steps/definition.js';
import { choosePeers, peerNames } from './catalogue.js';
import { startJaxJs } from './jax-js.js';
import { startTfjs } from './tfjs.js';

it('jax-js on wasm computes R0', async () => {
  expect(objections('r0', await gather(r0, await startJaxJs(r0, 'wasm')))).toEqual([]);
}, 120_000);

it('TensorFlow.js on wasm computes R0', async () => {
  const training = await startTfjs(r0, 'wasm');
  expect(objections('r0', await gather(r0, training))).toEqual([]);
  await training.close?.();
}, 240_000);

it('chooses peers by name', () => {
  const options = { step: 'r0' as const, adapter: 'auto', python: 'python3' };
  expect(choosePeers('none', options)).toEqual([]);
  expect(choosePeers('all', options).map(({ name }) => name)).toEqual(peerNames);
  expect(choosePeers('pytorch-2, tfjs-wasm', options).map(({ name }) => name)).toEqual(['pytorch-2', 'tfjs-wasm']);
  expect(() => choosePeers('jax', options)).toThrow('jax is no peer; allowed are all, none, or some of jax-js-wasm');
  expect(() => choosePeers('', options)).toThrow('(nothing) is no peer');
});

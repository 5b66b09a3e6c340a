import { expect, test } from 'vitest';
import { Variable, read, tensor, where, type Tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { finiteDifferences, worstDerivative } from './index.js';

const x = tensor([0.3, -1.2, 2.5, 0.7]);

test('right gradients agree; the variable is as it was', async () => {
  const w = new Variable([4], 'f32', Float32Array.of(1, -2, 3, 0.5), { name: 'w' });
  const derivatives = await finiteDifferences({ f: (input) => input!.mul(read(w)).tanh().square().sum(), inputs: [x], variables: [w], device: reference() });
  expect(derivatives.map(({ name }) => name)).toEqual(['input 0', 'input 0', 'w', 'w']);
  expect(Math.max(...derivatives.map(({ analytic }) => Math.abs(analytic)))).toBeGreaterThan(0.1);
  expect(worstDerivative(derivatives).error).toBeLessThan(1e-6);
  expect([...await w.values()]).toEqual([1, -2, 3, 0.5]);
});

test('a gradient that is wrong by a factor, a sign or one element is found', async () => {
  const mutants: ((input: Tensor) => Tensor)[] = [
    (input) => input.square().sum().add(input.mul(0.01).stopGradient().sum()),
    (input) => input.sum().sub(input.stopGradient().sum().mul(2)),
    (input) => where(tensor([true, true, true, false]), input, input.stopGradient()).exp().sum(),
  ];
  for (const f of mutants) expect(worstDerivative(await finiteDifferences({ f: (input) => f(input!), inputs: [x], device: reference() })).error).toBeGreaterThan(1e-3);
});

import { afterAll, beforeAll, expect, test } from 'vitest';
import type { WebgpuDevice } from '@ashlar/webgpu';
import { webgpu } from './index.js';
import { jit, tensor } from '@ashlar/tensor';
let device: WebgpuDevice;
beforeAll(async () => { device = await webgpu({ adapter: 'swiftshader', boundsChecks: true, poison: true }); });
afterAll(() => device.close());
test('smoke', async () => {
  const f = jit((x: any) => x.mul(x).add(1), { device });
  console.log(device.description, await f(tensor([1, 2, 3, 4, 5])).data());
  const g = jit((x: any) => x.exp().sum(), { device });
  console.log(await g(tensor([1, 2, 3, 4, 5])).data());
  console.log(f.plan!.explain());
});

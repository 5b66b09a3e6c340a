/** Ashlar's own process in a race: `node child.js <step> wasm <threads|all>` or `node child.js <step> webgpu <adapter>`. */
import { serve } from '../serve.js';
import { stepNamed } from '../steps/definition.js';
import { openDevice } from './open-device.js';
import { ownTraining } from './training.js';

const [stepName, device, setting = ''] = process.argv.slice(2);

const step = stepNamed(stepName);

await serve(step, async () => {
  if (device !== 'wasm' && device !== 'webgpu') throw new Error(`device must be wasm or webgpu, got ${String(device)}`);
  const threads = device === 'wasm' && setting !== 'all' ? Number(setting) : undefined;
  const opened = await openDevice({ device, adapter: device === 'webgpu' ? setting : 'auto', ...(threads !== undefined && { threads }) });
  try {
    return ownTraining(step, opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
});

/** Ashlar's own process in a race: `node child.js wasm <threads|all>` or `node child.js webgpu <adapter>`. */
import { serve } from '../serve.js';
import { openDevice } from './open-device.js';
import { ownTraining } from './training.js';

const [device, setting = ''] = process.argv.slice(2);

await serve(async () => {
  if (device !== 'wasm' && device !== 'webgpu') throw new Error(`device must be wasm or webgpu, got ${String(device)}`);
  const threads = device === 'wasm' && setting !== 'all' ? Number(setting) : undefined;
  const opened = await openDevice({ device, adapter: device === 'webgpu' ? setting : 'auto', ...(threads !== undefined && { threads }) });
  try {
    return ownTraining(opened);
  } catch (error) {
    await opened.close();
    throw error;
  }
});

/** The process of a JavaScript peer: `node child.js <library> <device> [adapter]`. */
import { serve, type Training } from '../serve.js';
import { provideNavigatorGpu } from './navigator-gpu.js';

const [library, device, adapter = 'auto'] = process.argv.slice(2);

await serve(async (): Promise<Training> => {
  if (device !== 'wasm' && device !== 'webgpu') throw new Error(`peer: device must be wasm or webgpu, got ${String(device)}`);
  let description: Record<string, string> = {};
  if (device === 'webgpu') {
    description = { adapter: (await provideNavigatorGpu(adapter)).description.name };
  }
  const training = await start(device);
  return { ...training, about: { ...training.about, ...description } };
});

async function start(device: 'wasm' | 'webgpu'): Promise<Training> {
  switch (library) {
    case 'jax-js': return (await import('./jax-js.js')).startJaxJs(device);
    case 'tfjs': return (await import('./tfjs.js')).startTfjs(device);
    default: throw new Error(`peer: library must be jax-js or tfjs, got ${String(library)}`);
  }
}

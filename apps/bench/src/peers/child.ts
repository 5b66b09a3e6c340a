/** The process of a JavaScript peer: `node child.js <step> <library> <device> [adapter]`. */
import { serve, type Training } from '../serve.js';
import { stepNamed } from '../steps/definition.js';
import { provideNavigatorGpu } from './navigator-gpu.js';

const [stepName, library, device, adapter = 'auto'] = process.argv.slice(2);

const step = stepNamed(stepName);

await serve(step, async (): Promise<Training> => {
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
    case 'jax-js': return (await import('./jax-js.js')).startJaxJs(step, device);
    case 'tfjs': return (await import('./tfjs.js')).startTfjs(step, device);
    default: throw new Error(`peer: library must be jax-js or tfjs, got ${String(library)}`);
  }
}

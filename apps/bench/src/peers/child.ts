/** The process of a JavaScript peer: `node child.js <library> <device> [adapter]`. */
import { serve } from '../serve.js';

const [library, device, adapter] = process.argv.slice(2);
if (device !== 'wasm' && device !== 'webgpu') throw new Error(`peer: device must be wasm or webgpu, got ${String(device)}`);

await serve(async () => {
  if (device === 'webgpu') {
    const { provideNavigatorGpu } = await import('./navigator-gpu.js');
    await provideNavigatorGpu(adapter);
  }
  switch (library) {
    case 'jax-js': return (await import('./jax-js.js')).startJaxJs(device);
    case 'tfjs': return (await import('./tfjs.js')).startTfjs(device);
    default: throw new Error(`peer: library must be jax-js or tfjs, got ${String(library)}`);
  }
});

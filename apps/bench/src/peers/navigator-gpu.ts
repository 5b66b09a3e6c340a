/** Gives a peer that was made for browsers the `navigator.gpu` it expects, on the adapter that we are measured on. */
import { findAdapter, type FoundAdapter } from '@ashlar/webgpu-node';
import { adapterNamed } from '../own/device-options.js';

/** Sets `navigator.gpu`, the WebGPU classes and constants, and the few browser names that peers look at. Returns the adapter. */
export async function provideNavigatorGpu(name: string): Promise<FoundAdapter> {
  const found = await findAdapter(adapterNamed(name));
  const { globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  // Whatever adapter the peer asks for, it gets the one that was chosen for everybody.
  const gpu = {
    requestAdapter: async () => found.adapter,
    getPreferredCanvasFormat: () => 'bgra8unorm',
    wgslLanguageFeatures: found.gpu.wgslLanguageFeatures,
    holds: found.gpu,
  };
  const navigator = globalThis.navigator ?? { userAgent: `Node.js/${process.versions.node}` };
  Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true });
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true });
  Object.defineProperty(globalThis, 'window', { value: globalThis, configurable: true });
  return found;
}

/** Gives a peer that was made for browsers the `navigator.gpu` it expects, on the adapter that we are measured on. */
import { findAdapter, type AdapterChoice, type FoundAdapter } from '@ashlar/webgpu-node';

export const adapterChoices: readonly AdapterChoice[] = ['auto', 'hardware', 'software', 'swiftshader'];

/** Sets `navigator.gpu`, the WebGPU classes and constants, and the few browser names that peers look at. Returns the adapter. */
export async function provideNavigatorGpu(choice: AdapterChoice): Promise<FoundAdapter> {
  const found = await findAdapter(choice);
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

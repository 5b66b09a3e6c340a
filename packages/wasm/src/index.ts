export { wasm } from './device.js';
export type { WasmOptions } from './device.js';
export type { EmitContext, WasmKernel } from './fused.js';
export { canShareMemory, hasRelaxedSimd, hasSimd } from './features.js';

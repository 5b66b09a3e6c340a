export { webgpu, type WebgpuOptions } from './create.js';
export { WebgpuDevice, type AdapterDescription, type WebgpuCounters } from './device.js';
export { describeAdapter } from './adapter.js';
export { DeviceLostError, OutOfMemoryError, ValidationError } from './errors.js';
export type { AdapterClass, CompileContext, Program, Target } from './program.js';
export type { WebgpuKernel } from './fused.js';
export { profile, type KernelTime } from './profile.js';
export type { WebgpuExecutable } from './executable.js';
export { type Autotune, type Candidate, type TunedDot, type TuningStore } from './tuning.js';

/** From an adapter to a device: what to ask it for, and which class it is of. */
import type { AdapterDescription } from './device.js';
import type { AdapterClass, Target } from './program.js';

const softwareNames = /swiftshader|llvmpipe|lavapipe|software|basic render|warp/i;

/** Name, vendor and class of an adapter. `given` overrides the class that its name tells. */
export function describeAdapter(adapter: GPUAdapter, given?: AdapterClass): AdapterDescription {
  const { vendor, architecture, device, description } = adapter.info;
  const isFallback = adapter.info.isFallbackAdapter ?? (adapter as { isFallbackAdapter?: boolean }).isFallbackAdapter ?? false;
  const name = description || [vendor, architecture, device].filter((part) => part).join(' ') || 'an unnamed adapter';
  const software = isFallback || softwareNames.test(`${architecture} ${device} ${description}`);
  return { name, vendor, architecture, isFallback, isSoftware: software, adapterClass: given ?? (software ? 'cpu' : 'gpu') };
}

const wantedFeatures = ['shader-f16', 'subgroups', 'timestamp-query'] as const;
const wantedLimits = [
  'maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupSizeX', 'maxComputeWorkgroupSizeY',
] as const;

/** What kernels use of the adapter: features and limits are asked for as high as they go. */
export function deviceDescriptor(adapter: GPUAdapter): GPUDeviceDescriptor {
  return {
    requiredFeatures: wantedFeatures.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(wantedLimits.map((limit) => [limit, adapter.limits[limit]])),
  };
}

/** What kernels are sized by. */
export function targetOf(device: GPUDevice, gpu: GPU, { adapterClass, name }: AdapterDescription, dotChoices: ReadonlyMap<string, string>): Target {
  return {
    adapterClass,
    storageBindings: device.limits.maxStorageBuffersPerShaderStage,
    largestBinding: device.limits.maxStorageBufferBindingSize,
    invocationsPerWorkgroup: device.limits.maxComputeInvocationsPerWorkgroup,
    workgroupMemoryBytes: device.limits.maxComputeWorkgroupStorageSize,
    subgroups: adapterClass === 'gpu' && device.features.has('subgroups') && gpu.wgslLanguageFeatures.has('subgroup_id'),
    half: device.features.has('shader-f16'),
    prefersShortLoops: /llvmpipe|lavapipe/i.test(name),
    dotChoices,
  };
}

/** Finding adapters through Dawn: those of the system's drivers, and SwiftShader, which is brought along. */
import { describeAdapter, type AdapterDescription } from '@ashlar/webgpu';
import { unpackSwiftshader } from './swiftshader.js';

/**
 * - `auto`: a hardware adapter, else a software adapter of the system, else SwiftShader.
 * - `hardware`: a hardware adapter or an error.
 * - `software`: a software adapter of the system (lavapipe), else SwiftShader.
 * - `swiftshader`: the carried SwiftShader, whatever the system has.
 */
export type AdapterChoice = 'auto' | 'hardware' | 'software' | 'swiftshader';

export interface DawnOptions {
  /** Whether the driver checks the bounds of every memory access. Kernels are in bounds by construction and clamp what comes from data. Default: false. */
  readonly boundsChecks?: boolean;
  /** Whether Dawn validates every call. Default: true. */
  readonly validation?: boolean;
}

export interface FoundAdapter { readonly gpu: GPU; readonly adapter: GPUAdapter; readonly description: AdapterDescription; readonly origin: 'system' | 'swiftshader'; readonly reason: string }

function dawnFlags({ boundsChecks = false, validation = true }: DawnOptions): string[] {
  const toggles = [
    ...(boundsChecks ? [] : ['disable_robustness']),
    ...(validation ? [] : ['skip_validation']),
    'disable_workgroup_init',
  ];
  return [`enable-dawn-features=${toggles.join(',')}`, 'disable-dawn-features=timestamp_quantization'];
}

async function createGpu(options: DawnOptions): Promise<GPU> {
  const { create } = await import('webgpu');
  return create(dawnFlags(options)) as unknown as GPU;
}

const requests: readonly GPURequestAdapterOptions[] = [{ powerPreference: 'high-performance' }, { powerPreference: 'low-power' }, { forceFallbackAdapter: true }];

/** The adapters that the system's drivers give, best first, each once. */
async function systemAdapters(options: DawnOptions): Promise<Omit<FoundAdapter, 'reason'>[]> {
  const gpu = await createGpu(options);
  const found: Omit<FoundAdapter, 'reason'>[] = [];
  for (const request of requests) {
    const adapter = await gpu.requestAdapter(request);
    if (!adapter) continue;
    const description = describeAdapter(adapter);
    if (found.some((other) => other.description.name === description.name)) continue;
    found.push({ gpu, adapter, description, origin: 'system' });
  }
  return found.sort((a, b) => (a.description.adapterClass === b.description.adapterClass ? 0 : a.description.adapterClass === 'gpu' ? -1 : 1));
}

let loaderReady: Promise<string> | undefined;

/** Unpacks SwiftShader and loads its Vulkan loader into this process, where Dawn then finds it by name. */
async function prepareSwiftshader(): Promise<string> {
  loaderReady ??= (async () => {
    const { driver, loader } = await unpackSwiftshader();
    const { default: koffi } = await import('koffi');
    koffi.load(loader);
    return driver;
  })();
  return loaderReady;
}

async function swiftshaderAdapter(options: DawnOptions): Promise<Omit<FoundAdapter, 'reason'>> {
  const driver = await prepareSwiftshader();
  const names = ['VK_ICD_FILENAMES', 'VK_DRIVER_FILES'] as const;
  const before = names.map((name) => process.env[name]);
  // The loader reads these while an adapter is looked for; afterwards they are put back.
  for (const name of names) process.env[name] = driver;
  try {
    const gpu = await createGpu(options);
    const adapter = await gpu.requestAdapter();
    if (!adapter) throw new Error(`Dawn found no adapter with the carried SwiftShader driver (${driver}); delete that folder and try again`);
    return { gpu, adapter, description: describeAdapter(adapter), origin: 'swiftshader' };
  } finally {
    names.forEach((name, i) => { if (before[i] === undefined) delete process.env[name]; else process.env[name] = before[i]; });
  }
}

/** The adapter for a choice, and why it was taken. */
export async function findAdapter(choice: AdapterChoice, options: DawnOptions = {}): Promise<FoundAdapter> {
  if (!['auto', 'hardware', 'software', 'swiftshader'].includes(choice)) throw new TypeError(`webgpu: adapter must be auto, hardware, software or swiftshader, got ${String(choice)}`);
  if (choice === 'swiftshader') return { ...(await swiftshaderAdapter(options)), reason: 'SwiftShader was asked for' };
  const system = await systemAdapters(options);
  const hardware = system.find(({ description }) => description.adapterClass === 'gpu');
  const software = system.find(({ description }) => description.adapterClass === 'cpu');
  if (choice !== 'software' && hardware) return { ...hardware, reason: 'it is the first hardware adapter' };
  if (choice === 'hardware') {
    throw new Error(`there is no hardware adapter: ${software ? `the system's drivers give only ${software.description.name}` : 'Dawn found none through the system\'s drivers'}. Install the graphics driver with Vulkan support, or choose adapter 'software'`);
  }
  const why = choice === 'software' ? 'a software adapter was asked for' : 'there is no hardware adapter';
  if (software) return { ...software, reason: `${why}, and the system has this software driver` };
  return { ...(await swiftshaderAdapter(options)), reason: `${why}, and the system has no Vulkan driver: SwiftShader is the one that comes with this package` };
}

/** An adapter as `ashlar doctor` shows it. */
export interface ListedAdapter extends AdapterDescription {
  readonly origin: 'system' | 'swiftshader';
  readonly features: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  /** Whether `auto` takes it, and why. */
  readonly chosen: boolean;
  readonly reason: string;
}

const shownLimits = [
  'maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupsPerDimension',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/** Every adapter that can be had here, and which one `auto` takes. A driver that cannot be used is an entry of `problems`. */
export async function listAdapters(): Promise<{ readonly adapters: readonly ListedAdapter[]; readonly problems: readonly string[] }> {
  const problems: string[] = [], found: Omit<FoundAdapter, 'reason'>[] = [];
  for (const [what, look] of [['the system\'s drivers', () => systemAdapters({})], ['SwiftShader', async () => [await swiftshaderAdapter({})]]] as const) {
    try { found.push(...(await look())); } catch (error) { problems.push(`${what}: ${(error as Error).message}`); }
  }
  let chosen: FoundAdapter | undefined;
  try { chosen = await findAdapter('auto'); } catch (error) { problems.push((error as Error).message); }
  const adapters = found.map(({ adapter, description, origin }): ListedAdapter => {
    const isChosen = chosen !== undefined && chosen.origin === origin && chosen.description.name === description.name;
    return {
      ...description, origin, features: [...adapter.features].sort(),
      limits: Object.fromEntries(shownLimits.map((limit) => [limit, adapter.limits[limit]])),
      chosen: isChosen,
      reason: isChosen ? chosen!.reason : description.adapterClass === 'gpu' ? 'another hardware adapter is faster or comes first' : `slower than ${chosen?.description.name ?? 'other adapters'}`,
    };
  });
  return { adapters, problems };
}

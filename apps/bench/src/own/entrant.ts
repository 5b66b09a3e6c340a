/** Ashlar as a contestant. */
import { fileURLToPath } from 'node:url';
import type { Entrant } from '../contestant.js';
import type { StepName } from '../steps/definition.js';
import type { DeviceOptions } from './device-options.js';
import { ownName } from '../steps/report.js';

/** Ashlar on the device; in a process of its own, like everybody. */
export function ownEntrant(step: StepName, { device, adapter, threads }: DeviceOptions): Entrant {
  const child = fileURLToPath(new URL('child.js', import.meta.url));
  const setting = device === 'webgpu' ? adapter : `${threads ?? 'all'}`;
  return {
    name: ownName,
    title: `Ashlar, ${device}`,
    launches: [{
      label: device === 'webgpu' ? `adapter ${adapter}` : `threads ${setting}`,
      command: process.execPath, args: [child, step, device, setting],
      environment: { MESA_SHADER_CACHE_DISABLE: 'true' },
    }],
  };
}

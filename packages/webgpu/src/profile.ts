/** How long each kernel takes, by the device's own clock. */
import type { WebgpuExecutable } from './executable.js';
import { mapModeRead } from './memory.js';

export interface KernelTime {
  /** Number of the plan's step that the shader belongs to. */
  readonly step: number;
  readonly name: string;
  readonly workgroups: number;
  readonly milliseconds: number;
}

const queryResolve = 0x200; // GPUBufferUsage.QUERY_RESOLVE

/**
 * Runs every shader of a compiled plan once, each in a pass of its own with a time stamp at both ends. Inputs are those of
 * the last run; state is written as by any run.
 * @throws {Error} where the adapter has no time stamps.
 */
export async function profile(executable: WebgpuExecutable): Promise<KernelTime[]> {
  const { device, dispatches } = executable, { gpu, memory } = device;
  if (!gpu.features.has('timestamp-query')) throw new Error(`${device.description} has no time stamps (timestamp-query): kernels cannot be timed one by one`);
  await device.submissions.atMost(0);
  const perSet = 2048, times: number[] = [];
  for (let start = 0; start < dispatches.length; start += perSet) {
    const part = dispatches.slice(start, start + perSet), count = part.length * 2, bytes = count * 8;
    const querySet = gpu.createQuerySet({ type: 'timestamp', count });
    const resolved = memory.buffer(bytes, queryResolve | 0x4, 'time stamps'), target = memory.buffer(bytes, 0x1 | 0x8, 'time stamps');
    const encoder = gpu.createCommandEncoder();
    part.forEach(({ pipeline, bindGroup, program }, i) => {
      const pass = encoder.beginComputePass({ timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 } });
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...program.workgroups);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, target, 0, bytes);
    gpu.queue.submit([encoder.finish()]);
    device.counters.submits++;
    await target.mapAsync(mapModeRead);
    const stamps = new BigUint64Array(target.getMappedRange(0, bytes).slice(0));
    target.unmap();
    part.forEach((_, i) => times.push(Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6));
    querySet.destroy();
    memory.destroy(resolved);
    memory.destroy(target);
  }
  device.check();
  return dispatches.map(({ program, step }, i) => ({ step, name: program.label, workgroups: program.workgroups.reduce((x, y) => x * y, 1), milliseconds: times[i]! }));
}

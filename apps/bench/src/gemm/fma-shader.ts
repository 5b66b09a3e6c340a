/** The bare fused-multiply-add loop as a shader: what an adapter's arithmetic can do. */
import type { FoundAdapter } from '@ashlar/webgpu-node';

const accumulators = 8, turns = 4096, workgroups = 256, workgroupSize = 64;

/** Floating-point operations of one dispatch. */
export const flopsPerDispatch = workgroups * workgroupSize * turns * accumulators * 4 * 2;

const shader = `
@group(0) @binding(0) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(${workgroupSize}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let half = vec4f(0.5);
${Array.from({ length: accumulators }, (_, i) => `  var a${i} = vec4f(f32(id.x) * 1e-6 + ${i}.0);`).join('\n')}
  for (var i = 0u; i < ${turns}u; i++) {
${Array.from({ length: accumulators }, (_, i) => `    a${i} = fma(a${i}, half, half);`).join('\n')}
  }
  out[id.x] = (${Array.from({ length: accumulators }, (_, i) => `a${i}.x`).join(' + ')}) / ${accumulators}.0;
}`;

/** The loop on an adapter. */
export interface FmaShader {
  /** Runs some dispatches; resolves to the milliseconds until their result was read. Throws where it is not 1. */
  run(dispatches: number): Promise<number>;
  close(): void;
}

/** The `gpu` of the adapter must live as long as the loop: without it, Dawn ends the process. */
export async function fmaShader(found: FoundAdapter): Promise<FmaShader> {
  const { globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const device = await found.adapter.requestDevice();
  let alive: GPU | undefined = found.gpu;
  const size = workgroups * workgroupSize * 4;
  const out = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const readable = device.createBuffer({ size, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module: device.createShaderModule({ code: shader }) } });
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer: out } }] });
  return {
    async run(dispatches) {
      if (!alive) throw new Error('the multiply-add shader was closed');
      const started = performance.now();
      const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let i = 0; i < dispatches; i++) pass.dispatchWorkgroups(workgroups);
      pass.end();
      encoder.copyBufferToBuffer(out, 0, readable, 0, size);
      device.queue.submit([encoder.finish()]);
      await readable.mapAsync(GPUMapMode.READ);
      const ms = performance.now() - started;
      const wrong = new Float32Array(readable.getMappedRange()).find((value) => Math.abs(value - 1) > 1e-6);
      readable.unmap();
      if (wrong !== undefined) throw new Error(`the multiply-add shader gave ${wrong}, expected 1`);
      return ms;
    },
    close() {
      device.destroy();
      alive = undefined;
    },
  };
}

/** Rate of the loop on the adapter in GFLOP/s. Throws where its result is not 1. */
export async function shaderFmaRate(found: FoundAdapter, milliseconds: number): Promise<number> {
  const loop = await fmaShader(found);
  try {
    await loop.run(1);
    const count = Math.max(1, Math.round(milliseconds / 2 / await loop.run(1)));
    return flopsPerDispatch * count / Math.min(await loop.run(count), await loop.run(count)) / 1e6;
  } finally {
    loop.close();
  }
}

/** Pipelines by their WGSL text: layers of a model that differ only in where their data lies share one. */
import type { Binding } from './bindings.js';
import type { WebgpuCounters } from './device.js';
import type { Program } from './program.js';

const computeStage = 0x4; // GPUShaderStage.COMPUTE

export class PipelineCache {
  readonly #pipelines = new Map<string, GPUComputePipeline>();
  readonly #layouts = new Map<string, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();

  constructor(readonly device: GPUDevice, readonly counters: WebgpuCounters) {}

  #layout(bindings: readonly Binding[]): { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout } {
    const key = bindings.map((binding) => (binding.writable ? 'w' : 'r')).join('');
    let layout = this.#layouts.get(key);
    if (!layout) {
      const group = this.device.createBindGroupLayout({
        entries: bindings.map((binding, index) => ({ binding: index, visibility: computeStage, buffer: { type: binding.writable ? 'storage' as const : 'read-only-storage' as const } })),
      });
      layout = { group, pipeline: this.device.createPipelineLayout({ bindGroupLayouts: [group] }) };
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  pipeline(program: Program): GPUComputePipeline {
    let pipeline = this.#pipelines.get(program.code);
    if (!pipeline) {
      const module = this.device.createShaderModule({ label: program.label, code: program.code });
      pipeline = this.device.createComputePipeline({ label: program.label, layout: this.#layout(program.bindings).pipeline, compute: { module, entryPoint: 'main' } });
      this.counters.pipelines++;
      this.#pipelines.set(program.code, pipeline);
    }
    return pipeline;
  }

  bindGroup(program: Program): GPUBindGroup {
    this.counters.bindGroups++;
    return this.device.createBindGroup({
      layout: this.#layout(program.bindings).group,
      entries: program.bindings.map((binding, index) => {
        if (!binding.buffer.gpu) throw new Error(`internal: ${program.label} binds a buffer that was not made`);
        return { binding: index, resource: { buffer: binding.buffer.gpu, offset: binding.offset, size: binding.size } };
      }),
    });
  }
}

/** Fused operations that have a kernel of their own, and the form in which other packages bring theirs. */
import type { FusedKernel, FusedRequest } from '@ashlar/tensor';
import { attentionPrograms } from './attention.js';
import { attentionGradientPrograms } from './attention-gradient.js';
import { attentionShape, hasAttentionKernel } from './attention-shape.js';
import { planTables, tableScratch } from './attention-tables.js';
import type { CompileContext, Program, Target } from './program.js';

/** What `kernels.webgpu` of `defineFused` holds. */
export interface WebgpuKernel {
  /** Whether the kernel takes these operands on this device; where not, the reference is compiled. */
  when(request: FusedRequest, target: Target): boolean;
  /** Bytes of each scratch buffer that `emit` finds in `kernel.scratch`. */
  scratch?(request: FusedRequest, target: Target): readonly number[];
  /** The shaders, in the order in which they run. */
  emit(context: CompileContext, kernel: FusedKernel): readonly Program[];
}

const builtIn: Readonly<Record<string, WebgpuKernel>> = {
  attention: {
    when: ({ inputs, attributes }, target) => hasAttentionKernel(inputs, 3, attributes, target.half),
    emit: attentionPrograms,
  },
  attentionGrad: {
    when: ({ inputs, attributes }, target) => hasAttentionKernel(inputs, 6, attributes, target.half) && planTables(inputs, attributes, target) !== undefined,
    scratch: ({ inputs, attributes }, target) => { const { B, H, T } = attentionShape(inputs, attributes); return [B * H * T * 4, ...tableScratch(planTables(inputs, attributes, target)!)]; },
    emit: attentionGradientPrograms,
  },
};

const isKernel = (value: unknown): value is WebgpuKernel =>
  typeof value === 'object' && value !== null && typeof (value as WebgpuKernel).when === 'function' && typeof (value as WebgpuKernel).emit === 'function';

/** The kernels of operations met so far, by name: built-in ones, and those that definitions bring. */
export class FusedKernels {
  readonly #byName = new Map<string, WebgpuKernel>(Object.entries(builtIn));
  constructor(readonly target: Target) {}

  /** Answers the compiler: a kernel for this request, with its scratch, or none. */
  request(request: FusedRequest): { readonly scratch: readonly number[] } | undefined {
    const { op } = request, own = op.kernels?.['webgpu'];
    if (own !== undefined) {
      if (!isKernel(own)) throw new TypeError(`defineFused: kernels.webgpu of '${op.name}' must be a WebgpuKernel with when() and emit()`);
      this.#byName.set(op.name, own);
    }
    const kernel = this.#byName.get(op.name);
    return kernel?.when(request, this.target) ? { scratch: kernel.scratch?.(request, this.target) ?? [] } : undefined;
  }

  programs(context: CompileContext, kernel: FusedKernel): readonly Program[] {
    const known = this.#byName.get(kernel.op);
    if (!known) throw new Error(`there is no WebGPU kernel for the fused operation '${kernel.op}'`);
    return known.emit(context, kernel);
  }
}

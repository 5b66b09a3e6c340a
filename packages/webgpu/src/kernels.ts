/** From a kernel of the plan to shaders. */
import type { Kernel } from '@ashlar/tensor';
import { dotPrograms } from './dot.js';
import type { FusedKernels } from './fused.js';
import { loopPrograms } from './loop.js';
import { multiPrograms } from './multi.js';
import type { CompileContext, Program } from './program.js';
import { scatterPrograms } from './scatter.js';

export function kernelPrograms(context: CompileContext, kernel: Kernel, fused: FusedKernels): readonly Program[] {
  switch (kernel.kind) {
    case 'loop': return loopPrograms(context, kernel);
    case 'dot': return dotPrograms(context, kernel);
    case 'scatter': return scatterPrograms(context, kernel);
    case 'multi': return multiPrograms(context, kernel);
    case 'fused': return fused.programs(context, kernel);
  }
}

/** From a kernel of the plan to shaders. */
import type { Kernel } from '@ashlar/tensor';
import { dotPrograms } from './dot.js';
import { loopPrograms } from './loop.js';
import type { CompileContext, Program } from './program.js';
import { scatterPrograms } from './scatter.js';

export function kernelPrograms(context: CompileContext, kernel: Kernel): Program[] {
  switch (kernel.kind) {
    case 'loop': return loopPrograms(context, kernel);
    case 'dot': return dotPrograms(context, kernel);
    case 'scatter': return scatterPrograms(context, kernel);
    case 'multi': return kernel.loops.flatMap((loop) => loopPrograms(context, loop));
    default: throw new Error(`internal: no kernel for ${kernel.kind}`);
  }
}

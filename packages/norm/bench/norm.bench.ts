import { compiledCase, defineBenchmark, withGradients } from '@ashlar/conformance/benchmark';
import type { NormVariant } from '@ashlar/nn';
import { dynamicTanh, groupNorm, layerNorm, rmsNorm, scaleNorm } from '@ashlar/norm';

const norms: Readonly<Record<string, NormVariant>> = { layerNorm: layerNorm(), rmsNorm: rmsNorm(), scaleNorm: scaleNorm(), groupNorm: groupNorm({ groups: 4 }), dynamicTanh: dynamicTanh() };

export const benchmarks = [defineBenchmark({
  suite: 'kernels', name: 'norm', description: 'A norm of the rows of [tokens, width], forward or with the gradient of its input; f32.',
  parameters: { norm: Object.keys(norms), pass: ['forward', 'training'], tokens: [2048], width: [384] },
  async prepare({ norm, pass, tokens, width }, place) {
    const data = Float32Array.from({ length: tokens * width }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013));
    return compiledCase(await place.device(), {
      name: norm, inputs: [{ shape: [tokens, width], data }], checked: [{ shape: [65, width], data: data.slice(0, 65 * width) }],
      make() {
        const part = norms[norm]!.build({ width, bias: true });
        part.initialize(0);
        return pass === 'forward' ? (x) => part.forward(x) : withGradients((x) => part.forward(x!));
      },
      work: { bytes: (pass === 'forward' ? 2 : 4) * 4 * tokens * width },
    });
  },
})];

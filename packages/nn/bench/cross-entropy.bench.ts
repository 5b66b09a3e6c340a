import { compiledCase, defineBenchmark, type HostTensor } from '@ashlar/conformance/benchmark';
import { crossEntropy } from '@ashlar/nn';
import { gradients } from '@ashlar/tensor';

const inputs = (tokens: number, vocabulary: number): HostTensor[] => [
  { shape: [tokens, vocabulary], data: Float32Array.from({ length: tokens * vocabulary }, (_, i) => 3 * Math.sin(i * 0.37)) },
  { shape: [tokens], data: Int32Array.from({ length: tokens }, (_, i) => (i * 7919) % vocabulary) },
];

export const benchmarks = [defineBenchmark({
  suite: 'kernels', name: 'crossEntropy', description: 'Mean cross-entropy of logits [tokens, vocabulary], alone or with the gradient of the logits; f32.',
  parameters: { pass: ['forward', 'training'], vocabulary: [65, 32_000], tokens: [512] },
  async prepare({ pass, vocabulary, tokens }, place) {
    return compiledCase(await place.device(), {
      name: 'crossEntropy', inputs: inputs(tokens, vocabulary), checked: inputs(9, vocabulary),
      make: () => (logits, targets) => {
        const loss = crossEntropy(logits!, targets!);
        return pass === 'forward' ? loss : [loss, ...gradients(loss, [logits!])];
      },
      work: { bytes: (pass === 'forward' ? 1 : 2) * 4 * tokens * vocabulary },
    });
  },
})];

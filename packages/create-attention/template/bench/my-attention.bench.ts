import { multiHead } from '@ashlar/attention';
import { compiledCase, defineBenchmark, withGradients } from '@ashlar/conformance/benchmark';
import { Module, normalInitializer, type AttentionVariant } from '@ashlar/nn';
import { myAttention } from '../src/my-attention.js';

class NoPositions extends Module {}

const width = 128, heads = 4, weight = normalInitializer(0.02), initializers = { weight, value: weight, residual: weight };
const variants: Readonly<Record<string, AttentionVariant>> = { causal: multiHead({ heads }), myAttention: myAttention({ heads, windowKeys: 128, fade: 0.1 }) };

/** In a clone of Ashlar: pnpm bench myAttention */
export const benchmarks = [defineBenchmark({
  suite: 'variants', name: 'myAttention', description: 'A layer of it, and of causal attention over all keys, forward or with the gradient of its input; one sequence, width 128, 4 heads, f32.',
  parameters: { variant: Object.keys(variants), pass: ['forward', 'training'], tokens: [1024] },
  async prepare({ variant, pass, tokens }, place) {
    const data = Float32Array.from({ length: tokens * width }, (_, i) => Math.sin(i * 0.7) + Math.cos(i * 0.013)), checked = Math.min(tokens, 150);
    return compiledCase(await place.device(), {
      name: variant, inputs: [{ shape: [1, tokens, width], data }], checked: [{ shape: [1, checked, width], data: data.slice(0, checked * width) }],
      make() {
        const part = variants[variant]!.build({ width, bias: false, dropout: { attention: 0, residual: 0 }, positional: new NoPositions(), initializers });
        part.initialize(0);
        const layer = (x: Parameters<typeof part.forward>[0]['x']) => part.forward({ x, positions: 0 });
        return pass === 'forward' ? (x) => layer(x!) : withGradients((x) => layer(x!));
      },
      work: { tokens },
    });
  },
})];

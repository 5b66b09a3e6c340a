import { decodingCache, deltaRule, gatedDeltaRule, gatedLinear, linearAttention, mamba2, multiHead, retention, slidingWindow } from '@ashlar/attention';
import { compiledCase, defineBenchmark, type HostTensor, type PreparedCase } from '@ashlar/conformance/benchmark';
import { Module, normalInitializer, type Attention, type AttentionVariant } from '@ashlar/nn';
import { arange, gradients, jit, read, tensor, type Device, type Tensor } from '@ashlar/tensor';

const width = 64;

/** Heads of width 32, or as near as the layer allows. */
const layers: Readonly<Record<string, AttentionVariant>> = {
  multiHead: multiHead({ heads: 2 }), 'slidingWindow(128)': multiHead({ heads: 2, mask: slidingWindow(128) }), linearAttention: linearAttention({ heads: 2 }), retention: retention({ heads: 2, valueWidth: 32 }),
  gatedLinear: gatedLinear({ heads: 2 }), deltaRule: deltaRule({ heads: 2 }), gatedDeltaRule: gatedDeltaRule({ heads: 2, valueWidth: 32 }), mamba2: mamba2({ heads: 4, stateWidth: 32 }),
};

class NoPositions extends Module {}
const weight = normalInitializer(0.1);

function built(variant: AttentionVariant): Attention {
  const part = variant.build({ width, bias: false, dropout: { attention: 0, residual: 0 }, positional: new NoPositions(), initializers: { weight, value: weight, residual: weight } });
  part.initialize(0);
  return part;
}

const input = (length: number): HostTensor => ({ shape: [1, length, width], data: Float32Array.from({ length: length * width }, (_, i) => Math.sin((i + 1) * 0.7) + Math.cos(i * 0.3)) });
const asTensor = ({ shape, data }: HostTensor): Tensor => tensor(data, { shape });

/** Output and all gradients of one sequence. It is checked at more than two chunks of tokens, not a multiple of them. */
function training(device: Device, layer: string, length: number): PreparedCase {
  return compiledCase(device, {
    name: layer, inputs: [input(length)], checked: [input(150)], tolerance: 2e-4, work: { tokens: length },
    make() {
      const part = built(layers[layer]!);
      return (x) => {
        const y = part.forward({ x: x!, positions: 0 });
        return [y, ...gradients(y.square().sum(), [x!, ...part.parameters().map(read)])];
      };
    },
  });
}

/** One more token after `length`, again and again. It is checked beside the output of the whole sequence at once. */
function decoding(device: Device, layer: string, length: number): PreparedCase {
  const part = built(layers[layer]!), cache = decodingCache({ capacity: length + 1 }), whole = input(length + 1);
  const decode = jit((x: Tensor, start: Tensor) => part.forward({ x, positions: start.add(arange(x.shape[1]!)), cache: cache.layer('layer', start) }), { device });
  const token = asTensor({ shape: [1, 1, width], data: whole.data.slice(-width) as Float32Array });
  let start: Tensor, last: Tensor;
  return {
    work: { tokens: 1 },
    async check() {
      await decode(asTensor({ shape: [1, length, width], data: whole.data.slice(0, -width) as Float32Array }), cache.extend(length)).data();
      start = cache.extend(1);
      const got = await decode(token, start).data(), all = jit((x: Tensor) => part.forward({ x, positions: 0 }), { device }), expected = (await all(asTensor(whole)).data()).slice(-width);
      all.release();
      expected.forEach((value, i) => { if (!(Math.abs(value - got[i]!) <= 1e-3 * (1 + Math.abs(value)))) throw new Error(`${layer}: element ${i} of the token decoded is ${got[i]}, of the whole sequence ${value}`); });
    },
    async run() {
      last = decode(token, start);
      await decode.ready();
    },
    async synchronise() { await last.data(); },
    figures: () => ({ stateBytes: cache.bytes }),
    release() {
      decode.release();
      cache.release();
    },
  };
}

export const benchmarks = [defineBenchmark({
  suite: 'mixers', name: 'mixers', description: `How time and state of mixing layers grow with the length: one sequence, width ${width}, f32; training is output and all gradients, decoding one more token.`,
  parameters: { layer: Object.keys(layers), pass: ['training', 'decoding'], length: [512, 2048] },
  prepare: async ({ layer, pass, length }, place) => (pass === 'training' ? training : decoding)(await place.device(), layer, length),
})];

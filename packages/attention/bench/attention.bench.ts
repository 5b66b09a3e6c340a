import { alibi, and, attend, blockLocal, causal, dilatedWindow, fixedPattern, globalTokens, or, relativeBias, slidingWindow, softcap, strided, type AttendOptions, type Mask } from '@ashlar/attention';
import { compiledCase, defineBenchmark, withGradients, type HostTensor } from '@ashlar/conformance/benchmark';
import { tensor } from '@ashlar/tensor';

const heads = 4, headWidth = 32;

/** A mask as a reader of the documentation might write it. */
const everyOther: Mask = ({ q, k }) => k.le(q).and(q.sub(k).mod(2).eq(0));

/** What is asked of `attend`, by the keys of windows, blocks and strides; and which scores then count, as a plain function. */
const variants: Readonly<Record<string, (window: number) => AttendOptions & { readonly counts: (q: number, k: number, window: number) => boolean }>> = {
  causal: () => ({ mask: causal, counts: (q, k) => k <= q }),
  alibi: () => ({ mask: causal, score: alibi(tensor(Float32Array.from({ length: heads }, (_, h) => 2 ** (-8 * (h + 1) / heads)))), counts: (q, k) => k <= q }),
  softcap: () => ({ mask: causal, score: softcap(30), counts: (q, k) => k <= q }),
  relativeBias: () => ({ mask: causal, score: relativeBias(tensor(Float32Array.from({ length: heads * 33 }, (_, i) => Math.sin(i)), { shape: [heads, 33] })), counts: (q, k) => k <= q }),
  sinks: () => ({ mask: causal, sinks: tensor(new Float32Array(heads)), counts: (q, k) => k <= q }),
  everyOther: () => ({ mask: everyOther, counts: (q, k) => k <= q && (q - k) % 2 === 0 }),
  slidingWindow: (window) => ({ mask: slidingWindow(window), counts: (q, k) => k <= q && q - k < window }),
  windowAndGlobal: (window) => ({ mask: and(causal, or(slidingWindow(window), globalTokens(4))), counts: (q, k) => k <= q && (q - k < window || k < 4) }),
  dilatedWindow: (window) => ({ mask: dilatedWindow({ windowKeys: window / 2, dilation: 2 }), counts: (q, k) => k <= q && q - k < window && (q - k) % 2 === 0 }),
  blockLocal: (window) => ({ mask: and(causal, blockLocal(window)), counts: (q, k) => k <= q && Math.floor(q / window) === Math.floor(k / window) }),
  strided: (window) => ({ mask: strided({ stride: window }), counts: (q, k) => k <= q && (q - k < window || (q - k) % window === 0) }),
  fixedPattern: (window) => ({ mask: fixedPattern({ stride: window }), counts: (q, k) => k <= q && (Math.floor(q / window) === Math.floor(k / window) || k % window === window - 1) }),
};

const input = (seed: number, length: number): HostTensor => ({
  shape: [1, heads, length, headWidth], data: Float32Array.from({ length: heads * length * headWidth }, (_, i) => Math.sin((i + 1) * seed * 0.7) + Math.cos(i * 0.3)),
});
const inputs = (length: number): HostTensor[] => [1, 2, 3].map((seed) => input(seed, length));

/** How many of the scores of a head count. */
function visibleScores(length: number, counts: (q: number, k: number) => boolean): number {
  let visible = 0;
  for (let q = 0; q < length; q++) for (let k = 0; k < length; k++) if (counts(q, k)) visible++;
  return visible;
}

/** Products of forward: two with D multiply-adds a score; of forward and gradients: seven (flash attention computes the scores again). */
const products = { forward: 2, training: 7 } as const;

export const benchmarks = [defineBenchmark({
  suite: 'kernels', name: 'attention', description: `Masks and score functions, one sequence, ${heads} heads of width ${headWidth}, f32; the rate counts the scores that the mask lets count.`,
  parameters: { variant: Object.keys(variants), pass: ['forward', 'training'], length: [1024], window: [128] },
  async prepare({ variant, pass, length, window }, place) {
    if (!Number.isInteger(window) || window < 2 || window % 2 !== 0) throw new Error(`attention: window must be even and at least 2, got ${window}`);
    const { counts, ...options } = variants[variant]!(window), visible = visibleScores(length, (q, k) => counts(q, k, window));
    const compiled = compiledCase(await place.device(), {
      name: variant, inputs: inputs(length), checked: inputs(150),
      make: () => (pass === 'forward' ? (q, k, v) => attend(q, k, v, options) : withGradients((q, k, v) => attend(q!, k!, v!, options))),
      work: { flops: 2 * products[pass as keyof typeof products] * headWidth * heads * visible },
    });
    return { ...compiled, figures: async () => ({ visiblePercent: 100 * visible / length ** 2, ...await compiled.figures!() }) };
  },
})];

import { alibi, and, attend, blockLocal, causal, dilatedWindow, fixedPattern, globalTokens, or, relativeBias, slidingWindow, softcap, strided, type AttendOptions, type Mask } from '@ashlar/attention';
import { compiledCase, defineBenchmark, type HostTensor, type Judgement, type TimedCase } from '@ashlar/conformance/benchmark';
import { gradients, tensor, type Tensor } from '@ashlar/tensor';

const heads = 4, headWidth = 32;

/** A mask as a reader of the documentation might write it. */
const everyOther: Mask = ({ q, k }) => k.le(q).and(q.sub(k).mod(2).eq(0));

/** What is asked of `attend`; which scores then count, as a plain function; and what is learned of what it captures. */
interface Variant { readonly options: AttendOptions; readonly counts: (q: number, k: number) => boolean; readonly learned?: readonly Tensor[] }

const every = (q: number, k: number): boolean => k <= q, table = tensor(Float32Array.from({ length: heads * 33 }, (_, i) => Math.sin(i)), { shape: [heads, 33] });
const whole = (more: AttendOptions, learned: readonly Tensor[] = []): (() => Variant) => () => ({ options: { mask: causal, ...more }, counts: every, learned });

/** By the keys of windows, blocks and strides. */
const variants: Readonly<Record<string, (window: number) => Variant>> = {
  causal: whole({}),
  alibi: whole({ score: alibi(tensor(Float32Array.from({ length: heads }, (_, h) => 2 ** (-8 * (h + 1) / heads)))) }),
  softcap: whole({ score: softcap(30) }),
  relativeBias: whole({ score: relativeBias(table) }),
  learnedBias: whole({ score: relativeBias(table) }, [table]),
  sinks: whole({ sinks: tensor(new Float32Array(heads)) }),
  everyOther: () => ({ options: { mask: everyOther }, counts: (q, k) => k <= q && (q - k) % 2 === 0 }),
  slidingWindow: (window) => ({ options: { mask: slidingWindow(window) }, counts: (q, k) => k <= q && q - k < window }),
  windowAndGlobal: (window) => ({ options: { mask: and(causal, or(slidingWindow(window), globalTokens(4))) }, counts: (q, k) => k <= q && (q - k < window || k < 4) }),
  dilatedWindow: (window) => ({ options: { mask: dilatedWindow({ windowKeys: window / 2, dilation: 2 }) }, counts: (q, k) => k <= q && q - k < window && (q - k) % 2 === 0 }),
  blockLocal: (window) => ({ options: { mask: and(causal, blockLocal(window)) }, counts: (q, k) => k <= q && Math.floor(q / window) === Math.floor(k / window) }),
  strided: (window) => ({ options: { mask: strided({ stride: window }) }, counts: (q, k) => k <= q && (q - k < window || (q - k) % window === 0) }),
  fixedPattern: (window) => ({ options: { mask: fixedPattern({ stride: window }) }, counts: (q, k) => k <= q && (Math.floor(q / window) === Math.floor(k / window) || k % window === window - 1) }),
};
const names = Object.keys(variants), masks = names.filter((name) => name === 'causal' || variants[name]!(2).counts !== every);

/** Sequences, and tokens of each. */
interface Size { readonly sequences: number; readonly tokens: number }

const inputs = ({ sequences, tokens }: Size): HostTensor[] => [1, 2, 3].map((seed) => ({
  shape: [sequences, heads, tokens, headWidth], data: Float32Array.from({ length: sequences * heads * tokens * headWidth }, (_, i) => Math.sin((i + 1) * seed * 0.7) + Math.cos(i * 0.3)),
}));

/** How many of the scores of a head count. */
function visibleScores(length: number, counts: (q: number, k: number) => boolean): number {
  let visible = 0;
  for (let q = 0; q < length; q++) for (let k = 0; k < length; k++) if (counts(q, k)) visible++;
  return visible;
}

/** Products of forward: two with D multiply-adds a score; of forward and gradients: seven (flash attention computes the scores again). */
const products = { forward: 2, training: 7 } as const;

const itself = 'itself', sameArea = 'causal of equal area', sameTokens = 'causal of equal area and tokens';
/** The least speed of a variant beside causal attention of equal area and tokens. */
const leastSpeed = 0.8;

/** How many of the scores of a head causal attention lets count. */
const causalArea = ({ sequences, tokens }: Size): number => sequences * tokens * (tokens + 1) / 2;

/**
 * What is timed. Of equal area: one sequence, of which as many scores count. Of equal area and tokens: the same number of
 * tokens, in sequences so long that about as many scores count; of causal attention that is itself.
 */
function sizeOf(timed: string, length: number, visible: number): Size {
  if (timed === itself) return { sequences: 1, tokens: length };
  if (timed === sameArea) return { sequences: 1, tokens: Math.round((Math.sqrt(1 + 8 * visible) - 1) / 2) };
  const sequences = Math.max(1, Math.round(length / (2 * visible / length - 1)));
  return { sequences, tokens: Math.round(length / sequences) };
}

interface Parameters { readonly variant: string; readonly timed: string; readonly pass: string; readonly length: number; readonly window: number; readonly [key: string]: string | number }

function judge(results: readonly TimedCase<Parameters>[]): Judgement[] {
  const find = (like: Parameters, change: Partial<Parameters>): TimedCase<Parameters> | undefined => results.find(({ parameters }) => Object.entries({ ...like, ...change }).every(([key, value]) => parameters[key] === value));
  /** The processor's, where it computes: other work on the machine does not count. */
  const took = ({ ms, figures }: TimedCase<Parameters>): number => figures['processorMs'] ?? ms;
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  return results.filter(({ parameters }) => parameters.timed === itself).flatMap((one) => {
    const { parameters } = one, { variant, pass, length, window } = parameters, bar = `at least ${percent(leastSpeed)}`;
    if (!masks.includes(variant)) {
      const beside = find(parameters, { variant: 'causal' });
      return beside ? [{ what: `${variant}, ${pass}, length ${length}: ${percent(took(beside) / took(one))} of the speed of causal attention (${bar})`, holds: took(beside) / took(one) >= leastSpeed }] : [];
    }
    const beside = find(parameters, { timed: sameTokens }), alone = find(parameters, { timed: sameArea });
    if (!beside) return [];
    const visible = visibleScores(length, variants[variant]!(window).counts), size = sizeOf(sameTokens, length, visible), share = visible / causalArea(size), speed = share * took(beside) / took(one);
    return [{
      what: `${variant}, ${pass}, length ${length}: ${percent(speed)} of the speed of causal attention of equal area and tokens (${bar}; ${size.sequences} × ${size.tokens} tokens, times ${share.toFixed(3)} for the area)${alone ? `, ${percent(took(alone) / took(one))} of equal area alone` : ''}`,
      holds: speed >= leastSpeed,
    }];
  });
}

export const benchmarks = [defineBenchmark<Parameters>({
  suite: 'kernels', name: 'attention',
  description: `Masks and score functions, one sequence, ${heads} heads of width ${headWidth}, f32, beside causal attention over as many scores. Judged beside as many tokens too, as shorter sequences: fewer tokens are less to read and write. The rate counts scores that count.`,
  parameters: { variant: names, timed: [itself, sameTokens, sameArea], pass: ['forward', 'training'], length: [1024], window: [128] },
  when: ({ variant, timed }) => timed === itself || masks.includes(variant),
  async prepare({ variant, timed, pass, length, window }, place) {
    if (!Number.isInteger(window) || window < 2 || window % 2 !== 0) throw new Error(`attention: window must be even and at least 2, got ${window}`);
    const { options, learned = [] } = variants[timed === itself ? variant : 'causal']!(window), visible = visibleScores(length, variants[variant]!(window).counts), size = sizeOf(timed, length, visible);
    const compiled = compiledCase(await place.device(), {
      name: variant, inputs: inputs(size), checked: inputs({ sequences: 1, tokens: 150 }),
      make: () => (q, k, v) => {
        const o = attend(q!, k!, v!, options);
        return pass === 'forward' ? o : [o, ...gradients(o.square().sum(), [q!, k!, v!, ...learned])];
      },
      work: { flops: 2 * products[pass as keyof typeof products] * headWidth * heads * (timed === itself ? visible : causalArea(size)) },
    });
    return { ...compiled, figures: async () => ({ visiblePercent: 100 * visible / length ** 2, ...await compiled.figures!() }) };
  },
  judge,
})];

/** Masks and score functions that are timed beside causal attention. */
import { alibi, and, blockLocal, causal, dilatedWindow, fixedPattern, globalTokens, or, relativeBias, slidingWindow, softcap, strided, type AttendOptions, type Mask } from '@ashlar/attention';
import { tensor, type Tensor } from '@ashlar/tensor';

export interface AttentionCase {
  readonly name: string;
  readonly mask: Mask;
  readonly options: AttendOptions;
  /** What the options capture and training learns too. */
  readonly learned?: readonly Tensor[];
}

const H = 4;
export const heads = H;

/** A mask as a reader of the documentation might write it. */
const everyOther: Mask = ({ q, k }) => k.le(q).and(q.sub(k).mod(2).eq(0));

export function attentionCases(windowKeys: number): AttentionCase[] {
  const masked = (name: string, mask: Mask, more: AttendOptions = {}): AttentionCase => ({ name, mask, options: { mask, ...more } });
  const slopes = tensor(Float32Array.from({ length: H }, (_, h) => 2 ** (-8 * (h + 1) / H))), table = tensor(Float32Array.from({ length: H * 33 }, (_, i) => Math.sin(i)), { shape: [H, 33] });
  return [
    masked('causal', causal),
    masked('causal, alibi', causal, { score: alibi(slopes) }),
    masked('causal, softcap', causal, { score: softcap(30) }),
    masked('causal, relativeBias', causal, { score: relativeBias(table) }),
    { ...masked('causal, relativeBias that is learned', causal, { score: relativeBias(table) }), learned: [table] },
    masked('causal, sinks', causal, { sinks: tensor(new Float32Array(H)) }),
    masked('a mask of one\'s own', everyOther),
    masked(`slidingWindow(${windowKeys})`, slidingWindow(windowKeys)),
    masked(`or(slidingWindow(${windowKeys}), globalTokens(4))`, and(causal, or(slidingWindow(windowKeys), globalTokens(4)))),
    masked(`dilatedWindow(${windowKeys / 2}, 2)`, dilatedWindow({ windowKeys: Math.ceil(windowKeys / 2), dilation: 2 })),
    masked(`blockLocal(${windowKeys})`, and(causal, blockLocal(windowKeys))),
    masked(`strided(${windowKeys})`, strided({ stride: windowKeys })),
    masked(`fixedPattern(${windowKeys})`, fixedPattern({ stride: windowKeys })),
  ];
}

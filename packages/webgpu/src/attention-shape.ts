/** What attention kernels are generated for, and what a request must fulfil to have one. */
import type { DType } from '@ashlar/tensor';
import type { Target } from './program.js';

export interface AttentionShape {
  /** Batch, query heads, key/value heads, queries, keys, head width. */
  readonly B: number;
  readonly H: number;
  readonly G: number;
  readonly T: number;
  readonly S: number;
  readonly D: number;
  readonly scale: number;
  readonly causal: boolean;
}

/** Rows of q (or k), one a thread, of a workgroup. */
export const rowsPerGroup = ({ adapterClass }: Target): number => (adapterClass === 'gpu' ? 64 : 8);

/** Rows wider than this would not fit in registers. */
export const widestHead = 256;

export function attentionShape(inputs: readonly { readonly shape: readonly number[] }[], attributes: Readonly<Record<string, unknown>>): AttentionShape {
  const [B, H, T, D] = inputs[0]!.shape as [number, number, number, number], [, G, S] = inputs[1]!.shape as [number, number, number, number];
  const { scale, causal } = attributes;
  if (typeof scale !== 'number' || typeof causal !== 'boolean') throw new TypeError('attention takes attributes { scale: number, causal: boolean, mask?, score? }');
  return { B, H, G, T, S, D, scale, causal };
}

const knownAttributes: readonly string[] = ['scale', 'causal', 'mask', 'score', 'slope', 'tables', 'differentiate'];

/** Whether the kernels take these operands, of which the first `floats` are not captures of mods. Attributes they do not know are refused, never ignored. */
export function hasAttentionKernel(inputs: readonly { readonly shape: readonly number[]; readonly dtype: DType }[], floats: number, attributes: Readonly<Record<string, unknown>>, half: boolean): boolean {
  const D = inputs[0]!.shape[3]!;
  return D >= 1 && D <= widestHead && Object.entries(attributes).every(([key, value]) => value === undefined || knownAttributes.includes(key))
    && inputs.slice(0, floats).every(({ dtype }) => dtype === 'f32' || (dtype === 'f16' && half));
}

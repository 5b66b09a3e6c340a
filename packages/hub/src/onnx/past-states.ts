/** What a graph remembers between its calls: it is given to it, and handed back. */
import { Variable, concat, read, type DType, type Shape, type Tensor } from '@ashlar/tensor';
import type { Cache, LayerCache } from '@ashlar/nn';
import { OnnxError } from './onnx-format.js';
import type { OnnxTrace } from './onnx-model.js';

export interface PastStatesOptions {
  /** P, tokens before those of this call. */
  readonly past: number;
  /** Whether any number of tokens may come at once. */
  readonly freeLength: boolean;
  /** Whether the decoder also attends to a source, so that states are of one or the other. */
  readonly isPair: boolean;
  /** bool [B, P + T], where tokens are padding. */
  readonly mask: Tensor | undefined;
  readonly maxLength: number | undefined;
  /** Tokens of the source whose keys and values are kept already. */
  readonly keptSource: number | undefined;
}

/** A cache for `cachedLogits` whose states are inputs, `past_key_values.N.…`, and results, `present.N.…`, of a graph. */
export class PastStates implements Pick<Cache, 'layer' | 'maxLength'> {
  /** Results that are longer than what was given. Those of a fixed size are assigned. */
  readonly present: Record<string, Tensor> = {};
  readonly maxLength: number | undefined;
  readonly #variables = new Map<string, Variable>();

  constructor(readonly trace: OnnxTrace, readonly options: PastStatesOptions) { this.maxLength = options.maxLength; }

  /** @param name `layers.N.attention` or `layers.N.crossAttention`. */
  layer(name: string, start: Tensor): LayerCache {
    const { past, freeLength, isPair, mask, keptSource } = this.options, [, number, part] = name.split('.') as [string, string, string], cross = part === 'crossAttention';
    const place = isPair ? `${number}.${cross ? 'encoder' : 'decoder'}` : number;
    const nameOf = (state: string): string => `${place}.${state}`, ofToken = (state: string): string => nameOf({ keys: 'key', values: 'value', contextKeys: 'key', contextValues: 'value' }[state] ?? state);
    return {
      start, capacity: Infinity, has: (state) => this.#variables.has(nameOf(state)),
      state: (state, asked) => {
        if (!asked) return this.#variables.get(nameOf(state))!;
        if (asked.tokens > 0) throw new OnnxError(`onnx: the attention of layer ${number} keeps tokens in a state of a fixed size (${state}), and in a graph it grows; keep them by LayerCache.join where the cache has it, or export whole sequences, by exportOnnx`);
        if (freeLength) throw new OnnxError(`onnx: length cannot be free with the attention of layer ${number}, which sums up all tokens in a state (${state}); give length: 1 and the tokens of a prompt one by one, or use attention that keeps keys, such as grouped`);
        return this.#variable(nameOf(state), asked.shape, asked.dtype, true);
      },
      join: (state, added) => {
        const [B, G] = added.shape as [number, number];
        // What is padding is told of all tokens in each call.
        if (state === 'padding') return mask!.cast('i32').reshape([B, G, mask!.shape[1]!]);
        const variable = this.#variable(ofToken(state), added.shape.with(2, cross ? keptSource! : past), added.dtype, false);
        return (this.present[`present.${ofToken(state)}`] = concat([read(variable), added], 2));
      },
    };
  }

  #variable(name: string, shape: Shape, dtype: DType, handedBack: boolean): Variable {
    const variable = new Variable(shape, dtype, undefined, { name });
    this.#variables.set(name, variable);
    this.trace.state(variable, `past_key_values.${name}`, ...(handedBack ? [`present.${name}`] : []));
    return variable;
  }
}

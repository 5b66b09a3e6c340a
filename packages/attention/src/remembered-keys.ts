import { arange, assign, concat, read, where, zeros, type Tensor } from '@ashlar/tensor';
import type { AttentionInput, LayerCache } from '@ashlar/nn';

/** Keys and values that a query may see, which of them are padding, bool [B, S], and the places of queries and keys where they are not in order; a place below 0 holds nothing. */
export interface Remembered { readonly parts: readonly Tensor[]; readonly keyPadding: Tensor | undefined; readonly places: { readonly q: Tensor; readonly k: Tensor } | undefined }

/** x mod n, from 0. */
const floorMod = (x: Tensor, n: number): Tensor => x.mod(n).add(n).mod(n);

/**
 * Adds what a layer computed for new tokens, each [B, G, T, …], to what it remembers. Where no query sees further back than
 * `reach` keys, only so many are kept: the key at place p lies in slot p mod reach.
 * @param input Its `keyPadding`, bool [B, T], is of the new tokens; absent: none of them is padding.
 * @throws {RangeError} where more tokens come at once than a cache that forgets nothing can hold. @throws {Error} on segments.
 */
export function remember(cache: LayerCache, computed: Readonly<Record<string, Tensor>>, reach: number | undefined, { x, keyPadding, segments }: AttentionInput): Remembered {
  if (segments) throw new Error('a cache holds one document a row; leave out segments');
  const [rows, count] = x.shape as [number, number], padding = keyPadding?.cast('i32') ?? (cache.has('padding') ? zeros([rows, count], 'i32') : undefined);
  const kept = Object.fromEntries(Object.entries(computed).map(([name, part]) => [name, part.cast(cache.dtype ?? part.dtype)])), added: Readonly<Record<string, Tensor>> = padding ? { ...kept, padding: padding.reshape([rows, 1, count]) } : kept;
  const paddingOf = (all: Tensor | undefined): Tensor | undefined => all?.reshape([rows, all.shape[2]!]).ne(0);
  if (cache.join) {
    const parts = Object.entries(added).map(([name, part]) => cache.join!(name, part));
    return { parts, keyPadding: paddingOf(padding && parts.at(-1)), places: undefined };
  }
  const { start, capacity } = cache, slots = Math.min(reach ?? capacity, capacity), rolls = slots < capacity;
  const T = Object.values(added)[0]!.shape[2]!;
  if (!rolls && T > slots) throw new RangeError(`the cache holds ${slots} tokens, and ${T} came at once; give it a larger capacity`);
  const slot = arange(slots), news = arange(T).add(start);
  /** The newest place before `end` that lies in each slot; below 0 where there is none. */
  const placesBefore = (end: Tensor): Tensor => (rolls ? end.sub(1).sub(floorMod(end.sub(1).sub(slot), slots)) : where(slot.lt(end), slot, -1));
  const places = placesBefore(start.add(T)), isNew = places.ge(start), index = places.sub(start).maximum(0);
  const joins = rolls && T > 1;
  const parts = Object.entries(added).map(([name, part]) => {
    const shape = part.shape.with(2, slots), [B, G, , ...rest] = shape as [number, number, number, ...number[]];
    const variable = cache.state(name, { shape, dtype: part.dtype, tokens: slots, rolls }), before = read(variable);
    const moved = part.permute(2, 0, 1, ...rest.map((_, i) => i + 3)).gather(index).permute(1, 2, 0, ...rest.map((_, i) => i + 3));
    const after = where(isNew.reshape([1, 1, slots, ...rest.map(() => 1)]), T === 1 ? part.broadcastTo([B, G, slots, ...rest]) : moved, before);
    assign(variable, after);
    return joins ? concat([before, part], 2) : after;
  });
  return { parts, keyPadding: paddingOf(padding && parts.at(-1)), places: { q: news, k: joins ? concat([placesBefore(start), news]) : places } };
}

/**
 * The two orders of a head's rows in the projections of queries and keys, by where the elements of a pair stand that turns:
 * side by side (`interleaved`: llama2.c, GGUF's llama), or half a head apart (`halfSplit`: Hugging Face).
 */

/** Rows of each head from interleaved to half-split order. A weight [heads · D, …], or a bias [heads · D]. */
export const halfSplitRows = <Data extends Float32Array | Uint16Array>(data: Data, heads: number, headWidth: number): Data =>
  reordered(data, heads, headWidth, (row) => (row < headWidth / 2 ? 2 * row : 2 * (row - headWidth / 2) + 1));

/** Rows of each head from half-split to interleaved order. */
export const interleavedRows = <Data extends Float32Array | Uint16Array>(data: Data, heads: number, headWidth: number): Data =>
  reordered(data, heads, headWidth, (row) => (row % 2 === 0 ? row / 2 : (row - 1) / 2 + headWidth / 2));

/** @param from Which row of a head comes to each place. */
function reordered<Data extends Float32Array | Uint16Array>(data: Data, heads: number, headWidth: number, from: (row: number) => number): Data {
  const out = data.slice() as Data, row = data.length / (heads * headWidth);
  for (let head = 0; head < heads; head++) {
    for (let place = 0; place < headWidth; place++) {
      const source = (head * headWidth + from(place)) * row;
      out.set(data.subarray(source, source + row), (head * headWidth + place) * row);
    }
  }
  return out;
}

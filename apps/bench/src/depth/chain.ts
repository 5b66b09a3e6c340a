/** Text with a known entropy: a chain of symbols, each followed by one of three. */

const symbols = 32, followers = 3, shares = [0.6, 0.3, 0.1] as const;

/** The entropy of the next symbol, in nats: what a perfect model's loss comes to. */
export const chainEntropy = -shares.reduce((sum, share) => sum + share * Math.log(share), 0);
/** ln 32: the loss of a model that knows nothing. */
export const uniformEntropy = Math.log(symbols);
export const chainVocabulary = symbols;

/** Numbers in [0, 1), the same each time. */
function numbers(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Batches of the chain, which is the same for all seeds; the seed chooses the walks. */
export function chainBatches(seed: number, rows: number, length: number): () => { readonly tokens: Int32Array; readonly targets: Int32Array; readonly shape: readonly [number, number] } {
  const rules = numbers(1), next = Array.from({ length: symbols }, () => Array.from({ length: followers }, () => Math.floor(rules() * symbols))), random = numbers(1000 + seed);
  return () => {
    const tokens = new Int32Array(rows * length), targets = new Int32Array(rows * length);
    for (let row = 0; row < rows; row++) {
      let symbol = Math.floor(random() * symbols);
      for (let t = 0; t < length; t++) {
        tokens[row * length + t] = symbol;
        const u = random();
        symbol = next[symbol]![u < shares[0] ? 0 : u < shares[0] + shares[1] ? 1 : 2]!;
        targets[row * length + t] = symbol;
      }
    }
    return { tokens, targets, shape: [rows, length] };
  };
}

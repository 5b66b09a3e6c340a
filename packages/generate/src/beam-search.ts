import { requireCount } from '@ashlar/nn';
import { openReader, type Reader, type ReaderOptions } from './reader.js';
import { ContextError } from './writer.js';

export interface BeamSearcherOptions extends Omit<ReaderOptions, 'batch'> {
  /** How many texts are followed at once. */
  readonly beams: number;
}

export interface BeamRunOptions {
  /** Token numbers to go on from, at least one: of an encoder-decoder, those that begin a target. */
  readonly prompt: ArrayLike<number>;
  /** What a model that writes from a source writes from. */
  readonly source?: ArrayLike<number> | undefined;
  readonly maxTokens: number;
  /** Tokens that end a text; they count for its score and are not given out. */
  readonly endTokens?: readonly number[] | undefined;
  /** α: a text of n tokens scores log p / nᵅ; default 1. 0 favours short texts, more favours long ones. Wu et al. 2016, arXiv 1609.08144. */
  readonly lengthPenalty?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type BeamSearchOptions = BeamSearcherOptions & BeamRunOptions;

/** A text that beam search has found. */
export interface BeamResult {
  readonly tokens: readonly number[];
  /** log p of its tokens, and of the one that ends it, after the prompt: in nats. */
  readonly logProbability: number;
  /** log p / nᵅ */
  readonly score: number;
  /** Whether an end token ended it, rather than `maxTokens`. */
  readonly ended: boolean;
}

interface Beam { readonly tokens: readonly number[]; readonly logProbability: number }
interface Candidate extends Beam { readonly row: number; readonly token: number }

/** Beam search, again and again with what was compiled once; release it when it is done. */
export interface BeamSearcher {
  /**
   * The likeliest texts that follow a prompt, best score first, at most as many as beams. Of all texts that go on from the
   * beams by a token the likeliest stay; the search ends when no beam can come to a better score than those found.
   * @throws {RangeError | ContextError}
   */
  run(options: BeamRunOptions): Promise<BeamResult[]>;
  release(): void;
}

/** @throws {RangeError} */
export function beamSearcher({ beams, ...options }: BeamSearcherOptions): BeamSearcher {
  requireCount('beamSearch', 'beams', beams);
  const reader = openReader({ ...options, batch: beams });
  return { run: (run) => searched(reader, options.model.vocabulary, beams, run), release: () => reader.release() };
}

/** The likeliest texts that follow one prompt: see `BeamSearcher.run`. */
export async function beamSearch({ prompt, source, maxTokens, endTokens, lengthPenalty, signal, ...options }: BeamSearchOptions): Promise<BeamResult[]> {
  const searcher = beamSearcher(options);
  try {
    return await searcher.run({ prompt, source, maxTokens, endTokens, lengthPenalty, signal });
  } finally {
    searcher.release();
  }
}

async function searched(reader: Reader, V: number, W: number, { prompt, source, maxTokens, endTokens = [], lengthPenalty = 1, signal }: BeamRunOptions): Promise<BeamResult[]> {
  requireCount('beamSearch', 'maxTokens', maxTokens);
  if (!Number.isFinite(lengthPenalty)) throw new RangeError(`beamSearch: lengthPenalty must be a number, got ${lengthPenalty}`);
  if (prompt.length === 0) throw new RangeError('beamSearch: the prompt must hold at least one token');
  const start = Array.from(prompt);
  const scoreOf = (logProbability: number, count: number): number => logProbability / count ** lengthPenalty;
  let found: BeamResult[] = [];
  const finish = (tokens: readonly number[], logProbability: number, ended: boolean): void => {
    found.push({ tokens, logProbability, score: scoreOf(logProbability, tokens.length + (ended ? 1 : 0)), ended });
    found = found.sort((a, b) => b.score - a.score).slice(0, W);
  };
  if (source) reader.begin(Array.from({ length: W }, () => source));
  else reader.trim(0);
  const context = reader.room('logits');
  if (start.length + maxTokens - 1 > context) throw new ContextError(start.length + maxTokens - 1, context);
  let beams: readonly Beam[] = [{ tokens: [], logProbability: 0 }];
  let logits = await reader.read(Int32Array.from({ length: W * start.length }, (_, i) => start[i % start.length]!), 'logits');
  for (let count = 1; ; count++) {
    signal?.throwIfAborted();
    const live: Candidate[] = [];
    // Twice as many as beams: as many may end, and yet all beams go on.
    for (const [rank, candidate] of likeliest(beams, logits, V, W * (1 + endTokens.length)).entries()) {
      if (!endTokens.includes(candidate.token)) live.push(candidate);
      else if (rank < W) finish(candidate.tokens.slice(0, -1), candidate.logProbability, true);
    }
    beams = live.slice(0, W);
    if (count === maxTokens) for (const { tokens, logProbability } of beams) finish(tokens, logProbability, false);
    const best = beams[0]?.logProbability ?? -Infinity;
    // The best that a beam can come to: nothing less likely, at the length that suits it best.
    const hope = Math.max(scoreOf(best, count + 1), scoreOf(best, maxTokens));
    if (count === maxTokens || beams.length === 0 || (found.length === W && found[W - 1]!.score >= hope)) return found;
    const rows = Array.from({ length: W }, (_, i) => live[Math.min(i, beams.length - 1)]!);
    logits = await reader.readReordered(Int32Array.from(rows, ({ token }) => token), Int32Array.from(rows, ({ row }) => row));
  }
}

/** The likeliest texts that go on from the beams by a token, at most `most`, the likeliest first. Row b of the logits is that of beam b. */
function likeliest(beams: readonly Beam[], logits: Float32Array, V: number, most: number): Candidate[] {
  const all: { readonly row: number; readonly token: number; readonly logProbability: number }[] = [];
  for (const [row, { logProbability }] of beams.entries()) {
    const own = logits.subarray(row * V, (row + 1) * V), peak = own.reduce((greatest, value) => Math.max(greatest, value), -Infinity);
    let total = 0;
    for (const value of own) total += Math.exp(value - peak);
    const base = logProbability - peak - Math.log(total), least = V > most ? Float32Array.from(own).sort()[V - most]! : -Infinity;
    for (const [token, value] of own.entries()) if (value >= least && value > -Infinity) all.push({ row, token, logProbability: base + value });
  }
  all.sort((a, b) => b.logProbability - a.logProbability || a.row - b.row || a.token - b.token);
  return all.slice(0, most).map((one) => ({ ...one, tokens: [...beams[one.row]!.tokens, one.token] }));
}

import type { DType, TypedArray } from '@ashlar/tensor';

/** A tensor in host memory, elements in row-major order. */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

/** What a checkpoint says beside its tensors. */
export interface CheckpointFacts {
  /** Updates that its parameters have had. */
  readonly step: number;
  readonly seed: number;
  /** Of everything that decides the course of the training: only a run with the same hash goes on from it. */
  readonly configHash: string;
  /** Updates that the optimizer counts. */
  readonly optimizerCount: number;
  /** The device kind; on another one the numbers differ by rounding. */
  readonly device: string;
  /** What `tokenizer.toJSON()` gave. */
  readonly tokenizer: unknown;
}

/** All that is needed to go on. */
export interface Checkpoint {
  readonly facts: CheckpointFacts;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** How tensors become a file. `write` replaces the file whole or not at all; `read` throws on a damaged one. */
export interface TensorFileFormat {
  write(path: string, tensors: ReadonlyMap<string, StoredTensor>, metadata: ReadonlyMap<string, string>): void;
  read(path: string): { readonly tensors: ReadonlyMap<string, StoredTensor>; readonly metadata: ReadonlyMap<string, string> };
}

/** A file is no whole checkpoint. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
  constructor(readonly path: string, readonly problem: string) {
    super(`${path}: ${problem}`);
  }
}

/** Facts from the JSON that a checkpoint holds. Throws CheckpointError. */
export function parseFacts(path: string, text: string | undefined): CheckpointFacts {
  if (text === undefined) throw new CheckpointError(path, 'it is a tensor file, but no checkpoint: its metadata lack "checkpoint"');
  let facts: Partial<CheckpointFacts> | null;
  try {
    facts = JSON.parse(text) as Partial<CheckpointFacts> | null;
  } catch (error) {
    throw new CheckpointError(path, `its facts are not valid JSON: ${(error as Error).message}`);
  }
  const wrong = (['step', 'seed', 'optimizerCount'] as const).find((key) => !Number.isSafeInteger(facts?.[key]) || facts![key]! < 0)
    ?? (['configHash', 'device'] as const).find((key) => typeof facts?.[key] !== 'string');
  if (wrong !== undefined) throw new CheckpointError(path, `its facts lack a proper "${wrong}", got ${JSON.stringify(facts?.[wrong])}`);
  return facts as CheckpointFacts;
}

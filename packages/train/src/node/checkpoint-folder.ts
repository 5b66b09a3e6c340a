import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError, parseFacts, type Checkpoint, type StoredTensor, type TensorFileFormat } from '../checkpoint.js';

const namePattern = /^checkpoint-(\d+)\.safetensors$/;
/** What a killed process can leave of a checkpoint that it was writing. */
const temporaryPattern = /^\.checkpoint-\d+\.safetensors\..*\.tmp$/;

export interface CheckpointFolderOptions {
  /** For safetensors, from `@ashlar/hub/node`: `{ write: writeSafetensors, read: readSafetensorsFile }`. */
  readonly format: TensorFileFormat;
  /** How many of the newest checkpoints stay; at least 2, so that a damaged one has a good one before it. Default 2. */
  readonly keep?: number;
}

/** A checkpoint found, and the newer ones that were damaged. */
export interface NewestCheckpoint extends Checkpoint {
  readonly path: string;
  readonly damaged: readonly CheckpointError[];
}

export interface CheckpointFolder {
  /** Writes `checkpoint-<step>.safetensors`; older ones are removed only once it is complete on the disk. Returns its path. */
  save(checkpoint: Checkpoint): string;
  /** The newest whole checkpoint; undefined where there is none at all. Throws the newest one's CheckpointError where all are damaged. */
  newest(): NewestCheckpoint | undefined;
  /** Steps of the checkpoint files, newest first. */
  steps(): number[];
  /** Removes what a killed process left half written. */
  removeLeftovers(): void;
}

/**
 * The checkpoints of one run. The facts are in the tensor file's own metadata, with a SHA-256 of the tensors, so that
 * facts and tensors appear in one rename, and any damage is noticed.
 */
export function checkpointFolder(folder: string, { format, keep = 2 }: CheckpointFolderOptions): CheckpointFolder {
  if (!Number.isSafeInteger(keep) || keep < 2) throw new RangeError(`checkpointFolder: keep must be a whole number from 2, got ${keep}`);
  const pathOf = (step: number): string => join(folder, `checkpoint-${step}.safetensors`);
  const names = (): string[] => (existsSync(folder) ? readdirSync(folder) : []);
  const steps = (): number[] => names().flatMap((name) => namePattern.exec(name)?.[1] ?? []).map(Number).sort((a, b) => b - a);

  const read = (path: string, step: number): Checkpoint => {
    let file: ReturnType<TensorFileFormat['read']>;
    try {
      file = format.read(path);
    } catch (error) {
      throw new CheckpointError(path, (error as Error).message.replace(`${path}: `, ''));
    }
    const facts = parseFacts(path, file.metadata.get('checkpoint'));
    if (facts.step !== step) throw new CheckpointError(path, `it holds step ${facts.step}`);
    if (file.metadata.get('sha256') !== digest(file.tensors)) throw new CheckpointError(path, 'its tensors do not match their checksum');
    return { facts, tensors: file.tensors };
  };

  return {
    steps,
    save({ facts, tensors }) {
      const path = pathOf(facts.step);
      format.write(path, tensors, new Map([['checkpoint', JSON.stringify(facts)], ['sha256', digest(tensors)], ['format', 'pt']]));
      const kept = new Set(steps().filter((step) => step <= facts.step).slice(0, keep));
      for (const step of steps()) if (!kept.has(step)) rmSync(pathOf(step), { force: true });
      return path;
    },
    newest() {
      const damaged: CheckpointError[] = [];
      for (const step of steps()) {
        const path = pathOf(step);
        try {
          return { ...read(path, step), path, damaged };
        } catch (error) {
          if (!(error instanceof CheckpointError)) throw error;
          damaged.push(error);
        }
      }
      if (damaged.length > 0) throw damaged[0]!;
      return undefined;
    },
    removeLeftovers() {
      for (const name of names()) if (temporaryPattern.test(name)) rmSync(join(folder, name), { force: true });
    },
  };
}

/** SHA-256 over names, dtypes, shapes and bytes, in the order of the names. */
function digest(tensors: ReadonlyMap<string, StoredTensor>): string {
  const hash = createHash('sha256');
  for (const [name, { dtype, shape, data }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(JSON.stringify([name, dtype, shape])).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.digest('hex');
}

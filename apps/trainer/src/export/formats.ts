import { ggufFormat } from './gguf.js';
import { huggingFaceFormat } from './hugging-face.js';
import type { LoadedRun } from '../load-run.js';
import type { FormatName } from './format-names.js';
import { onnxFormat } from './onnx.js';

/** What a person may ask of some formats. */
export interface FormatOptions {
  readonly batch?: number;
  readonly length?: number;
  readonly sourceLength?: number;
  readonly padding?: boolean;
  readonly storage?: 'f32' | 'f16' | 'bf16';
  readonly family?: string;
}

/** A form in which a model is written. */
export interface ExportFormat {
  /** The options that it has; another one is refused. */
  readonly options: readonly (keyof FormatOptions)[];
  /** Writes the model whole or not at all. Gives a line for people: what was written. */
  write(run: LoadedRun, out: string, options: FormatOptions): Promise<string>;
}

export const formats: Readonly<Record<FormatName, ExportFormat>> = { onnx: onnxFormat, hf: huggingFaceFormat, gguf: ggufFormat };

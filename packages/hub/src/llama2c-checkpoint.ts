import { build, type DecoderConfigInput } from '@ashlar/models';
import type { PretrainedModel } from './pretrained-model.js';
import { halfSplitRows } from './rotary-rows.js';
import type { ByteSource } from './safetensors-reader.js';

/** A file is no checkpoint of llama2.c. */
export class Llama2cError extends Error {
  override readonly name = 'Llama2cError';
}

const headerBytes = 28;
/** What newer versions begin with: "ak42". */
const versionedMagic = 0x616b3432;

/**
 * A checkpoint of llama2.c in its first format, as `run.c` reads it: seven i32 (width, hidden width, layers, heads,
 * key/value heads, tokens, longest sequence; fewer than 0 tokens: the head is not the token table), then f32 weights,
 * layer by layer for each kind; little-endian. Pairs that turn stand side by side in the file, and half a head apart in
 * the model, as in Hugging Face's files.
 *
 * @throws {Llama2cError} where the file is no such checkpoint, or has another length than its header says.
 */
export function readLlama2cCheckpoint(source: ByteSource): PretrainedModel<'decoder'> {
  const fail = (problem: string): Llama2cError => new Llama2cError(`${source.name}: ${problem}`);
  const { C, F, L, H, G, V, T, tied } = readHeader(source, fail), D = C / H;
  const config: DecoderConfigInput = {
    modelType: 'decoder', vocabulary: V, width: C, depth: L, maxLength: T, attention: { type: 'grouped', heads: H, kvHeads: G, bias: false },
    positional: { type: 'rotary', base: 10000, layout: 'halfSplit' }, norm: { type: 'rmsNorm', epsilon: 1e-5 }, feedForward: { type: 'swiglu', hidden: F, bias: false }, tiedHead: tied,
    initialisation: { std: 0.02, scaledResidual: false },
  };

  /** What the file holds one after the other: of each layer so many numbers, or once. */
  const layout: readonly { readonly parameter: string | undefined; readonly size: number; readonly heads?: number }[] = [
    { parameter: 'tokens.weight', size: V * C },
    { parameter: 'layers.N.residual.norms.0.gain', size: C },
    { parameter: 'layers.N.attention.query.weight', size: C * C, heads: H },
    { parameter: 'layers.N.attention.key.weight', size: G * D * C, heads: G },
    { parameter: 'layers.N.attention.value.weight', size: G * D * C },
    { parameter: 'layers.N.attention.output.weight', size: C * C },
    { parameter: 'layers.N.residual.norms.1.gain', size: C },
    { parameter: 'layers.N.feedForward.gate.weight', size: F * C },
    { parameter: 'layers.N.feedForward.down.weight', size: C * F },
    { parameter: 'layers.N.feedForward.up.weight', size: F * C },
    { parameter: 'finalNorm.gain', size: C },
    // Cosines and sines, which nobody reads.
    { parameter: undefined, size: T * D },
    ...(tied ? [] : [{ parameter: 'head.weight', size: V * C }]),
  ];
  const isLayered = (parameter: string | undefined): boolean => parameter?.includes('.N.') ?? false;
  const total = layout.reduce((sum, { parameter, size }) => sum + size * (isLayered(parameter) ? L : 1), 0), expected = headerBytes + 4 * total;
  if (!Number.isSafeInteger(expected) || expected !== source.bytes) throw fail(`its header asks for ${expected} bytes, and it has ${source.bytes}: it is truncated, or no checkpoint of llama2.c`);

  const values = new Map<string, Float32Array>();
  let at = headerBytes;
  for (const { parameter, size, heads } of layout) {
    for (let layer = 0; layer < (isLayered(parameter) ? L : 1); layer++, at += 4 * size) {
      if (parameter === undefined) continue;
      const data = new Float32Array(size);
      source.read(at, new Uint8Array(data.buffer));
      values.set(parameter.replace('.N.', `.${layer}.`), heads === undefined ? data : halfSplitRows(data, heads, D));
    }
  }
  const model = build(config, { seed: 'none' });
  model.load(values);
  return { modelType: 'decoder', config, model, specialTokens: { begin: 1, end: 2 } };
}

function readHeader(source: ByteSource, fail: (problem: string) => Error) {
  if (source.bytes < headerBytes) throw fail(`a checkpoint of llama2.c has at least ${headerBytes} bytes, this one has ${source.bytes}`);
  const bytes = new Uint8Array(headerBytes);
  source.read(0, bytes);
  const view = new DataView(bytes.buffer), [C, F, L, H, G, signed, T] = Array.from({ length: 7 }, (_, i) => view.getInt32(4 * i, true)) as [number, number, number, number, number, number, number];
  if (view.getUint32(0, true) === versionedMagic) throw fail(`it is of version ${F}; the first format alone is read, which export.py --version 0 writes`);
  const V = Math.abs(signed);
  for (const [name, value] of Object.entries({ width: C, 'hidden width': F, layers: L, heads: H, 'key/value heads': G, tokens: V, 'longest sequence': T })) {
    if (value < 1) throw fail(`its header must say how many ${name} there are, a whole number from 1, got ${value}: it is no checkpoint of llama2.c`);
  }
  if (C % H !== 0 || (C / H) % 2 !== 0) throw fail(`its heads (${H}) must divide its width (${C}) into heads of even width: it is no checkpoint of llama2.c`);
  if (H % G !== 0) throw fail(`its key/value heads (${G}) must divide its heads (${H}): it is no checkpoint of llama2.c`);
  return { C, F, L, H, G, V, T, tied: signed > 0 };
}

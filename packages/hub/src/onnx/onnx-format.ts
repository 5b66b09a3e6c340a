/** The parts of the ONNX IR that an exported model has, and their form in protocol buffers (onnx.proto of IR version 11). */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** Element types, by their numbers in `TensorProto.DataType`. */
export const onnxTypes = { float: 1, int32: 6, int64: 7, bool: 9, float16: 10 } as const;
export type OnnxType = keyof typeof onnxTypes;

export interface OnnxTensor { readonly type: OnnxType; readonly shape: readonly number[]; /** Little-endian. */ readonly bytes: Uint8Array }
/** A size, or the name of one that is free; sums and products of names are joined by ` + ` and ` * `. */
export type OnnxSize = number | string;
export interface OnnxValue { readonly name: string; readonly type: OnnxType; readonly shape: readonly OnnxSize[] }
export type OnnxAttribute = { readonly float: number } | { readonly int: number } | { readonly ints: readonly number[] } | { readonly string: string };
export interface OnnxNode {
  readonly type: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** A model: nodes in an order in which each comes after what it reads. */
export interface OnnxModel {
  readonly name: string;
  readonly opset: number;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  readonly nodes: readonly OnnxNode[];
  /** Facts for whoever uses the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** What cannot be written as ONNX. */
export class OnnxError extends Error { override readonly name = 'OnnxError'; }

const irVersion = 11;
/** Protocol buffers end here: a larger file could not be read. */
export const largestFile = 2 ** 31 - 1;

/** A message in pieces, so that weights are not copied. */
type Message = readonly Uint8Array[];
const lengthOf = (message: Message): number => message.reduce((sum, { length }) => sum + length, 0);

const small = (write: (writer: BinaryWriter) => BinaryWriter): Uint8Array => write(new BinaryWriter()).finish();
const integer = (field: number, value: number): Uint8Array => small((to) => to.tag(field, WireType.Varint).int64(value));
const text = (field: number, value: string): Uint8Array => small((to) => to.tag(field, WireType.LengthDelimited).string(value));
const numbers = (field: number, values: readonly number[]): Uint8Array => small((to) => values.reduce((writer, value) => writer.tag(field, WireType.Varint).int64(value), to));
const inner = (field: number, ...pieces: Message): Uint8Array[] => [small((to) => to.tag(field, WireType.LengthDelimited).uint32(lengthOf(pieces))), ...pieces];

function attributeMessage([name, attribute]: readonly [string, OnnxAttribute]): Message {
  if ('float' in attribute) return [text(1, name), small((to) => to.tag(2, WireType.Bit32).float(attribute.float)), integer(20, 1)];
  if ('int' in attribute) return [text(1, name), integer(3, attribute.int), integer(20, 2)];
  if ('string' in attribute) return [text(1, name), text(4, attribute.string), integer(20, 3)];
  return [text(1, name), numbers(8, attribute.ints), integer(20, 7)];
}

const nodeMessage = ({ type, name, inputs, outputs, attributes }: OnnxNode): Message => [
  ...inputs.map((input) => text(1, input)), ...outputs.map((output) => text(2, output)), text(3, name), text(4, type),
  ...Object.entries(attributes).flatMap((entry) => inner(5, ...attributeMessage(entry))),
];

const tensorMessage = (name: string, { type, shape, bytes }: OnnxTensor): Message => [numbers(1, shape), integer(2, onnxTypes[type]), text(8, name), ...inner(9, bytes)];

const valueMessage = ({ name, type, shape }: OnnxValue): Message => {
  const dimensions = shape.flatMap((size) => inner(1, typeof size === 'number' ? integer(1, size) : text(2, size)));
  return [text(1, name), ...inner(2, ...inner(1, integer(1, onnxTypes[type]), ...inner(2, ...dimensions)))];
};

/**
 * The bytes of an .onnx file, in pieces.
 * @throws {OnnxError} where they would be more than protocol buffers can hold.
 */
export function onnxChunks(model: OnnxModel): readonly Uint8Array[] {
  const weights = [...model.initializers.values()].reduce((sum, { bytes }) => sum + bytes.length, 0);
  const tooLarge = (bytes: number): OnnxError => new OnnxError(`onnx: the file would have ${bytes} bytes, and one file of this format can have up to ${largestFile}; export a smaller model, or its weights as safetensors (format hf)`);
  if (weights > largestFile) throw tooLarge(weights);
  const graph = [
    ...model.nodes.flatMap((node) => inner(1, ...nodeMessage(node))), text(2, model.name),
    ...[...model.initializers].flatMap(([name, tensor]) => inner(5, ...tensorMessage(name, tensor))),
    ...model.inputs.flatMap((value) => inner(11, ...valueMessage(value))), ...model.outputs.flatMap((value) => inner(12, ...valueMessage(value))),
  ];
  const message = [
    integer(1, irVersion), text(2, 'ashlar'), ...inner(7, ...graph), ...inner(8, text(1, ''), integer(2, model.opset)),
    ...Object.entries(model.metadata).flatMap(([key, value]) => inner(14, text(1, key), text(2, value))),
  ];
  const bytes = lengthOf(message);
  if (bytes > largestFile) throw tooLarge(bytes);
  return message;
}

/** The bytes of an .onnx file. @throws {OnnxError} as `onnxChunks`. */
export function onnxBytes(model: OnnxModel): Uint8Array {
  const chunks = onnxChunks(model), bytes = new Uint8Array(lengthOf(chunks));
  let at = 0;
  for (const chunk of chunks) { bytes.set(chunk, at); at += chunk.length; }
  return bytes;
}

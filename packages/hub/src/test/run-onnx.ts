/** Runs exported models in ONNX Runtime, and checks what the ONNX checker asks of a graph. */
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { onnxBytes, type OnnxModel } from '../onnx/onnx-format.js';

export interface RuntimeInput { readonly data: Float32Array | Int32Array | Uint32Array; readonly shape: readonly number[]; readonly type: 'float32' | 'int64' | 'bool' }

/** The outputs of a model by name, as numbers. */
export async function runOnnx(model: OnnxModel, inputs: Readonly<Record<string, RuntimeInput>>): Promise<RuntimeOutputs> {
  const session = await openOnnx(model), outputs = await runSession(session, inputs);
  await session.release();
  return outputs;
}

export type RuntimeOutputs = Record<string, { readonly shape: readonly number[]; readonly data: number[] }>;

export const openOnnx = (model: OnnxModel): Promise<InferenceSession> => InferenceSession.create(onnxBytes(model), { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 });

export async function runSession(session: InferenceSession, inputs: Readonly<Record<string, RuntimeInput>>): Promise<RuntimeOutputs> {
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { data, shape, type }]) => [name,
    type === 'int64' ? new RuntimeTensor('int64', BigInt64Array.from(Array.from(data, BigInt)), shape)
      : type === 'bool' ? new RuntimeTensor('bool', Uint8Array.from(data), shape) : new RuntimeTensor('float32', Float32Array.from(data), shape)]));
  const results = await session.run(feeds);
  return Object.fromEntries(Object.entries(results).map(([name, { dims, data }]) => [name, { shape: dims, data: Array.from(data as Float32Array, Number) }]));
}

/** Throws where a rule of the ONNX checker is broken: every name given once, nothing read before it is there, sizes that fit. */
export function checkOnnx({ opset, inputs, outputs, initializers, nodes }: OnnxModel): void {
  const problems: string[] = [], known = new Set<string>(), names = new Set<string>(), bytesOf = { float: 4, float16: 2, int32: 4, int64: 8, bool: 1 };
  const define = (name: string): void => { if (name === '' || known.has(name)) problems.push(`${JSON.stringify(name)} is given twice or empty`); known.add(name); };
  if (!(opset >= 23)) problems.push(`opset ${opset} has no Attention`);
  for (const { name } of inputs) define(name);
  for (const [name, { shape, type, bytes }] of initializers) {
    define(name);
    if (bytes.length !== bytesOf[type] * shape.reduce((product, size) => product * size, 1)) problems.push(`${name} has ${bytes.length} bytes`);
  }
  for (const node of nodes) {
    if (names.has(node.name)) problems.push(`two nodes are called ${node.name}`);
    names.add(node.name);
    for (const input of node.inputs) if (!known.has(input)) problems.push(`${node.name} reads ${input} before it is there`);
    node.outputs.forEach(define);
  }
  for (const { name } of outputs) if (!nodes.some((node) => node.outputs.includes(name))) problems.push(`no node gives the output ${name}`);
  const read = new Set([...nodes.flatMap((node) => node.inputs), ...outputs.map(({ name }) => name)]);
  for (const name of [...initializers.keys(), ...nodes.map((node) => node.outputs[0]!)]) if (!read.has(name)) problems.push(`nobody reads ${name}`);
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

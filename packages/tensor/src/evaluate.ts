/** Computing a tensor outside of `jit`. */
import type { TypedArray } from './dtype.js';
import type { Device } from './device.js';
import { topologicalOrder } from './graph.js';
import type { Node } from './node.js';

/** The device that holds what the node is made of; undefined where it is made of host data alone. */
function deviceOf(node: Node): Device | undefined {
  let device: Device | undefined;
  for (const { op } of topologicalOrder([node])) {
    if (op.kind !== 'leaf') continue;
    if (op.source.kind === 'storage') device = op.source.storage.device;
    else if (op.source.kind !== 'data') throw new Error('this tensor belongs to a function under trace (jit, checkpoint) and has no value outside; return it from that function');
  }
  return device;
}

/**
 * The node's contents. Compiles its graph for this one use: in a loop, `jit` compiles once.
 * @throws {Error} where no device is known.
 */
export async function evaluate(node: Node, device?: Device): Promise<TypedArray> {
  if (node.op.kind === 'leaf') {
    if (node.op.source.kind === 'data') return node.op.source.data.slice();
    if (node.op.source.kind === 'storage') return node.op.source.storage.read();
  }
  const target = deviceOf(node) ?? device;
  if (!target) throw new Error('no device is known for this tensor: it is made of host data alone; pass one, as in tensor.data(device)');
  const executable = target.compile({ inputs: [], outputs: [node], updates: [] });
  const [output] = executable.run([]);
  try { return await output!.read(); } finally {
    output!.release();
    executable.release();
  }
}

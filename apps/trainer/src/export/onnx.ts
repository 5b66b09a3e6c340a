import { exportOnnx } from '@ashlar/hub';
import { writeOnnx } from '@ashlar/hub/node';
import type { ExportFormat } from './formats.js';

/** ONNX of fixed shapes. The file also holds the run's config and tokenizer, as metadata. */
export const onnxFormat: ExportFormat = {
  options: ['batch', 'length', 'sourceLength', 'padding'],
  async write({ model, config, tokenizer }, out, options) {
    const onnx = await exportOnnx(model, { ...options, metadata: { 'ashlar.config': JSON.stringify(config), 'ashlar.tokenizer': JSON.stringify(tokenizer.toJSON()) } });
    writeOnnx(out, onnx);
    const values = (list: typeof onnx.inputs): string => list.map(({ name, type, shape }) => `${name} ${type} [${shape.join(', ')}]`).join(', ');
    return `ONNX, opset ${onnx.opset}, ${onnx.nodes.length} nodes: ${values(onnx.inputs)} → ${values(onnx.outputs)}`;
  },
};

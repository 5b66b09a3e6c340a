import { exportOnnx, type OnnxModel } from '@ashlar/hub';
import { saveOnnx, writeOnnx } from '@ashlar/hub/node';
import { exitCodes, Failure } from '../failure.js';
import type { ExportFormat } from './formats.js';
import { writableModel } from './writable-model.js';

/**
 * ONNX: a file that computes whole sequences where its name ends in .onnx, else a folder that transformers.js loads, whose
 * decoder remembers. The graphs also hold the run's config and tokenizer, as metadata.
 */
export const onnxFormat: ExportFormat = {
  options: ['batch', 'length', 'sourceLength', 'padding', 'family'],
  async write(run, out, { family, sourceLength, ...options }) {
    const { config, tokenizer, model } = run, metadata = { 'ashlar.config': JSON.stringify(config), 'ashlar.tokenizer': JSON.stringify(tokenizer.toJSON()) };
    if (out.endsWith('.onnx')) {
      if (family !== undefined) throw new Failure(exitCodes.usage, `--family is of folders, which have a config.json; leave it out, or give --out a name that does not end in .onnx`);
      const graph = await exportOnnx(model, { ...options, sourceLength, metadata });
      writeOnnx(out, graph);
      return told(graph);
    }
    if (sourceLength !== undefined) throw new Failure(exitCodes.usage, '--source-length is of files of whole sequences; leave it out, or give --out a name that ends in .onnx');
    const { graphs, withoutConfig } = await saveOnnx(out, writableModel(run), { ...options, family: family ?? config.family, metadata });
    return [...Object.entries(graphs).map(([path, graph]) => `${path}: ${told(graph)}`), ...(withoutConfig === undefined ? [] : [`no config.json: ${withoutConfig}`])].join('\n');
  },
};

function told({ opset, nodes, inputs, outputs }: OnnxModel): string {
  const values = (list: OnnxModel['inputs']): string => {
    const shown = list.filter(({ name }) => !/^(past_key_values|present)\.[1-9]/.test(name)).map(({ name, type, shape }) => `${name} ${type} [${shape.join(', ')}]`);
    return shown.length < list.length ? `${shown.join(', ')} and those of the other layers` : shown.join(', ');
  };
  return `ONNX, opset ${opset}, ${nodes.length} nodes: ${values(inputs)} → ${values(outputs)}`;
}

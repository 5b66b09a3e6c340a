// Writes a small model file into a folder, then one that does not fit, and prints as JSON what became of both.
// node scripts/disk-full.mjs FOLDER (a file system with less than 1 MB left, or under a file size limit below that)
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensorsFile, writeSafetensors } from '../packages/hub/dist/node.js';

const folder = process.argv[2] ?? '.';
const path = join(folder, 'model.safetensors');
const tensor = (/** @type {number} */ size, /** @type {number} */ value) => ({ w: { dtype: /** @type {const} */ ('f32'), shape: [size], data: new Float32Array(size).fill(value) } });

writeSafetensors(path, tensor(100, 1));
let error;
try {
  writeSafetensors(path, tensor(250_000, 2));
} catch (thrown) {
  error = /** @type {Error} */ (thrown);
}
const kept = readSafetensorsFile(path).tensors.get('w')?.data;
writeSafetensors(path, tensor(200, 3));
console.log(JSON.stringify({
  error: error && `${error.name}: ${error.message}`,
  kept: kept?.length === 100 && kept.every((/** @type {number} */ value) => value === 1),
  later: readSafetensorsFile(path).tensors.get('w')?.shape,
  files: readdirSync(folder),
}));

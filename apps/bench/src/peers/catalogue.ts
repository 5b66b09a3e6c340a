/** All peers of the training steps, by name. */
import { fileURLToPath } from 'node:url';
import type { Entrant } from '../contestant.js';
import type { StepName } from '../steps/definition.js';
import type { Launch } from '../harness/conversation.js';
import { newerNode } from './newer-node.js';
import { defaultPythons, findPython, pytorch } from './pytorch.js';

export interface PeerOptions {
  readonly step: StepName;
  /** The adapter that WebGPU peers ask for, as in `--adapter`. */
  readonly adapter: string;
  /** A Python with torch; looked for when absent. */
  readonly python?: string;
}

const child = fileURLToPath(new URL('child.js', import.meta.url));

function nodeLaunches(args: readonly string[], binaries: readonly { label: string; path: string }[]): Launch[] {
  // Drivers with a shader cache on disk would make every first step but the first look fast.
  return binaries.map(({ label, path }) => ({ label, command: path, args: [child, ...args], environment: { MESA_SHADER_CACHE_DISABLE: 'true' } }));
}

const thisNode = { label: `Node ${process.versions.node}`, path: process.execPath };

const nodes = (): { label: string; path: string }[] => {
  const newer = newerNode();
  return newer ? [thisNode, { label: 'Node 24', path: newer }] : [thisNode];
};

const makers: Readonly<Record<string, (options: PeerOptions) => Entrant>> = {
  'jax-js-wasm': ({ step }) => ({ name: 'jax-js-wasm', title: 'jax-js, wasm', launches: nodeLaunches([step, 'jax-js', 'wasm'], nodes()) }),
  'jax-js-webgpu': ({ step, adapter }) => ({ name: 'jax-js-webgpu', title: 'jax-js, WebGPU', launches: nodeLaunches([step, 'jax-js', 'webgpu', adapter], [thisNode]) }),
  'tfjs-wasm': ({ step }) => ({ name: 'tfjs-wasm', title: 'TensorFlow.js, wasm', launches: nodeLaunches([step, 'tfjs', 'wasm'], [thisNode]) }),
  'tfjs-webgpu': ({ step, adapter }) => ({ name: 'tfjs-webgpu', title: 'TensorFlow.js, WebGPU', launches: nodeLaunches([step, 'tfjs', 'webgpu', adapter], [thisNode]) }),
  'pytorch-1': ({ step, python }) => pytorch(step, 1, pythonFor(python)),
  'pytorch-2': ({ step, python }) => pytorch(step, 2, pythonFor(python)),
};

const pythonFor = (named: string | undefined): string => named ?? findPython(defaultPythons) ?? defaultPythons[0]!;

export const peerNames: readonly string[] = Object.keys(makers);

/** The peers that `--peers` names: `all`, `none`, or names with commas between them. Throws on a name that is no peer. */
export function choosePeers(choice: string, options: PeerOptions): Entrant[] {
  if (choice === 'none') return [];
  const names = choice === 'all' ? peerNames : choice.split(',').map((name) => name.trim());
  return names.map((name) => {
    const make = Object.hasOwn(makers, name) ? makers[name] : undefined;
    if (!make) throw new Error(`--peers: ${name || '(nothing)'} is no peer; allowed are all, none, or some of ${peerNames.join(', ')}`);
    return make(options);
  });
}

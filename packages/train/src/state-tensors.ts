import type { Variable } from '@ashlar/tensor';
import type { StoredTensor } from './checkpoint.js';
import type { RestoredState, TrainState } from './train-step.js';

const groups = ['parameters', 'optimizer'] as const;

/** Copies everything that a step changes to the host: tensors `parameters.NAME` and `optimizer.NAME`. */
export async function readState(state: TrainState): Promise<Map<string, StoredTensor>> {
  const entries = groups.flatMap((group) => [...state[group]].map(([name, variable]) => readVariable(`${group}.${name}`, variable)));
  return new Map(await Promise.all(entries));
}

/**
 * Puts back what `readState` copied.
 *
 * @throws Error naming a tensor that is missing, unknown, or of another dtype or shape; nothing is changed then.
 */
export function restoreState(step: { readonly state: TrainState; restore(state: RestoredState): void }, count: number, tensors: ReadonlyMap<string, StoredTensor>): void {
  const { state } = step;
  const contents = { parameters: new Map<string, StoredTensor['data']>(), optimizer: new Map<string, StoredTensor['data']>() };
  for (const [path, { dtype, shape, data }] of tensors) {
    const group = groups.find((one) => path.startsWith(`${one}.`));
    if (group === undefined) throw new Error(`restoreState: ${path} belongs to neither parameters nor optimizer`);
    const name = path.slice(group.length + 1), variable = state[group].get(name);
    if (variable !== undefined && (variable.dtype !== dtype || variable.shape.join() !== shape.join())) {
      throw new Error(`restoreState: ${path} must be ${variable.dtype} [${variable.shape.join(', ')}], got ${dtype} [${shape.join(', ')}]`);
    }
    contents[group].set(name, data);
  }
  step.restore({ count, ...contents });
}

async function readVariable(path: string, variable: Variable): Promise<[string, StoredTensor]> {
  return [path, { dtype: variable.dtype, shape: variable.shape, data: await variable.read() }];
}

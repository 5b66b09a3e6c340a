import { Parameter, initialize } from './parameter.js';

/**
 * A part of a model. Its parameters are found by walking its fields (and arrays in them) in the order of their
 * declaration; private `#fields` are not walked.
 */
export abstract class Module {
  /** Every parameter by its path, such as `layers.0.attention.output.weight`. One that is shared is listed once, under its first path. */
  namedParameters(): Map<string, Parameter> {
    const found = new Map<string, Parameter>(), seen = new Set<unknown>();
    const walk = (value: unknown, path: string): void => {
      if (value === null || typeof value !== 'object' || seen.has(value)) return;
      if (value instanceof Parameter) {
        seen.add(value);
        found.set(path, value);
      } else if (value instanceof Module || Array.isArray(value)) {
        seen.add(value);
        for (const [key, inner] of Object.entries(value)) walk(inner, path === '' ? key : `${path}.${key}`);
      }
    };
    walk(this, '');
    return found;
  }

  parameters(): Parameter[] { return [...this.namedParameters().values()]; }

  /** Number of elements of all parameters, shared ones counted once. */
  get parameterCount(): number { return this.parameters().reduce((sum, parameter) => sum + parameter.size, 0); }

  /** Names all parameters by their paths and gives them their first values, from the seed and their names; `none`: leaves their values. */
  initialize(seed: number | 'none'): void {
    if (seed !== 'none') initialize(this.namedParameters(), seed);
    else for (const [name, parameter] of this.namedParameters()) parameter.name = name;
  }

  /**
   * Writes every parameter by its path, in the f32 host form.
   * @throws {Error} naming a parameter that is missing or of another size, or a name that is no parameter; nothing is written then.
   */
  load(values: ReadonlyMap<string, Float32Array>): void {
    const parameters = this.namedParameters();
    for (const [name, { size, shape }] of parameters) {
      const length = values.get(name)?.length;
      if (length === undefined) throw new Error(`load: ${name} is missing`);
      if (length !== size) throw new Error(`load: ${name} [${shape.join(', ')}] must have ${size} elements, got ${length}`);
    }
    for (const name of values.keys()) if (!parameters.has(name)) throw new Error(`load: the model has no parameter ${name}`);
    for (const [name, parameter] of parameters) parameter.write(values.get(name)!);
  }

  /** Brings all parameters back from their device. Steps that were compiled with them must not run again. */
  async toHost(): Promise<void> { await Promise.all(this.parameters().map((parameter) => parameter.toHost())); }
}

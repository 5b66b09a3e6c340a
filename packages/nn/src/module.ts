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

  /** Names all parameters and gives them their first values, from the seed and their names. */
  initialize(seed: number): void { initialize(this.namedParameters(), seed); }

  /** Brings all parameters back from their device. Steps that were compiled with them must not run again. */
  async toHost(): Promise<void> { await Promise.all(this.parameters().map((parameter) => parameter.toHost())); }
}

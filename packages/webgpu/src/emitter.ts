/**
 * Text of a shader body: statements, scopes and common subexpressions.
 *
 * Every intermediate is a `let` named by its text, so equal texts in one scope (or an enclosing one) are computed once.
 */
export type ValueType = 'f32' | 'i32' | 'u32' | 'bool';

/** A WGSL name or literal. `varies`: it is a vec4 with one value for each of the four lanes; else it is a scalar. */
export interface Value { readonly text: string; readonly type: ValueType; readonly varies: boolean }

/** How loops are written for a driver. */
export interface BodyStyle {
  /** The start of a loop: a literal, or a name for a zero that the driver's compiler cannot see through. */
  readonly zero: string;
  /** Loops of at most this many turns over registers are written out. */
  readonly writtenOut: number;
}

export class Body {
  readonly #lines: string[] = [];
  readonly #scopes: Map<string, string>[] = [new Map()];
  #names = 0;
  readonly #helpers = new Map<string, string>();

  constructor(readonly style: BodyStyle = { zero: '0', writtenOut: 16 }) {}

  get zero(): string { return this.style.zero; }

  get depth(): number { return this.#scopes.length; }

  line(text: string): void { this.#lines.push('  '.repeat(this.depth) + text); }

  /** A fresh name. */
  name(prefix = 'v'): string { return `${prefix}${this.#names++}`; }

  /** Binds `text` to a name, unless an equal text is bound in this scope or an enclosing one. */
  bind(text: string, memory = false): string {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const known = this.#scopes[i]!.get(text);
      if (known) return known;
    }
    const name = this.name(memory ? 'm' : 'v');
    this.line(`let ${name} = ${text};`);
    this.#scopes.at(-1)!.set(text, name);
    return name;
  }

  /** Runs `content` in a scope of its own: `open {` … `}`. */
  block(open: string, content: () => void): void {
    this.line(`${open} {`);
    this.#scopes.push(new Map());
    content();
    this.#scopes.pop();
    this.line('}');
  }

  /** Declares a helper function once. */
  helper(name: string, text: string): string {
    this.#helpers.set(name, text);
    return name;
  }

  helpers(): string { return [...this.#helpers.values()].map((text) => `${text}\n`).join(''); }

  text(): string { return this.#lines.join('\n'); }
}

/** The WGSL type of a value. */
export const typeName = (type: ValueType, varies: boolean): string => (varies ? `vec4<${type}>` : type);

/** The value as a vec4 (a scalar is repeated). */
export const spread = (value: Value): string => (value.varies ? value.text : `vec4<${value.type}>(${value.text})`);

/** An f32 literal. */
export function floatLiteral(value: number): string {
  const text = String(Math.fround(value));
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

import type { Tokenizer } from '@ashlar/text';
import type { Constraint, ConstrainedText } from '../writer.js';
import { automatonOf, type Automaton } from './automaton.js';
import { jsonSchemaPattern, type JsonSchema } from './json-schema-pattern.js';
import { tokenBytes } from './token-bytes.js';

export interface ConstraintOptions {
  readonly tokenizer: Tokenizer;
  /** Tokens that end a text: they may stand where the text is whole. Without them a text ends where nothing can follow. */
  readonly endTokens?: readonly number[] | undefined;
}

interface Branch { readonly children: Map<number, Branch>; readonly tokens: number[] }

/** The tokens of a vocabulary by their bytes, and which of them may stand in each state of an automaton. */
class ConstrainedVocabulary implements Constraint {
  readonly #root: Branch = { children: new Map(), tokens: [] };
  readonly #bytes: readonly (Uint8Array | undefined)[];
  readonly #allowed = new Map<number, readonly number[]>();

  constructor(readonly automaton: Automaton, { tokenizer, endTokens = [] }: ConstraintOptions) {
    this.#bytes = tokenBytes(tokenizer).map((bytes, id) => (endTokens.includes(id) ? undefined : bytes));
    this.endTokens = endTokens;
    for (const [id, bytes] of this.#bytes.entries()) {
      if (!bytes) continue;
      let branch = this.#root;
      for (const byte of bytes) {
        let child = branch.children.get(byte);
        if (!child) branch.children.set(byte, child = { children: new Map(), tokens: [] });
        branch = child;
      }
      branch.tokens.push(id);
    }
  }

  readonly endTokens: readonly number[];

  begin(): ConstrainedText { return new TextInState(this); }

  /** The tokens that may follow in a state, but for those that end the text. Worked out once a state. */
  allowed(state: number): readonly number[] {
    let tokens = this.#allowed.get(state);
    if (!tokens) {
      const found: number[] = [], { next } = this.automaton;
      const visit = (branch: Branch, at: number): void => {
        found.push(...branch.tokens);
        for (const [byte, child] of branch.children) {
          const to = next[at * 256 + byte]!;
          if (to >= 0) visit(child, to);
        }
      };
      visit(this.#root, state);
      this.#allowed.set(state, tokens = found);
    }
    return tokens;
  }

  after(state: number, token: number): number {
    const bytes = this.#bytes[token];
    if (!bytes) return -1;
    for (const byte of bytes) if (state >= 0) state = this.automaton.next[state * 256 + byte]!;
    return state;
  }
}

class TextInState implements ConstrainedText {
  #state = 0;
  readonly #vocabulary: ConstrainedVocabulary;

  constructor(vocabulary: ConstrainedVocabulary) { this.#vocabulary = vocabulary; }

  get #whole(): boolean { return this.#vocabulary.automaton.final[this.#state]!; }
  get finished(): boolean { return this.#whole && this.#vocabulary.allowed(this.#state).length === 0; }

  mask(logits: Float32Array): void {
    const { endTokens } = this.#vocabulary, tokens = this.#vocabulary.allowed(this.#state), allowed = this.#whole ? [...tokens, ...endTokens] : tokens;
    if (allowed.length === 0) throw new RangeError('constraint: the vocabulary has no token with which the text could go on as asked');
    const kept = allowed.map((token) => logits[token]!);
    logits.fill(-Infinity);
    allowed.forEach((token, i) => { logits[token] = kept[i]!; });
  }

  accept(token: number): void {
    const state = this.#vocabulary.after(this.#state, token);
    if (state < 0) throw new RangeError(`constraint: token ${token} cannot stand here`);
    this.#state = state;
  }
}

/** Texts that a regular expression matches from end to end: see `automatonOf` for its grammar and errors. */
export const matching = (pattern: string | RegExp, options: ConstraintOptions): Constraint => new ConstrainedVocabulary(automatonOf(pattern), options);

/** JSON, without spaces, that a schema describes: see `jsonSchemaPattern` for what it may hold. */
export const jsonOf = (schema: JsonSchema, options: ConstraintOptions): Constraint => matching(jsonSchemaPattern(schema), options);

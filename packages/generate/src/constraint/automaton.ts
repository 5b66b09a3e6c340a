import { JS } from 'refa';
import type { Concatenation, Element, NoParent } from 'refa';
import { byteSequences } from './utf8-sequences.js';

/** A deterministic automaton over bytes. State 0 is where a text begins. */
export interface Automaton {
  /** The state after a byte, at state × 256 + byte; −1 where no text of the language goes on so. */
  readonly next: Int32Array;
  /** Whether a text may end in a state. */
  readonly final: readonly boolean[];
}

/**
 * What is spent on an expression at most: a hostile one, of which the automaton is vast or slow to make, is refused within
 * some tenths of a second.
 */
const mostCharacters = 100_000, mostStates = 10_000, mostWork = 3_000_000;

/**
 * The automaton of the texts that a regular expression matches from end to end, in the bytes of their UTF-8. JavaScript's
 * grammar with the flag u; `^` at the beginning and `$` at the end may stand there. The expression becomes an automaton with
 * empty steps (Thompson 1968), whose sets of states are the states of this one (Rabin and Scott 1959).
 * @throws {SyntaxError} on what is no regular expression. @throws {RangeError} on assertions and backreferences, on an
 *   expression that matches nothing, and on one that takes too much: in length, in states, or in work.
 */
export function automatonOf(pattern: string | RegExp): Automaton {
  const { source, flags } = typeof pattern === 'string' ? { source: pattern, flags: '' } : pattern;
  const fail = (problem: string, cause?: unknown): RangeError => new RangeError(`regular expression ${source.length > 100 ? `${source.slice(0, 100)}…` : source}: ${problem}`, { cause });
  if (source.length > mostCharacters) throw fail(`it may have up to ${mostCharacters} characters, and has ${source.length}`);
  const unsupported = [...flags].find((flag) => !'isu'.includes(flag));
  if (unsupported !== undefined) throw new RangeError(`regular expression ${String(pattern)}: the flag ${unsupported} is not supported; i, s and u are`);
  let work = 0;
  const spend = (amount: number): void => {
    if ((work += amount) > mostWork) throw fail('it takes too much work to prepare; make it smaller, with fewer repetitions inside each other');
  };
  const steps = new Steps(spend), start = steps.node();
  let end: number;
  try {
    const literal = { source: withoutAnchors(source, flags), flags: flags.includes('u') ? flags : `${flags}u` }, { expression } = JS.Parser.fromLiteral(literal).parse({ assertions: 'throw', backreferences: 'throw' });
    end = steps.alternation(expression.alternatives, start);
  } catch (error) {
    if (error instanceof SyntaxError || work > mostWork) throw error;
    throw fail(/call stack/.test((error as Error).message) ? 'its groups are nested too deep' : (error as Error).message, error);
  }
  const automaton = subsets(steps, end, spend, () => fail(`it has more than ${mostStates} states; make it smaller`));
  if (!automaton) throw fail('no text matches it');
  return automaton;
}

/** Texts are matched from end to end anyway: `^` before all and `$` after all say nothing more. */
function withoutAnchors(source: string, flags: string): string {
  const { alternatives } = JS.Parser.fromLiteral({ source, flags: flags.includes('u') ? flags : `${flags}u` }).ast.pattern;
  if (alternatives.length !== 1) return source;
  const { elements } = alternatives[0]!, first = elements[0], last = elements.at(-1);
  const from = first?.type === 'Assertion' && first.kind === 'start' ? 1 : 0, to = last?.type === 'Assertion' && last.kind === 'end' ? source.length - 1 : source.length;
  return source.slice(from, to);
}

interface Edge { readonly low: number; readonly high: number; readonly to: number }

/** An automaton with empty steps, built up from node 0. What builds a part begins at a node and gives the one where it ends. */
class Steps {
  readonly edges: Edge[][] = [];
  readonly empty: number[][] = [];
  readonly #spend: (amount: number) => void;

  constructor(spend: (amount: number) => void) { this.#spend = spend; }

  node(): number {
    this.#spend(10);
    this.edges.push([]);
    return this.empty.push([]) - 1;
  }

  alternation(alternatives: readonly NoParent<Concatenation>[], from: number): number {
    const end = this.node();
    for (const { elements } of alternatives) this.empty[elements.reduce((at, element) => this.#element(element, at), from)]!.push(end);
    return end;
  }

  #element(element: NoParent<Element>, from: number): number {
    if (element.type === 'Alternation') return this.alternation(element.alternatives, from);
    if (element.type === 'CharacterClass') {
      const end = this.node(), before = new Map<string, number>();
      for (const sequence of byteSequences(element.characters)) {
        // From the last byte on: what ends alike is there once.
        let to = end, rest = '';
        for (const { low, high } of sequence.slice(1).reverse()) {
          rest = `${low}-${high} ${rest}`;
          let at = before.get(rest);
          if (at === undefined) {
            before.set(rest, at = this.node());
            this.edges[at]!.push({ low, high, to });
          }
          to = at;
        }
        this.edges[from]!.push({ ...sequence[0]!, to });
        this.#spend(4 * sequence.length);
      }
      return end;
    }
    if (element.type !== 'Quantifier') throw new Error(`regular expression: a ${element.type.toLowerCase()} is not supported`);
    const { alternatives, min, max } = element;
    let at = from;
    for (let i = 0; i < min; i++) at = this.alternation(alternatives, at);
    const out = this.node();
    if (max === Infinity) {
      // A node of its own, to which the repetition comes back.
      const again = this.node();
      this.empty[at]!.push(again);
      this.empty[this.alternation(alternatives, again)]!.push(again);
      this.empty[again]!.push(out);
    } else {
      for (let i = min; i < max; i++) {
        this.empty[at]!.push(out);
        at = this.alternation(alternatives, at);
      }
      this.empty[at]!.push(out);
    }
    return out;
  }
}

/** The deterministic automaton whose states are sets of nodes; undefined: no text is in its language. */
function subsets({ edges, empty }: Steps, end: number, spend: (amount: number) => void, tooMany: () => RangeError): Automaton | undefined {
  const states: (readonly number[])[] = [], numbers = new Map<string, number>(), afterTargets = new Map<string, number>(), seen = new Int32Array(edges.length).fill(-1);
  let turn = 0;
  /** The state of these nodes and all that empty steps lead to. */
  const stateOf = (nodes: readonly number[]): number => {
    const set: number[] = [], open = [...nodes];
    turn++;
    while (open.length > 0) {
      const node = open.pop()!;
      if (seen[node] === turn) continue;
      seen[node] = turn;
      // Nodes with empty steps alone say nothing beside where these lead.
      if (edges[node]!.length > 0 || node === end) set.push(node);
      open.push(...empty[node]!);
      spend(1 + empty[node]!.length);
    }
    spend(10 * set.length);
    const key = set.sort((a, b) => a - b).join();
    let number = numbers.get(key);
    if (number === undefined) {
      if (states.length === mostStates) throw tooMany();
      numbers.set(key, number = states.push(set) - 1);
    }
    return number;
  };
  stateOf([0]);
  const rows: Int32Array[] = [], leadsTo: number[][] = [[]];
  for (let state = 0; state < states.length; state++) {
    const targets: number[][] = [], row = new Int32Array(256).fill(-1);
    for (const node of states[state]!) for (const { low, high, to } of edges[node]!) {
      for (let byte = low; byte <= high; byte++) (targets[byte] ??= []).push(to);
      spend(1 + high - low);
    }
    targets.forEach((nodes, byte) => {
      const key = nodes.join();
      let next = afterTargets.get(key);
      if (next === undefined) afterTargets.set(key, next = stateOf(nodes));
      row[byte] = next;
      (leadsTo[next] ??= []).push(state);
    });
    spend(256);
    rows.push(row);
  }
  const final = states.map((nodes) => nodes.includes(end)), next = new Int32Array(rows.length * 256), alive = new Set<number>(), open = [...final.keys()].filter((state) => final[state]);
  rows.forEach((row, state) => next.set(row, state * 256));
  // From some states no end can be reached: nothing may go there.
  while (open.length > 0) {
    const state = open.pop()!;
    if (alive.has(state)) continue;
    alive.add(state);
    open.push(...leadsTo[state] ?? []);
  }
  if (!alive.has(0)) return undefined;
  for (let i = 0; i < next.length; i++) if (next[i]! >= 0 && !alive.has(next[i]!)) next[i] = -1;
  return { next, final };
}

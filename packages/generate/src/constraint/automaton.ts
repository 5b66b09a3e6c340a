import { DFA, JS, NFA } from 'refa';
import { utf8Expression } from './utf8-expression.js';

/** A deterministic automaton over bytes. State 0 is where a text begins. */
export interface Automaton {
  /** The state after a byte, at state × 256 + byte; −1 where no text of the language goes on so. */
  readonly next: Int32Array;
  /** Whether a text may end in a state. */
  readonly final: readonly boolean[];
}

/**
 * The automaton of the texts that a regular expression matches from end to end, in the bytes of their UTF-8. JavaScript's
 * grammar with the flag u; `^` at the beginning and `$` at the end may stand there.
 * @throws {SyntaxError} on what is no regular expression. @throws {RangeError} on assertions and backreferences, on an
 *   expression that matches nothing, and on one with more than some ten thousand states.
 */
export function automatonOf(pattern: string | RegExp): Automaton {
  const { source, flags } = typeof pattern === 'string' ? { source: pattern, flags: '' } : pattern;
  const unsupported = [...flags].find((flag) => !'isu'.includes(flag));
  if (unsupported !== undefined) throw new RangeError(`regular expression ${String(pattern)}: the flag ${unsupported} is not supported; i, s and u are`);
  const literal = { source: withoutAnchors(source, flags), flags: flags.includes('u') ? flags : `${flags}u` };
  let dfa: DFA;
  try {
    const { expression } = JS.Parser.fromLiteral(literal).parse({ assertions: 'throw', backreferences: 'throw' });
    dfa = DFA.fromFA(NFA.fromRegex(utf8Expression(expression), { maxCharacter: 0xff }));
    dfa.minimize();
  } catch (error) {
    if (error instanceof SyntaxError) throw error;
    throw new RangeError(`regular expression ${source}: ${(error as Error).message}`, { cause: error });
  }
  if (dfa.isEmpty) throw new RangeError(`regular expression ${source}: no text matches it`);
  return tablesOf(dfa);
}

/** Texts are matched from end to end anyway: `^` before all and `$` after all say nothing more. */
function withoutAnchors(source: string, flags: string): string {
  const { alternatives } = JS.Parser.fromLiteral({ source, flags: flags.includes('u') ? flags : `${flags}u` }).ast.pattern;
  if (alternatives.length !== 1) return source;
  const { elements } = alternatives[0]!, first = elements[0], last = elements.at(-1);
  const from = first?.type === 'Assertion' && first.kind === 'start' ? 1 : 0, to = last?.type === 'Assertion' && last.kind === 'end' ? source.length - 1 : source.length;
  return source.slice(from, to);
}

function tablesOf(dfa: DFA): Automaton {
  const nodes = [dfa.initial, ...[...dfa.nodes()].filter((node) => node !== dfa.initial)], numbers = new Map(nodes.map((node, i) => [node, i]));
  const next = new Int32Array(nodes.length * 256).fill(-1), leadsTo: number[][] = nodes.map(() => []);
  for (const [state, { out }] of nodes.entries()) {
    for (const [{ min, max }, target] of out) {
      const to = numbers.get(target)!;
      leadsTo[to]!.push(state);
      next.fill(to, state * 256 + min, state * 256 + max + 1);
    }
  }
  const final = nodes.map((node) => dfa.finals.has(node));
  // From some states no end can be reached: nothing may go there.
  const alive = new Set<number>(), open = [...final.keys()].filter((state) => final[state]);
  while (open.length > 0) {
    const state = open.pop()!;
    if (alive.has(state)) continue;
    alive.add(state);
    open.push(...leadsTo[state]!);
  }
  for (let i = 0; i < next.length; i++) if (next[i]! >= 0 && !alive.has(next[i]!)) next[i] = -1;
  return { next, final };
}

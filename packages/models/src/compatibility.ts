import { catalogue, type PartKind } from './catalogue.js';
import type { AttentionVariant } from '@ashlar/nn';
import { combinationProblem, topologyProblem, type Combination, type Topology } from './combinations.js';
import { lookingBothWays, ownSource, type PartConfig } from './config-parts.js';

/** A part by its family and its name in the catalogue. */
export interface PartName { readonly kind: PartKind; readonly name: string }

/** Two parts of the catalogue that do not go together, and what is said of them. */
export interface PairProblem { readonly first: PartName; readonly second: PartName; readonly problem: string }

interface AnyEntry { readonly summary: string; readonly formula: string; readonly paper: string; readonly example: object; create(options: object): object }
const entriesOf = (kind: PartKind): [string, AnyEntry][] => Object.entries(catalogue[kind] as unknown as Record<string, AnyEntry>);

/** What the catalogue says of a part. */
export interface PartDescription extends PartName {
  readonly summary: string;
  readonly formula: string;
  readonly paper: string;
  /** What it declares of itself, with the options of its example: the names of what holds, in the words of its contract. */
  readonly capabilities: readonly string[];
}

/** Every part of a family, or of all, in the order of the catalogue. */
export function describeCatalogue(kind?: PartKind): PartDescription[] {
  return (kind ? [kind] : Object.keys(catalogue) as PartKind[]).flatMap((family) => entriesOf(family).map(([name, { summary, formula, paper, create, example }]) => {
    const part = create(example) as { capabilities?: object; finalNorm?: boolean; norms?: boolean; innerNorm?: boolean; initializers?: unknown };
    const declared = part.capabilities ?? (family === 'residual' ? { norms: part.norms, finalNorm: part.finalNorm, innerNorm: part.innerNorm, initializers: part.initializers !== undefined } : {});
    return { kind: family, name, summary, formula, paper, capabilities: Object.entries(declared).flatMap(([capability, value]: [string, unknown]) => (value === true ? [capability] : typeof value === 'number' ? [`${capability} ${value}`] : [])) };
  }));
}

/** Every pair of the catalogue that does not go together, by what the parts declare. */
export function pairProblems(): PairProblem[] {
  const kinds = Object.keys(catalogue) as PartKind[];
  const parts = kinds.map((kind) => entriesOf(kind).map(([name, { create, example }]) => ({ kind, name, part: create(example) })));
  return parts.flatMap((list, i) => parts.slice(i + 1).flatMap((others) => list.flatMap((first) => others.flatMap((second): PairProblem[] => {
    const problem = combinationProblem({ [first.kind]: first.part, [second.kind]: second.part } as Combination);
    return problem === undefined ? [] : [{ first: { kind: first.kind, name: first.name }, second: { kind: second.kind, name: second.name }, problem }];
  }))));
}

/** An attention of the catalogue that cannot stand in a place, and what is said of it. */
export interface PlaceProblem { readonly name: string; readonly place: Topology | 'crossAttention'; readonly problem: string }

/** Every attention of the catalogue with every place where it cannot stand. */
export function topologyProblems(): PlaceProblem[] {
  return (['encoder', 'decoder', 'crossAttention'] as const).flatMap((place) => entriesOf('attention').flatMap(([name, { create, example }]): PlaceProblem[] => {
    const { type: _, ...options } = place === 'encoder' ? lookingBothWays(ownSource, { type: name, ...example } as PartConfig<'attention'>) : { type: name, ...example };
    const problem = topologyProblem(place, create(options) as AttentionVariant);
    return problem === undefined ? [] : [{ name, place, problem }];
  }));
}

// The pages of docs/components, made from the catalogue of models.
import { z } from 'zod';

/** @typedef {import('@ashlar/models').PartDescription} PartDescription */

const families = /** @type {const} */ ({
  attention: ['attention', 'Attention', 'How tokens take from each other. A config names one under `attention`, or one a layer with `perLayer`.'],
  positional: ['positional', 'Positions', 'How a model knows where tokens stand. A config names one under `positional`. An encoding acts through the hooks that it has: on the embeddings (`embed`), on queries and keys (`rotate`), on scores (`scoreMod`); what is not `bidirectional` goes with causal attention alone.'],
  norm: ['norm', 'Norms', 'A config names one under `norm`; the residual scheme says where it stands. All work on one token at a time, with statistics in f32.'],
  residual: ['residual', 'Residual schemes', 'How a layer joins its sublayers f to the stream x. A config names one under `residual`; default `preNorm`. `finalNorm`: one more norm before the head. `innerNorm`: sublayers normalize what goes into their last projection. `initializers`: the scheme says how the weights of a layer begin.'],
  feedForward: ['feed-forward', 'Feed-forward', 'What a layer does with each token by itself. A config names one under `feedForward`. `innerNorm`: it goes with `subNorm`. `auxiliaryLoss`: training adds a loss of its own.'],
});
const note = '<!-- Made by: pnpm --filter @ashlar/models components -->';
const row = (/** @type {readonly string[]} */ cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
const table = (/** @type {readonly string[]} */ head, /** @type {readonly (readonly string[])[]} */ rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
const linked = (/** @type {string} */ paper) => paper.replace(/arXiv (\d+\.\d+)/g, '[arXiv $1](https://arxiv.org/abs/$1)');

/**
 * Every page by its name.
 * @param {Pick<typeof import('@ashlar/models'), 'describeCatalogue' | 'pairProblems' | 'topologyProblems' | 'decoderSchema'>} models
 * @returns {Map<string, string>}
 */
export function componentPages({ describeCatalogue, pairProblems, topologyProblems, decoderSchema }) {
  const schema = /** @type {any} */ (z.toJSONSchema(decoderSchema, { io: 'input' }));
  const pages = new Map();
  for (const [kind, [page, title, text]] of Object.entries(families)) {
    const parts = describeCatalogue(/** @type {keyof typeof families} */ (kind));
    pages.set(`${page}.md`, [
      note, '', `# ${title}`, '', text, '', table(['name', 'what', 'capabilities', 'paper'], parts.map(({ name, summary, capabilities, paper }) => [`\`${name}\``, summary, capabilities.join(', ') || 'none', linked(paper)])), '',
      ...parts.flatMap((part) => section(part, schema)),
    ].join('\n'));
  }
  pages.set('compatibility.md', compatibility(describeCatalogue(), pairProblems(), topologyProblems()));
  return pages;
}

/** What a part computes, and its options. @param {PartDescription} part @param {any} schema */
function section({ kind, name, formula }, schema) {
  const branches = (/** @type {any} */ node) => [node, ...(node.anyOf ?? []), ...(node.oneOf ?? [])].flatMap((inner) => (inner === node ? [node] : branches(inner)));
  const own = branches(schema.properties[kind]).find((node) => node.properties?.type?.const === name);
  const entries = Object.entries(own.properties).filter(([option]) => option !== 'type');
  const options = entries.length === 0 ? [] : [table(['option', 'values', 'what'], entries.map(([option, value]) => [`\`${option}\`${own.required.includes(option) ? ' (required)' : ''}`, valuesOf(value), value.description ?? ''])), ''];
  return [`## ${name}`, '', `\`${formula}\``, '', ...options];
}

/** @param {any} value @returns {string} */
function valuesOf(value) {
  if (value.enum) return value.enum.map((/** @type {unknown} */ one) => `\`${one}\``).join(', ');
  const alternatives = value.anyOf ?? value.oneOf;
  if (alternatives) return [...new Set(alternatives.map((/** @type {any} */ one) => (one.properties?.type?.const ? `{ "type": "${one.properties.type.const}", … }` : valuesOf(one))))].join(', ');
  return ({ integer: 'a whole number', number: 'a number', boolean: 'true or false', string: 'text', array: 'a list', object: 'an object' })[/** @type {string} */ (value.type)] ?? 'any';
}

/** @param {readonly PartDescription[]} parts @param {ReturnType<typeof import('@ashlar/models').pairProblems>} problems @param {ReturnType<typeof import('@ashlar/models').topologyProblems>} places */
function compatibility(parts, problems, places) {
  const of = (/** @type {string} */ kind) => parts.filter((part) => part.kind === kind);
  const between = (/** @type {string} */ a, /** @type {string} */ b) => problems.filter(({ first, second }) => first.kind === a && second.kind === b);
  const matrix = (/** @type {string} */ a, /** @type {string} */ b) => table([`${a} \\ ${b}`, ...of(b).map(({ name }) => name)], of(a).map(({ name }) => [
    `\`${name}\``, ...of(b).map((other) => (between(a, b).some(({ first, second }) => first.name === name && second.name === other.name) ? '—' : 'yes')),
  ]));
  const kinds = Object.keys(families), pairs = kinds.flatMap((a, i) => kinds.slice(i + 1).map((b) => /** @type {const} */ ([a, b])));
  const limited = pairs.filter(([a, b]) => between(a, b).length > 0), free = pairs.filter(([a, b]) => between(a, b).length === 0);
  return [
    note, '', '# What goes together', '',
    'Each part declares what it can do and what it needs; `build()` refuses a pair that cannot be right, with a message that names both and says what would work. This page comes from the same declarations, with the options of each part\'s example.', '',
    '## Attention and where it stands', '', table(['attention \\ place', 'encoder', 'decoder', 'crossAttention'], of('attention').map(({ name }) => [
      `\`${name}\``, ...['encoder', 'decoder', 'crossAttention'].map((place) => (places.some((one) => one.name === name && one.place === place) ? '—' : 'yes')),
    ])), '', 'In an encoder, attention that has the option `causal` is not causal unless its config says so.', '',
    ...limited.flatMap(([a, b]) => [`## ${families[/** @type {keyof typeof families} */ (a)][1]} and ${families[/** @type {keyof typeof families} */ (b)][1].toLowerCase()}`, '', matrix(a, b), '']),
    '## Free pairs', '', `Any goes with any: ${free.map(([a, b]) => `${families[/** @type {keyof typeof families} */ (a)][1].toLowerCase()} and ${families[/** @type {keyof typeof families} */ (b)][1].toLowerCase()}`).join('; ')}.`, '',
    '## What is said', '', ...[...places, ...problems].map(({ problem }) => `- ${problem}`), '',
  ].join('\n');
}

/** What BERT and those after it have alike: post-norm, learned positions, a norm after the embeddings, heads for tokens and for classes. */
import type { EncoderConfigInput } from '@ashlar/models';
import { divided, HuggingFaceConfigError, type ConfigKeys } from '../config-keys.js';
import type { ModulePair, ParameterShapes } from '../tensor-table.js';
import type { Family, FileContents } from './family.js';
import { activationNames, activations, contextOf, dropoutOf, hiddenOf, initialStd } from './parts.js';

type Head = NonNullable<EncoderConfigInput['head']>;

/** What config.json calls a class that excludes the others. */
const oneOfSeveral = 'single_label_classification';

/** In what a family differs from the others. */
export interface EncoderFamily {
  readonly name: string;
  /** What stands before the names of all but the head, and what Hugging Face calls the classes that it builds, such as `Bert`. */
  readonly prefix: string;
  readonly className: string;
  /** Its names of what all have. */
  readonly keys: { readonly width: string; readonly depth: string; readonly heads: string; readonly hidden: string; readonly activation: string; readonly dropout: string; readonly attentionDropout: string; readonly headDropout: string };
  /** What its config.json means where it says nothing. */
  readonly defaults: { readonly vocabulary: number; readonly depth?: number; readonly tokenTypes?: number; readonly padding: number; readonly headDropout?: number };
  /** ε of its norms, where config.json does not tell it. */
  readonly epsilon?: number;
  /** Whether its tokens' positions begin behind that of padding. */
  readonly positionsAfterPadding: boolean;
  /** Its layers, by `N`. */
  readonly layer: readonly ModulePair[];
  /** Its head for tokens: the transform, the transform's norm and the output's bias. */
  readonly languageHead: { readonly dense: string; readonly norm: string; readonly bias: string; readonly decoder: string };
  /** Its head for classes, with the layer before it. */
  readonly classesHead: { readonly dense: string; readonly output: string; readonly activation: 'tanh' | 'relu' };
  readonly tokenClassesHead: string;
  /** Keys that must be as given, and keys that its models ignore. */
  readonly fixed?: Readonly<Record<string, unknown>>;
  readonly ignored?: readonly string[];
  /** Names of tensors of other heads. */
  readonly unused: RegExp;
}

export function encoderFamily(family: EncoderFamily): Family {
  const { name, prefix, className, keys: names, defaults, languageHead, classesHead, tokenClassesHead } = family;
  const embeddings = `${prefix}embeddings`;

  const headPairs = (head: EncoderConfigInput['head']): readonly ModulePair[] => {
    if (!head) return [];
    if (head.type === 'tokenClasses') return [[tokenClassesHead, 'head.output']];
    if (head.type === 'classes') return [[classesHead.dense, 'head.transform.dense'], [classesHead.output, 'head.output']];
    return [[languageHead.dense, 'head.transform.dense'], [languageHead.norm, 'head.transform.norm'], [languageHead.bias, 'head.output.bias'], [languageHead.decoder, 'head.output.output']];
  };

  const readHead = (keys: ConfigKeys, { shape }: FileContents, activation: (typeof activations)[keyof typeof activations], dropout: number): Head | undefined => {
    const tiedHead = keys.flag('tie_word_embeddings', true), headDropout = (keys.optional(names.headDropout) === undefined ? undefined : keys.number(names.headDropout, 0)) ?? defaults.headDropout ?? dropout;
    if (shape(`${languageHead.dense}.weight`)) return { type: 'language', transform: { activation, norm: true }, headBias: true, tiedHead };
    const classes = shape(`${classesHead.output}.weight`)?.[0], ofTokens = shape(`${tokenClassesHead}.weight`)?.[0];
    if (classes !== undefined && shape(`${classesHead.dense}.weight`)) {
      // Logits that mean something else: a number, or classes that do not exclude each other.
      keys.only('problem_type', [null, oneOfSeveral], null);
      return { type: 'classes', classes, transform: { activation: classesHead.activation }, dropout: headDropout };
    }
    return ofTokens === undefined ? undefined : { type: 'tokenClasses', classes: ofTokens, dropout: headDropout };
  };

  return {
    name, modelType: 'encoder', classifier: { type: 'classes', transform: { activation: classesHead.activation }, dropout: defaults.headDropout ?? 0.1 },
    table: (config) => ({
      prefix,
      modules: [
        [`${embeddings}.word_embeddings`, 'tokens'], [`${embeddings}.position_embeddings`, 'positional'], [`${embeddings}.token_type_embeddings`, 'tokenTypes'], [`${embeddings}.LayerNorm`, 'embeddingNorm'],
        ...family.layer, ...headPairs((config as EncoderConfigInput).head),
      ],
      copies: [[languageHead.decoder, 'tokens'], [`${languageHead.decoder}.bias`, 'head.output.bias']],
      buffers: /(^|\.)embeddings\.(position_ids|token_type_ids)$/,
      unused: family.unused,
    }),

    read(keys, files): EncoderConfigInput {
      for (const [key, value] of Object.entries(family.fixed ?? {})) keys.only(key, [value], value);
      keys.ignore(family.ignored ?? []);
      const width = keys.count(names.width, 768), heads = keys.count(names.heads, 12), offset = family.positionsAfterPadding ? tokenNumber(keys, 'pad_token_id', defaults.padding) + 1 : 0;
      divided(width, heads, names.width, names.heads);
      const rows = keys.count('max_position_embeddings', 512), activation = keys.translated(names.activation, activations, 'gelu'), dropout = keys.number(names.dropout, 0.1);
      if (rows <= offset) throw keys.wrong('max_position_embeddings', `a whole number from ${offset + 1}, as positions begin after ${offset} of its rows`, rows);
      const head = readHead(keys, files, activation, dropout), tokenTypes = defaults.tokenTypes === undefined ? undefined : keys.count('type_vocab_size', defaults.tokenTypes);
      return {
        modelType: 'encoder', vocabulary: keys.count('vocab_size', defaults.vocabulary), width, depth: keys.count(names.depth, defaults.depth ?? 12), maxLength: rows - offset, bias: true, embeddingNorm: true, ...(tokenTypes === undefined ? {} : { tokenTypes }),
        attention: { type: 'multiHead', heads }, positional: offset === 0 ? { type: 'learned' } : { type: 'learned', offset }, residual: 'postNorm',
        norm: { type: 'layerNorm', epsilon: family.epsilon ?? keys.number('layer_norm_eps', 1e-12) },
        feedForward: { type: 'mlp', hidden: keys.count(names.hidden, 3072), activation }, ...(head ? { head } : {}),
        dropout: { embedding: dropout, attention: keys.number(names.attentionDropout, 0.1), residual: dropout },
        initialisation: { std: keys.number('initializer_range', 0.02), scaledResidual: false },
      };
    },

    write(model, parameters) {
      const bias = model.flag('bias', false), attention = model.inside('attention'), positional = model.inside('positional'), norm = model.inside('norm'), feedForward = model.inside('feedForward');
      model.inside('residual').only('type', ['postNorm'], undefined);
      model.only('embeddingNorm', [true], false);
      const type = attention.only('type', ['multiHead', 'grouped'], undefined), heads = attention.count('heads'), width = model.count('width');
      if (type === 'grouped') attention.only('kvHeads', [heads], undefined);
      attention.only('causal', [false], true);
      attention.only('headWidth', [width / heads], width / heads);
      positional.only('type', ['learned'], undefined);
      norm.only('type', ['layerNorm'], undefined);
      feedForward.only('type', ['mlp'], undefined);
      feedForward.take('hidden');
      for (const part of [attention, norm, feedForward]) part.only('bias', [true], bias);
      const context = contextOf(model), offset = positional.number('offset', 0), { embedding, attention: weights } = dropoutOf(model), activation = feedForward.translated('activation', activationNames, 'gelu');
      positional.only('maxLength', [context], context);
      if (!family.positionsAfterPadding) positional.only('offset', [0], 0);
      else if (offset < 1) throw positional.wrong('offset', 'a whole number from 1, as positions begin behind that of padding', offset);
      const epsilon = family.epsilon === undefined ? norm.number('epsilon', 1e-5) : norm.only('epsilon', [family.epsilon], 1e-5);
      return {
        ...family.fixed, vocab_size: model.count('vocabulary'), [names.width]: width, [names.depth]: model.count('depth'), [names.heads]: heads, [names.hidden]: hiddenOf(parameters), [names.activation]: activation,
        max_position_embeddings: context + offset, ...(offset === 0 ? {} : { pad_token_id: offset - 1 }), ...(family.epsilon === undefined ? { layer_norm_eps: epsilon } : {}),
        ...(defaults.tokenTypes === undefined ? {} : { type_vocab_size: model.count('tokenTypes') }), [names.dropout]: embedding, [names.attentionDropout]: weights, initializer_range: initialStd(model),
        ...writeHead(model, { bias, activation, parameters }),
      };
    },
  };

  function writeHead(model: ConfigKeys, { bias, activation, parameters }: { readonly bias: boolean; readonly activation: string; readonly parameters: ParameterShapes }): Readonly<Record<string, unknown>> {
    if (model.optional('head') === undefined) return { architectures: [`${className}Model`] };
    const head = model.inside('head'), type = head.only('type', ['language', 'classes', 'tokenClasses'], undefined);
    if (type === 'language') {
      const transform = head.inside('transform');
      transform.only('norm', [true], false);
      transform.only('bias', [true], bias);
      if (transform.translated('activation', activationNames, undefined) !== activation) throw new HuggingFaceConfigError(`${head.source}: head.transform.activation must be that of the feed-forward (${activation})`);
      head.only('headBias', [true], false);
      return { architectures: [`${className}ForMaskedLM`], tie_word_embeddings: head.flag('tiedHead', true) };
    }
    head.only('bias', [true], true);
    if (type === 'classes') {
      const transform = head.inside('transform');
      transform.only('activation', [classesHead.activation], undefined);
      transform.only('norm', [false], false);
      transform.only('bias', [true], bias);
      head.only('pooling', ['first'], 'first');
    }
    const classes = head.count('classes');
    if (parameters.get('head.output.weight')?.shape[0] !== classes) throw new Error(`${name}: the head has not ${classes} rows`);
    return {
      ...(type === 'classes' ? { architectures: [`${className}ForSequenceClassification`], problem_type: oneOfSeveral } : { architectures: [`${className}ForTokenClassification`] }), [names.headDropout]: head.number('dropout', 0),
    };
  }
}

function tokenNumber(keys: ConfigKeys, key: string, otherwise: number): number {
  const value = keys.optional(key) ?? otherwise;
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw keys.wrong(key, 'the number of a token', value);
  return value as number;
}

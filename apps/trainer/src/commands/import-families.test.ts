/** Encoders and encoder-decoders of Hugging Face through the commands: they become runs, are measured and trained on, and go out again. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors, safetensorsBytes, type HostTensor } from '@ashlar/hub';
import { readSafetensorsFile } from '@ashlar/hub/node';
import type { Encoder, EncoderDecoder } from '@ashlar/models';
import { tensor } from '@ashlar/tensor';
import { reference } from '@ashlar/tensor/reference';
import { afterAll, describe, expect, test } from 'vitest';
import { loadRun } from '../load-run.js';
import { ashlar } from '../../test/ashlar-in-process.js';
import { wordPieces } from '../../test/word-pieces.js';

const fixtures = fileURLToPath(new URL('../../../../packages/hub/fixtures/', import.meta.url)), folder = mkdtempSync(join(tmpdir(), 'ashlar-families-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (...names: string[]): string => join(folder, ...names);
const jsonOf = (path: string): Record<string, unknown> => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
function write(path: string, contents: string | Uint8Array): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents);
  return path;
}
const lines = (name: string, rows: readonly object[]): string => write(at(name), rows.map((row) => JSON.stringify(row)).join('\n'));

/** Tokenizers of 61 tokens as the families have them. */
const bertTokens = write(at('bert.json'), JSON.stringify(wordPieces(['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'], ['[CLS]', 'A', '[SEP]']))), t5Tokens = write(at('t5.json'), JSON.stringify(wordPieces(['<pad>', '</s>', '<unk>'], ['A', '</s>']))), bartTokens = write(at('bart.json'), JSON.stringify(wordPieces(['<pad>', '<s>', '</s>', '<unk>', '<mask>'], ['<s>', 'A', '</s>'])));

/** A fixture under the names of a family that has none. */
function renamed(family: string, from: string, json: object, names: readonly (readonly [string | RegExp, string])[], change: (tensors: Map<string, HostTensor>) => void = () => {}): string {
  const tensors = new Map([...readSafetensors(readFileSync(join(fixtures, from, 'model.safetensors'))).tensors].map(([name, value]): [string, HostTensor] => [names.reduce((old, [pattern, to]) => old.replace(pattern, to), name), value]));
  change(tensors);
  write(at(family, 'model.safetensors'), safetensorsBytes(tensors));
  write(at(family, 'config.json'), JSON.stringify(json));
  return at(family);
}
const tiny = jsonOf(join(fixtures, 'bert', 'config.json')), names = { id2label: { 0: 'sad', 1: 'glad', 2: 'mad' }, label2id: { sad: 0, glad: 1, mad: 2 } };
const layer = 'distilbert.transformer.layer';
const distilbert = renamed('distilbert', 'bert', { model_type: 'distilbert', vocab_size: 61, dim: 32, n_layers: 2, n_heads: 4, hidden_dim: 64, max_position_embeddings: 24, activation: 'gelu', dropout: 0, attention_dropout: 0, initializer_range: 0.02, pad_token_id: 0, tie_word_embeddings: true }, [
  [/^bert\.encoder\.layer/, layer], [/^bert\./, 'distilbert.'], [/attention\.self\.(q|k|v)[a-z]+/, 'attention.$1_lin'], ['attention.output.dense', 'attention.out_lin'], ['attention.output.LayerNorm', 'sa_layer_norm'], ['intermediate.dense', 'ffn.lin1'], ['output.dense', 'ffn.lin2'], ['output.LayerNorm', 'output_layer_norm'],
  ['cls.predictions.transform.dense', 'vocab_transform'], ['cls.predictions.transform.LayerNorm', 'vocab_layer_norm'], ['cls.predictions.bias', 'vocab_projector.bias'],
], (tensors) => { tensors.delete('distilbert.embeddings.token_type_embeddings.weight'); });
const roberta = renamed('roberta', 'bert', { ...tiny, model_type: 'roberta', pad_token_id: 1, max_position_embeddings: 24 }, [[/^bert\./, 'roberta.'], ['cls.predictions.transform.dense', 'lm_head.dense'], ['cls.predictions.transform.LayerNorm', 'lm_head.layer_norm'], ['cls.predictions.bias', 'lm_head.bias']]);
const base = renamed('base', 'bert', tiny, [], (tensors) => { for (const name of tensors.keys()) if (!name.startsWith('bert.')) tensors.delete(name); });
const named = renamed('named', 'bert_cls', { ...jsonOf(join(fixtures, 'bert_cls', 'config.json')), ...names }, []);

/** What says how a model was trained or is used, or what is so anyway, and does not go out again. */
const unwritten = { transformers_version: '5.18.0', use_cache: true }, ofBert = { ...unwritten, classifier_dropout: null }, numbered = { id2label: { 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' }, label2id: { LABEL_0: 0, LABEL_1: 1, LABEL_2: 2 } };
const models: Readonly<Record<string, { readonly path: string; readonly tokenizer: string; readonly lost: object }>> = {
  bert: { path: join(fixtures, 'bert'), tokenizer: bertTokens, lost: ofBert },
  'bert for classes': { path: named, tokenizer: bertTokens, lost: { ...ofBert, tie_word_embeddings: true } },
  'bert without a head': { path: base, tokenizer: bertTokens, lost: { ...ofBert, tie_word_embeddings: true } },
  distilbert: { path: distilbert, tokenizer: bertTokens, lost: {} },
  roberta: { path: roberta, tokenizer: bartTokens, lost: ofBert },
  t5: { path: join(fixtures, 't5'), tokenizer: t5Tokens, lost: { ...unwritten, classifier_dropout: 0, dense_act_fn: 'relu', is_decoder: false, is_gated_act: false, scale_decoder_outputs: true } },
  bart: { path: join(fixtures, 'bart'), tokenizer: bartTokens, lost: { ...unwritten, ...numbered, activation_dropout: 0, classifier_dropout: 0, decoder_layerdrop: 0, encoder_layerdrop: 0, forced_eos_token_id: null, is_decoder: false } },
  gpt2: {
    path: join(fixtures, 'gpt2'), tokenizer: bertTokens,
    lost: { ...unwritten, add_cross_attention: false, n_inner: null, reorder_and_upcast_attn: false, scale_attn_by_inverse_layer_idx: false, scale_attn_weights: true, summary_activation: null, summary_first_dropout: 0.1, summary_proj_to_labels: true, summary_type: 'cls_index', summary_use_proj: true },
  },
  llama: { path: join(fixtures, 'llama'), tokenizer: bertTokens, lost: { ...unwritten, pretraining_tp: 1, rope_parameters: { rope_theta: 10000, rope_type: 'default' } } },
};

describe.each(Object.entries(models))('%s', (name, { path, tokenizer, lost }) => {
  test('comes in, and goes out with the same tensors, an equivalent config and the same tokenizer', async () => {
    const run = at('runs', name), out = at('out', name);
    const theirs = readSafetensorsFile(join(path, 'model.safetensors')).tensors, count = [...theirs.values()].reduce((sum, { data }) => sum + data.length, 0).toLocaleString('en');
    expect(await ashlar('import', path, '--tokenizer', tokenizer, '--out', run)).toMatchObject({ code: 0, stdout: `${run}: Hugging Face, ${name.split(' ')[0]!}, ${count} parameters, 61 tokens\n` });
    expect(await ashlar('export', '--run', run, '--format', 'hf', '--out', out)).toMatchObject({ code: 0 });
    const ours = readSafetensorsFile(join(out, 'model.safetensors')).tensors;
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [tensor, value] of theirs) expect(ours.get(tensor), tensor).toEqual(value);
    const before = jsonOf(join(path, 'config.json')), after = jsonOf(join(out, 'config.json'));
    expect(Object.fromEntries(Object.entries(before).filter(([key, value]) => JSON.stringify(after[key]) !== JSON.stringify(value)))).toEqual(lost);
    expect(jsonOf(join(out, 'tokenizer.json'))).toEqual(jsonOf(tokenizer));
  });
});

/** The numbers that `ashlar eval --json` prints. */
async function measured(run: string, ...more: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await ashlar('eval', '--run', at('runs', run), '--json', '--device', 'reference', ...more);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('device: ') });
  return JSON.parse(stdout) as Record<string, unknown>;
}
const words = ['the cat ran', 'a dog slept on and on', 'in the sea', 'of and in', 'x', 'quick brown fox jumps over it'];
/** What `encode` of a tokenizer gives. */
const idsOf = (run: string, text: string): number[] => [...loadRun(at('runs', run)).tokenizer.encode(text)];

describe('what came in is measured', () => {
  test('a classifier, over examples with its labels: the tokens stand in their frame', async () => {
    const { model } = loadRun(at('runs', 'bert for classes')), encoder = model as Encoder, labels = ['sad', 'glad', 'mad'], guesses: number[] = [], losses: number[] = [];
    for (const [i, text] of words.entries()) {
      const ids = [2, ...idsOf('bert for classes', text).slice(0, 22), 3], logits = await encoder.logits(tensor(Int32Array.from(ids), { shape: [1, ids.length] })).data(reference()) as Float32Array, total = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
      guesses.push(logits.indexOf(Math.max(...logits)));
      losses.push(total - logits[i % 3]!);
    }
    const data = lines('classes.jsonl', words.map((text, i) => ({ text, label: labels[i % 3]! })));
    expect(await measured('bert for classes', '--data', data)).toEqual({
      valLoss: expect.closeTo(losses.reduce((sum, loss) => sum + loss, 0) / words.length, 5), accuracy: guesses.filter((guess, i) => guess === i % 3).length / words.length, texts: words.length, predictions: words.length, part: 'all examples', source: data,
    });
    expect(await ashlar('eval', '--run', at('runs', 'bert for classes'), '--data', lines('other.jsonl', [{ text: 'a', label: 'bad' }]))).toMatchObject({ code: 3, stderr: expect.stringContaining('there is the label "bad", which is not among data.labels (sad, glad, mad)') });
    expect(await ashlar('eval', '--run', at('runs', 'bert for classes'))).toMatchObject({ code: 2, stderr: expect.stringContaining('eval: the run names no text; use --data FILE') });
  });

  test.each(['bert', 'roberta', 'distilbert'])('a masked language model, over a text: %s', async (name) => {
    const data = write(at('text.txt'), 'the cat and the dog ran in the sea of grass. '.repeat(4)), { perplexity, part, predictions } = await measured(name, '--data', data);
    expect(part).toBe('whole text');
    expect(predictions).toBeGreaterThan(10);
    expect(perplexity).toBeGreaterThan(1);
  });

  test.each(['t5', 'bart'])('an encoder-decoder, over pairs: %s', async (name) => {
    const { model, targetTokenizer } = loadRun(at('runs', name)), pairs = [['the', 'of'], ['a cat', 'the'], ['x', 'in and']].map(([source, target]) => ({ source: source!, target: target! })), frame = name === 't5' ? [[], [1]] : [[1], [2]], start = name === 't5' ? 0 : 2;
    expect(targetTokenizer!.begin).toBe(start);
    let total = 0, count = 0;
    for (const { source, target } of pairs) {
      const framed = (text: string): number[] => [...frame[0]!, ...idsOf(name, text), ...frame[1]!], row = (ids: readonly number[]) => tensor(Int32Array.from(ids), { shape: [1, ids.length] });
      const targets = framed(target), logits = await (model as EncoderDecoder).logits(row(framed(source)), row([start, ...targets.slice(0, -1)])).data(reference()) as Float32Array;
      for (const [t, wanted] of targets.entries()) {
        const own = logits.slice(t * 61, (t + 1) * 61);
        total += Math.log(own.reduce((sum, value) => sum + Math.exp(value), 0)) - own[wanted]!;
        count++;
      }
    }
    expect(await measured(name, '--data', lines('pairs.jsonl', pairs))).toMatchObject({ valLoss: expect.closeTo(total / count, 5), predictions: count, part: 'all examples', sources: 3, tokenErrorRate: expect.any(Number) });
  });

  test('not without a head', async () => {
    expect(await ashlar('eval', '--run', at('runs', 'bert without a head'), '--data', at('text.txt'))).toMatchObject({ code: 2, stderr: expect.stringContaining('its model says nothing of its states that could be measured; train a head for it (training.from)') });
    expect(await ashlar('generate', '--run', at('runs', 'bert without a head'), '--prompt', 'a')).toMatchObject({ code: 2, stderr: expect.stringContaining('its model gives states alone, and writes no text') });
  });
});

describe('training goes on from what came in', () => {
  const data = lines('moods.jsonl', Array.from({ length: 60 }, (_, i) => ({ text: `${i % 2 === 0 ? 'the sea' : 'a dog'} ${words[i % 5]!} ${i}`, label: i % 2 === 0 ? 'calm' : 'loud' })));
  const train = (out: string, config: object, ...more: string[]) => ashlar('train', '--config', write(at(`${out}.json`), JSON.stringify(config)), '--out', at('runs', out), '--device', 'wasm', '--json', ...more);
  const training = { steps: 20, batch: 8, context: 12, learningRate: { peak: 0.003 }, evaluateEvery: 30, checkpointEvery: 30, logEvery: 10 };

  test('a classifier of a bare encoder learns, and goes out as its family has it', async () => {
    expect(await train('moods', { task: 'classification', data: { source: data }, training }, '--set', `training.from=${at('runs', 'bert without a head')}`)).toMatchObject({ code: 0 });
    expect(await measured('moods')).toMatchObject({ accuracy: 1, part: 'held out' });
    expect(await measured('moods', '--data', lines('more.jsonl', [{ text: 'the sea of it', label: 'calm' }, { text: 'a dog', label: 'loud' }]))).toMatchObject({ accuracy: 1, part: 'all examples', texts: 2 });
    expect(await ashlar('export', '--run', at('runs', 'moods'), '--format', 'hf', '--out', at('out', 'moods'))).toMatchObject({ code: 0 });
    expect(jsonOf(at('out', 'moods', 'config.json'))).toMatchObject({ model_type: 'bert', id2label: { 0: 'calm', 1: 'loud' }, pad_token_id: 0, architectures: ['BertForSequenceClassification'] });
    expect(await ashlar('import', at('out', 'moods'), '--out', at('runs', 'moods again'))).toMatchObject({ code: 0 });
    expect(await measured('moods again', '--data', at('more.jsonl'))).toMatchObject({ accuracy: 1, texts: 2 });
  });

  test('a classifier goes on with its labels, or takes others', async () => {
    const moods = lines('three.jsonl', Array.from({ length: 30 }, (_, i) => ({ text: `${words[i % 5]!} ${i}`, label: ['sad', 'glad', 'mad'][i % 3]! }))), from = { ...training, steps: 1, from: at('runs', 'bert for classes') };
    expect(await train('three', { data: { source: moods }, training: from })).toMatchObject({ code: 0 });
    expect(loadRun(at('runs', 'three')).config).toMatchObject({ labels: ['sad', 'glad', 'mad'], model: { head: { classes: 3, transform: { activation: 'tanh' } } } });
    expect(await train('three again', { data: { source: moods }, training: { ...from, from: at('runs', 'three') } })).toMatchObject({ code: 0 });
    expect(loadRun(at('runs', 'three again')).config.labels).toEqual(['sad', 'glad', 'mad']);
    expect(await train('wrong', { data: { source: data }, training: from })).toMatchObject({ code: 3, stderr: expect.stringContaining('which is not among data.labels (sad, glad, mad)') });
    expect(await train('two', { data: { source: data, labels: ['calm', 'loud'] }, training: from })).toMatchObject({ code: 0 });
    expect(loadRun(at('runs', 'two')).config).toMatchObject({ labels: ['calm', 'loud'], model: { head: { classes: 2 } } });
  });

  test.each([['t5', 2], ['bart', 60]] as const)('an encoder-decoder, %s, with the tokens it has', async (name, steps) => {
    const pairs = lines('shout.jsonl', Array.from({ length: 40 }, (_, i) => ({ source: `the ${words[i % 6]!}`.slice(0, 8), target: 'of the sea' })));
    expect(await train(`${name} on`, { data: { source: pairs }, training: { ...training, context: 24, from: at('runs', name), steps, evaluateEvery: steps, checkpointEvery: steps, learningRate: { peak: 0.01 } } })).toMatchObject({ code: 0 });
    const { config, model } = loadRun(at('runs', `${name} on`));
    expect(config.model).toMatchObject({ vocabulary: 61, sharedEmbedding: true });
    expect(model.namedParameters().size).toBe(loadRun(at('runs', name)).model.namedParameters().size);
    if (steps > 2) expect(await measured(`${name} on`)).toMatchObject({ sequenceErrorRate: 0 });
    expect(await ashlar('export', '--run', at('runs', `${name} on`), '--format', 'hf', '--out', at('out', `${name} on`))).toMatchObject({ code: 0, stderr: expect.not.stringContaining('error') });
    const before = jsonOf(join(fixtures, name, 'config.json')), after = jsonOf(at('out', `${name} on`, 'config.json'));
    for (const key of ['model_type', 'decoder_start_token_id', 'eos_token_id', 'pad_token_id', 'd_model']) expect([key, after[key]]).toEqual([key, before[key]]);
  });

  test('a language model', async () => {
    const text = write(at('book.txt'), 'the cat and the dog ran in the sea of grass. '.repeat(60));
    expect(await train('llama on', { data: { source: text }, training: { ...training, from: at('runs', 'llama') }, sample: { prompt: 'the ', tokens: 2 } })).toMatchObject({ code: 0 });
    expect(loadRun(at('runs', 'llama on')).config.model).toMatchObject({ vocabulary: 61, maxLength: 24, attention: { kvHeads: 2 } });
  });

  test.each<[object, string]>([
    [{ training: { ...training, from: at('runs', 'bert without a head') } }, 'has no head; say what is learned (task: classification), or give model.head'],
    [{ task: 'maskedLanguageModel', training: { ...training, from: at('runs', 'bert without a head') } }, 'has no head for tokens; give model.head, such as { "type": "language" }'],
    [{ task: 'classification', training: { ...training, from: at('runs', 't5') } }, 'task classification does not go with the model, which is for sequenceToSequence'],
    [{ task: 'classification', training: { ...training, from: at('nowhere') } }, 'model: '],
    [{ task: 'classification', training: { ...training, from: base } }, 'holds no run; a model of others becomes one by: import'],
  ])('%j is refused', async (config, message) => {
    expect(await train('none', { data: { source: data }, ...config })).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  });
});

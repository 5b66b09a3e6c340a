import { Command, InvalidArgumentError, Option } from 'commander';
import { deviceNames } from './device-choice.js';
import { formatNames } from './export/format-names.js';
import { exitCodes } from './failure.js';
import { parseBytes } from './quantities.js';
import type { Streams } from './streams.js';

const exitCodeHelp = `
Exit codes: ${exitCodes.success} done, ${exitCodes.runtime} trouble at run time, ${exitCodes.usage} usage or config, ${exitCodes.data} text, model or checkpoint file,
            ${exitCodes.device} device, ${exitCodes.output} a file cannot be written, ${exitCodes.interrupted} interrupted (SIGINT). DEBUG=1 shows where an error came from.`;

const device = (): Option => new Option('--device <name>', `where to compute: ${deviceNames.join(', ')}`).default('auto');
const wholeNumber = (least: number) => (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < least) throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
  return value;
};
const numberIn = (allowed: string, test: (value: number) => boolean) => (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || !test(value)) throw new InvalidArgumentError(`It must be a number${allowed}.`);
  return value;
};
const share = numberIn(' above 0 and at most 1', (value) => value > 0 && value <= 1);
const memorySize = (text: string): number => {
  const size = parseBytes(text);
  if (size === undefined) throw new InvalidArgumentError('It must be a size such as 8GB or 512MiB.');
  return size;
};
const collect = (text: string, before: string[]): string[] => [...before, text];

/**
 * The command line. Commands are loaded when they are called, so that help comes at once.
 *
 * @param done Takes the exit code of the command that ran.
 */
export function createProgram(streams: Streams, done: (exitCode: number) => void): Command {
  const program = new Command('ashlar')
    .description('Train language models of your own design, and write with them.')
    .configureOutput({ writeOut: (text) => streams.stdout.write(text), writeErr: (text) => streams.stderr.write(text) })
    .exitOverride().showHelpAfterError('(add --help for the options)').addHelpText('after', exitCodeHelp);

  program.command('train').description('train a model as a config describes it')
    .option('--config <file>', 'JSON or YAML; its schema is apps/trainer/schema/config.schema.json')
    .option('--data <text>', 'a text file, JSON lines (.jsonl), a table (.parquet), a folder of one of them, or npm:NAME for the text of an installed package; goes before data.source')
    .option('--set <key=value>', 'set a key of the config, such as training.steps=100; may be repeated', collect, [])
    .addOption(device())
    .option('--seed <n>', 'goes before training.seed', wholeNumber(0))
    .option('--out <dir>', 'the folder of the run; default: runs/<name>-<date>-<time>')
    .option('--resume', 'go on with an unfinished run from its newest checkpoint', false)
    .option('--json', 'print the rows of metrics.jsonl to stdout and nothing else', false)
    .action(async (options) => done(await (await import('./commands/train.js')).trainCommand(options, streams)));

  program.command('plan').description('tell what a training takes before it runs: parameters, operations, memory, time, and what fits')
    .requiredOption('--config <file>', 'a config of `ashlar train`, or a model\'s alone (with modelType at its top)')
    .option('--set <key=value>', 'set a key of the config, such as training.recompute=true; may be repeated', collect, [])
    .option('--batch <n>', 'rows of a batch; default: as the config says, 1 for a model alone', wholeNumber(1))
    .option('--context <n>', 'tokens of a row; default: as the config says, the longest sequence of a model alone', wholeNumber(1))
    .option('--memory <size>', 'a limit such as 8GB or 512MiB: tells whether the step fits, and which changes make it', memorySize)
    .addOption(device())
    .option('--json', 'print one JSON object', false)
    .action(async (options) => done(await (await import('./commands/plan.js')).planCommand(options, streams)));

  program.command('design').description('from what you need to a config, with the reason for every choice; asks in a terminal, where answers lack')
    .option('--task <name>', 'languageModel, classification, sequenceToSequence or maskedLanguageModel')
    .option('--purpose <name>', 'what the limits are for: training or inference (use of a model that is trained elsewhere); default: training')
    .option('--data-size <size>', 'how much text there is to learn from, such as 1MB')
    .option('--context <n>', 'how many bytes of text the model sees at once; default: 256')
    .option('--classes <n>', 'of classification: how many labels there are')
    .option('--memory <size>', 'such as 4GB; default: half of what this machine has')
    .option('--time <time>', 'how long the training may take, such as 30min, 8h or none; default: 1h')
    .option('--latency <time>', 'how long a byte may take to write, or a text to be sorted, such as 20ms; default: none, no limit')
    .option('--answers <file>', 'JSON or YAML with the answers by these names (task, purpose, dataSize …); options go before it')
    .option('--out <file>', 'where the config goes, and beside it, as NAME.plan.json, its reasons and plan; default: model.json, with --json nowhere')
    .addOption(device())
    .option('--json', 'ask nothing; print one JSON object', false)
    .action(async (options) => done(await (await import('./commands/design.js')).designCommand(options, streams)));

  program.command('generate').description('write text with a trained model')
    .requiredOption('--run <dir>', 'the folder of a run')
    .option('--prompt <text>', 'what to go on from; of an encoder-decoder: the source; may be repeated', collect, [])
    .option('--chat', 'talk, line by line; /new begins anew, /exit ends', false)
    .option('--system <text>', 'with --chat: what the model is told before all')
    .option('--tokens <n>', 'how many tokens to write at most; default: 500, or as many as fit', wholeNumber(1))
    .option('--temperature <t>', '0 takes the most likely token; default: 0.8, of an encoder-decoder 0', numberIn(' from 0', (value) => value >= 0))
    .option('--top-k <k>', 'draw from the K most likely tokens alone', wholeNumber(1))
    .option('--top-p <p>', 'draw from the fewest tokens that make up this share of the probability', share)
    .option('--min-p <p>', 'draw from the tokens at least so many times as likely as the most likely one', share)
    .option('--typical <p>', 'draw from the tokens of most usual surprise that make up this share of the probability', share)
    .option('--repetition-penalty <r>', 'how much less likely a token becomes that the text holds already', numberIn(' from 1', (value) => value >= 1))
    .option('--stop <text>', 'end before this text; may be repeated', collect, [])
    .option('--regex <pattern>', 'write a text that this regular expression matches from end to end')
    .option('--json-schema <file>', 'write JSON that this schema describes')
    .option('--seed <n>', 'the same seed writes the same text on the same device; default: 1', wholeNumber(0))
    .option('--beams <n>', 'follow the N likeliest texts and write the best of them', wholeNumber(1))
    .option('--length-penalty <a>', 'with --beams: a text of n tokens scores log p / n^A; default: 1', numberIn('', () => true))
    .option('--draft <dir>', 'the run of a smaller model with the same tokenizer, which guesses tokens that the model then reads at once')
    .option('--guesses <n>', 'with --draft: how many tokens it guesses at a time; default: 4', wholeNumber(1))
    .addOption(device())
    .action(async (options) => done(await (await import('./commands/generate.js')).generateCommand(options, streams)));

  program.command('serve').description('answer over HTTP as OpenAI\'s interface does: /v1/completions, /v1/chat/completions')
    .requiredOption('--run <dir>', 'the folder of a run')
    .option('--host <address>', 'where to listen; anything but this machine lets others in', '127.0.0.1')
    .option('--port <n>', '0 takes a free one', wholeNumber(0), 8080)
    .option('--name <name>', 'what clients call the model; default: the name of the folder')
    .option('--max-tokens <n>', 'how many tokens a request may ask for', wholeNumber(1), 4096)
    .option('--concurrency <n>', 'requests at work at once', wholeNumber(1), 2)
    .option('--queue <n>', 'requests that may wait; more are refused', wholeNumber(0), 32)
    .option('--body-bytes <n>', 'the largest body of a request', wholeNumber(1), 1 << 20)
    .addOption(new Option('--cache-dtype <dtype>', 'how caches keep keys and values; f16 takes half the memory; default: f32').choices(['f32', 'f16']))
    .addOption(device())
    .action(async (options) => done(await (await import('./commands/serve.js')).serveCommand(options, streams)));

  program.command('eval').description('measure the loss of a trained model over the whole held-out text, or over another text')
    .requiredOption('--run <dir>', 'the folder of a run')
    .option('--data <text>', 'another text: a file, a folder or npm:NAME')
    .addOption(device())
    .option('--json', 'print one JSON object', false)
    .action(async (options) => done(await (await import('./commands/evaluate.js')).evaluateCommand(options, streams)));

  program.command('import').description('make a run of a model of another program: a Hugging Face folder, a checkpoint of llama2.c, a GGUF file')
    .argument('<path...>', 'a folder, or the files')
    .option('--tokenizer <file>', 'of a Hugging Face folder that lacks it: a tokenizer.json, or a folder with one')
    .option('--out <dir>', 'the folder of the run; default: runs/<name>-<date>-<time>')
    .action(async (paths, options) => done(await (await import('./commands/import.js')).importCommand(paths, options, streams)));

  program.command('export').description('write a trained model in the form of another program')
    .requiredOption('--run <dir>', 'the folder of a run')
    .requiredOption('--format <name>', `which form: ${formatNames.join(', ')}`)
    .requiredOption('--out <path>', 'the file to write, which is replaced where there is one; hf: a folder, which must be empty; onnx: a name that ends in .onnx is a file for whole sequences, another one a folder as transformers.js has it')
    .option('--batch <n>', 'onnx: rows of a batch; default: any', wholeNumber(1))
    .option('--length <n>', 'onnx: tokens of a row, or in a folder of a call; default: any', wholeNumber(1))
    .option('--source-length <n>', 'onnx, a file of an encoder-decoder: tokens of its source; default: any', wholeNumber(1))
    .option('--padding', 'onnx: the model takes attention_mask; default: where its attention does')
    .option('--no-padding', 'onnx: it does not')
    .addOption(new Option('--storage <dtype>', 'hf, gguf: how weights are stored; default f32').choices(['f32', 'f16', 'bf16']))
    .option('--family <name>', 'hf, onnx: the family, such as llama; default: the first that has the model')
    .action(async (options) => done(await (await import('./commands/export.js')).exportCommand(options, streams)));

  program.command('tokenizer').description('make a tokenizer')
    .command('train').description('learn byte pairs from a text, for data.tokenizer of a config')
    .requiredOption('--data <text>', 'a text file, JSON lines (.jsonl), a table (.parquet), a folder of one of them, or npm:NAME for the text of an installed package')
    .option('--field <name>', 'the key or column that holds the text, of JSON lines and tables; default text')
    .requiredOption('--vocabulary <n>', 'how many tokens at most: 256 bytes, the pairs learned, and the one that ends a text', wholeNumber(257))
    .requiredOption('--out <file>', 'the file to write, which is replaced where there is one')
    .action(async (options) => done(await (await import('./commands/tokenizer.js')).trainTokenizerCommand(options, streams)));

  program.command('list').description('list the parts that a config can name')
    .argument('[family]', 'attention, positional, norm, residual or feed-forward; default: all')
    .option('--json', 'print one JSON array', false)
    .action(async (family, options) => done(await (await import('./commands/list.js')).listCommand(family, options, streams)));

  program.command('doctor').description('tell what this machine can compute on, and what to do where something lacks')
    .option('--json', 'print one JSON object', false)
    .action(async (options) => done(await (await import('./commands/doctor.js')).doctorCommand(options, streams)));

  return program;
}

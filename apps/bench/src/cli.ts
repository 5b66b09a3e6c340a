#!/usr/bin/env node
/** The command line: `bench SUITE`, `bench list`, and commands for what is no benchmark of one call. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { peerNames } from './peers/catalogue.js';
import { defaultPairs, defaultVerdict } from './compare/verdict.js';
import { adapterChoices } from './own/device-options.js';

const wholeNumber = (least: number) => (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new InvalidArgumentError(`it must be a whole number of at least ${least}`);
  return value;
};

const positive = (text: string): number => {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError('it must be a number above 0');
  return value;
};

const gathered = (value: string, before: readonly string[]): string[] => [...before, value];

const program = new Command('bench').description('Measures Ashlar, and its peers beside it.').enablePositionalOptions();

/** Adds what says on which device to run. */
const withDevice = (command: Command): Command => command
  .addOption(new Option('--device <device>', 'where to run').choices(['wasm', 'webgpu']).default('wasm'))
  .addOption(new Option('--adapter <adapter>', 'the WebGPU adapter, for us and for peers').choices(adapterChoices).default('auto'))
  .option('--threads <n>', 'threads of the wasm device (default: all cores)', wholeNumber(1))
  .option('--json', 'print JSON alone');
const onDevice = (name: string, description: string): Command => withDevice(program.command(name).description(description));

withDevice(program)
  .argument('[what...]', 'suites or benchmarks; `bench list` tells them')
  .option('--set <parameter=values>', 'other values of a parameter, with commas between (again for more)', gathered, [])
  .option('--package <folder>', 'run the benchmarks of this package instead of those of the repository (again for more)', gathered, [])
  .option('--rounds <n>', 'timed rounds of each case', wholeNumber(2), 9)
  .option('--round-ms <ms>', 'wanted length of a round', wholeNumber(1), 100)
  .option('--budget <seconds>', 'most time for the rounds of one case, two rounds excepted', wholeNumber(1), 20)
  .option('--against <revision>', 'compare the built working tree with this revision, or with the built tree in a folder; without a suite: kernels and step')
  .option('--pairs <n>', 'pairs of processes with --against', wholeNumber(6), defaultPairs)
  .option('--threshold <percent>', 'smaller changes are none with --against', Number, 100 * defaultVerdict.threshold)
  .option('--save [folder]', 'store each suite as JSON; without a folder, in results/')
  .action(async (what: string[], options) => {
    if (options.against !== undefined) return (await import('./compare/command.js')).runAgainst(what, options);
    if (what.length === 0 && options.package.length === 0) program.help({ error: true });
    return (await import('./harness/command.js')).runBenchmarks(what, options);
  });

for (const [step, size] of [['r0', 'a small GPT: 4 layers, width 128, context 64'], ['r1', 'a larger GPT: 6 layers, width 384, context 256']] as const) onDevice(step, `one training step of ${size}; checked before it is timed`)
  .option('--peers <peers>', `all, none, or names with commas between: ${peerNames.join(', ')}`, 'none')
  .option('--only-peers', 'leave ourselves out')
  .option('--python <path>', 'a Python that has torch')
  .option('--rounds <n>', 'timed rounds for each contestant', wholeNumber(2), 7)
  .option('--round-ms <ms>', 'wanted length of a round', wholeNumber(1), 1000)
  .option('--budget <seconds>', 'most time for the rounds of one contestant, two rounds excepted', wholeNumber(1), 60)
  .option('--save [file]', 'store the report as JSON; without a file name, in results/ under the name of the machine')
  .action(async (options) => (await import('./steps/command.js')).runRace(step, options));

onDevice('memory', 'repeat the step and watch heap, resident memory and the device; exit code 1 when something grows')
  .option('--steps <n>', 'steps to run', wholeNumber(50), 1000)
  .action(async (options) => (await import('./memory/command.js')).runMemory(options));

onDevice('depth', 'which residual schemes train a deep, narrow model at once, without warm-up')
  .option('--layers <n>', 'layers', wholeNumber(1), 100)
  .option('--width <n>', 'width, even', wholeNumber(2), 32)
  .option('--steps <n>', 'training steps', wholeNumber(1), 200)
  .option('--seeds <n>', 'runs of each scheme', wholeNumber(1), 5)
  .option('--learning-rate <rate>', 'learning rate, constant', Number, 1e-3)
  .option('--schemes <schemes>', 'residual schemes, with commas between', 'postNorm,deepNorm,preNorm')
  .action(async (options) => (await import('./depth/command.js')).runDepth(options));

onDevice('recall', 'what mixers reach in multi-query associative recall, beside what they remember')
  .option('--mixers <mixers>', 'all, or names with commas between', 'all')
  .option('--vocabulary <n>', 'tokens: half of them keys, half values', wholeNumber(4), 256)
  .option('--length <n>', 'tokens of an example', wholeNumber(4), 64)
  .option('--pairs <n>', 'key–value pairs of an example', wholeNumber(1), 4)
  .option('--width <n>', 'width of the models', wholeNumber(2), 128)
  .option('--depth <n>', 'layers of the models', wholeNumber(1), 2)
  .option('--train-examples <n>', 'examples to learn from', wholeNumber(1), 10_000)
  .option('--test-examples <n>', 'examples to answer', wholeNumber(1), 1000)
  .option('--epochs <n>', 'most times through the examples; training ends at 99 %', wholeNumber(1), 16)
  .option('--batch <n>', 'examples of a step', wholeNumber(1), 32)
  .option('--rate <rate>', 'peak of the learning rate', Number, 1e-3)
  .option('--seed <n>', 'of weights, examples and their order', wholeNumber(0), 0)
  .action(async (options) => (await import('./recall/command.js')).runRecall(options));

program.command('gpu-report')
  .description('check and time every kernel on this machine\'s GPU, and write a file to send back; exit code 1 when one is wrong')
  .addOption(new Option('--adapter <adapter>', 'the WebGPU adapter').choices(adapterChoices).default('auto'))
  .option('--quick', 'small sizes and few rounds: minutes on a software adapter')
  .option('--out <file>', 'the file', 'gpu-report.json')
  .option('--gpu <name>', 'lower bounds for this GPU of the table (default: for rates measured here)')
  .option('--flops <teraflops>', 'lower bounds for this many TFLOP/s; with --bandwidth', positive)
  .option('--bandwidth <gigabytes>', 'lower bounds for this many GB/s; with --flops', positive)
  .action(async (options) => (await import('./gpu-report/command.js')).runGpuReport(options));

program.command('list')
  .description('every benchmark, with its parameters')
  .option('--package <folder>', 'look in this package instead of in the repository (again for more)', gathered, [])
  .action(async (options) => (await import('./harness/command.js')).listBenchmarks(options.package));

program.command('all')
  .description('r0 and r1 with peers, memory, and every suite, on wasm')
  .option('--save', 'store the results, then write the readmes and the page')
  .action(async (options) => (await import('./all.js')).runAll(options));

program.command('page')
  .description('an HTML page of stored results, with charts')
  .option('--results <folder>', 'the folder of results (default: the one that the repository keeps)')
  .option('--out <file>', 'the page (default: runs/benchmarks.html)')
  .action(async (options) => (await import('./page/command.js')).writePage(options));

program.command('readme')
  .description('write the figures of the stored results into the readmes')
  .action(async () => (await import('./page/readme.js')).writeReadmes());

program.command('setup')
  .description('install what some peers run best on: a newer Node')
  .action(async () => { process.stdout.write(`${(await import('./peers/newer-node.js')).installNewerNode()}\n`); });

// Leaving by process.exit ends the contestants too.
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}

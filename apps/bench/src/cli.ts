#!/usr/bin/env node
/** The command line: `bench r0`, `bench gemm`, `bench memory`, `bench setup`. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { runR0 } from './r0/command.js';
import { installNewerNode } from './peers/newer-node.js';
import { peerNames } from './peers/catalogue.js';

const wholeNumber = (least: number) => (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new InvalidArgumentError(`it must be a whole number of at least ${least}`);
  return value;
};

const device = (): Option => new Option('--device <device>', 'where to run').choices(['wasm', 'webgpu']).default('wasm');
const adapter = (): Option => new Option('--adapter <adapter>', 'the WebGPU adapter, for us and for peers').choices(['auto', 'hardware', 'software', 'swiftshader']).default('auto');

const program = new Command('bench').description('Measures Ashlar, and its peers beside it.');

program.command('r0')
  .description('one training step of a small GPT, checked before it is timed')
  .addOption(device())
  .addOption(adapter())
  .option('--threads <n>', 'threads of the wasm device (default: all cores)', wholeNumber(1))
  .option('--peers <peers>', `all, none, or names with commas between: ${peerNames.join(', ')}`, 'none')
  .option('--only-peers', 'leave ourselves out')
  .option('--python <path>', 'a Python that has torch')
  .option('--rounds <n>', 'timed rounds for each contestant', wholeNumber(2), 7)
  .option('--round-ms <ms>', 'wanted length of a round', wholeNumber(1), 1000)
  .option('--budget <seconds>', 'most time for the rounds of one contestant, two rounds excepted', wholeNumber(1), 60)
  .option('--json', 'print JSON alone')
  .option('--save [file]', 'store the report as JSON; without a file name, in results/ under the name of the machine')
  .action(runR0);

program.command('setup')
  .description('install what some peers run best on: a newer Node')
  .action(() => { process.stdout.write(`${installNewerNode()}\n`); });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}

/** A report as data and as Markdown. */
import type { AdapterDescription } from '@ashlar/webgpu';
import { machineLine, type Machine } from '../harness/machine.js';
import { duration, short } from '../harness/report.js';
import type { Rates } from './gpus.js';
import type { Finding } from './measure.js';

export interface StepFinding extends Finding { readonly firstStepMs?: number; readonly kernels?: number }

export interface GpuReport {
  readonly date: string;
  /** The revision of git, with `+` where files were changed; absent outside a repository. */
  readonly revision?: string;
  readonly size: 'quick' | 'full';
  readonly machine: Machine;
  readonly adapter: AdapterDescription & {
    readonly device: string; readonly driver: string; readonly origin: string; readonly reason: string;
    readonly features: readonly string[]; readonly limits: Readonly<Record<string, number>>;
  };
  readonly rates: Rates & { readonly source: string };
  readonly products: readonly Finding[];
  readonly kernels: readonly Finding[];
  readonly steps: readonly StepFinding[];
}

/** What has no time. */
export const failures = ({ products, kernels, steps }: GpuReport): Finding[] => [...products, ...kernels, ...steps].filter(({ problem }) => problem !== undefined);

function row({ name, chosen, error, problem, milliseconds, flops = 0, bytes = 0, boundMs = 0 }: Finding): string {
  const title = chosen ? `**${name}**` : name, off = error === undefined ? '' : error.toExponential(1);
  if (milliseconds === undefined) return `| ${title} | ${off} | ${(problem ?? '').replaceAll('|', '\\|').replaceAll('\n', ' ')} | | | | |`;
  return `| ${title} | ${off} | ${duration(milliseconds)} | ${short(flops / milliseconds / 1e6)} | ${short(bytes / milliseconds / 1e6)} | ${duration(boundMs)} | ${short(milliseconds / boundMs)} |`;
}

export function reportMarkdown(report: GpuReport): string {
  const { adapter, rates, products, kernels, steps, machine, date, revision } = report, wrong = failures(report).length;
  const head = ['| what | error | time | GFLOP/s | GB/s | lower bound | time / bound |', '|---|---|---|---|---|---|---|'];
  return [
    `# Kernels on ${adapter.name}`, '',
    `${date}${revision === undefined ? '' : `, revision ${revision}`}. ${machineLine(machine)}`, '',
    `Lower bounds are for ${short(rates.flops / 1e12)} TFLOP/s and ${short(rates.bandwidth / 1e9)} GB/s (${rates.source}).`,
    wrong === 0 ? 'Every kernel is right.' : `${wrong} of these have no time.`, '',
    'Matrix products, by candidate; bold ones are taken.', '', ...head, ...products.map(row), '',
    'Other kernels, with all that surrounds them:', '', ...head, ...kernels.map(row), '',
    'Training steps, from end to end:', '', ...head, ...steps.map(row), '',
  ].join('\n');
}

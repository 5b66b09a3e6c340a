/** The process of a benchmark: `node worker.js ORDER`. It makes all cases ready, checks them, and times them when told to. */
import { createInterface } from 'node:readline';
import type { BenchmarkPlace, PreparedCase } from '@ashlar/conformance/benchmark';
import type { Device } from '@ashlar/tensor';
import { isProcessor, threadsOf } from '../own/device-options.js';
import { openDeviceFor } from '../own/open-device.js';
import { failure, send } from './conversation.js';
import { loadBenchmarks } from './discover.js';
import type { CaseState, FinishedMessage, ReadyMessage, TimedMessage, WorkerCommand, WorkerOrder } from './messages.js';
import { summarize } from './summary.js';

const order = JSON.parse(process.argv[2]!) as WorkerOrder;
let shared: Promise<Device> | undefined;
const place: BenchmarkPlace = {
  kind: order.device.device,
  adapter: order.device.adapter,
  threads: threadsOf(order.device),
  device: () => (shared ??= openDeviceFor(order.file, order.device)),
  openDevice: () => openDeviceFor(order.file, order.device),
};

/** Milliseconds of some calls, ended by waiting for the last of them. */
async function time(prepared: PreparedCase, calls: number): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < calls; i++) await prepared.run();
  await prepared.synchronise?.();
  return performance.now() - started;
}

/** Calls until the engine has settled on its best code; returns the milliseconds of one call, by the last run of several. */
async function warmUp(prepared: PreparedCase): Promise<number> {
  let spent = await time(prepared, 1), callMs = spent;
  for (let calls = 1; spent < order.warmUpMs; calls *= 2) {
    const ms = await time(prepared, calls);
    callMs = ms / calls;
    spent += ms;
  }
  return callMs;
}

async function stateOf(prepared: PreparedCase): Promise<CaseState> {
  try {
    await prepared.check();
  } catch (error) {
    return { status: 'wrong', reason: failure(error) };
  }
  return { status: 'ready', callMs: await warmUp(prepared), work: prepared.work ?? {} };
}

async function serve(): Promise<void> {
  const found = (await loadBenchmarks(order.file)).find(({ benchmark }) => benchmark.name === order.benchmark);
  if (!found) throw new Error(`${order.file} has no benchmark ${order.benchmark}`);
  const prepared: (PreparedCase | undefined)[] = [], cases: CaseState[] = [];
  for (const parameters of order.cases) {
    try {
      const one = await found.benchmark.prepare(parameters, place);
      prepared.push(one);
      cases.push(await stateOf(one));
    } catch (error) {
      if (prepared.length === cases.length) prepared.push(undefined);
      cases.push({ status: 'failed', reason: failure(error) });
    }
  }
  send<ReadyMessage>({ event: 'ready', cases });
  const processor = cases.map((): number[] => []);
  for await (const line of createInterface({ input: process.stdin })) {
    const told = JSON.parse(line) as WorkerCommand;
    if (told.command === 'time') {
      const before = process.cpuUsage(), ms = await time(prepared[told.case]!, told.calls), { user, system } = process.cpuUsage(before);
      processor[told.case]!.push((user + system) / 1000 / told.calls);
      send<TimedMessage>({ event: 'timed', ms });
      continue;
    }
    const figures: Readonly<Record<string, number>>[] = [];
    for (const [i, one] of prepared.entries()) {
      const onProcessor = shared !== undefined && isProcessor(order.device) && processor[i]!.length > 0;
      figures.push(cases[i]!.status === 'ready' ? { ...(onProcessor && { processorMs: summarize(processor[i]!).median }), ...await one!.figures?.() } : {});
    }
    const device = shared && (await shared).description;
    send<FinishedMessage>({ event: 'finished', ...(device !== undefined && { device }), peakRssBytes: process.resourceUsage().maxRSS * 1024, figures });
    break;
  }
  for (const one of prepared) await one?.release?.();
}

try {
  await serve();
} catch (error) {
  send({ event: 'failed', message: failure(error) });
  process.exitCode = 1;
} finally {
  await (await shared?.catch(() => undefined))?.close();
}

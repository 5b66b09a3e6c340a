import { serve } from '@hono/node-server';
import type { Server } from 'node:http';
import { basename } from 'node:path';
import { chooseDevice, deviceLine, parseDeviceName } from '../device-choice.js';
import { exitCodes, Failure } from '../failure.js';
import { loadLanguageModel } from '../load-run.js';
import { ServerClosed, serviceApp } from '../serve/app.js';
import { Service, type Limits } from '../serve/service.js';
import type { Streams } from '../streams.js';
import { listenForInterruption } from '../training/interruption.js';

export interface ServeCommandOptions extends Limits {
  readonly run: string;
  readonly host: string;
  readonly port: number;
  /** What clients call the model; default: the name of the run's folder. */
  readonly name?: string;
  readonly cacheDtype?: 'f32' | 'f16';
  readonly device: string;
}

/** How long answers that are under way may take once the server is told to stop. */
const graceMilliseconds = 10_000;
/** And how long clients may then take to hear of it. */
const lastWordMilliseconds = 1000;
const mostConnections = 512;

/** `ashlar serve`: answers over HTTP as OpenAI's interface does, until it is interrupted. */
export async function serveCommand({ run: path, host, port, name, device: deviceName, cacheDtype, ...limits }: ServeCommandOptions, { stdout, stderr }: Streams): Promise<number> {
  const wanted = parseDeviceName(deviceName);
  const { run, model, context, tokenizer, notes } = loadLanguageModel(path);
  const chosen = await chooseDevice(wanted);
  await using device = chosen.device;
  for (const line of [deviceLine(chosen), ...notes]) stderr.write(`${line}\n`);

  const service = new Service({ model, tokenizer, device, context, cacheDtype, name: name ?? basename(run.path), limits }), closing = new AbortController();
  const server = await listening(serviceApp(service, closing.signal).fetch, host, port);
  const address = server.address() as { readonly port: number };
  using interruption = listenForInterruption(() => stderr.write('\nstopping: answers under way have 10 seconds; interrupt again to end at once\n'));
  stdout.write(`${service.name} at http://${host.includes(':') ? `[${host}]` : host}:${address.port}/v1\n`);

  await new Promise<void>((resolve) => { interruption.signal.addEventListener('abort', () => resolve(), { once: true }); });
  const timer = setTimeout(() => {
    closing.abort(new ServerClosed('the server is stopping'));
    setTimeout(() => server.closeAllConnections(), lastWordMilliseconds).unref();
  }, graceMilliseconds);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(timer);
  service.release();
  return exitCodes.success;
}

function listening(fetch: (request: Request) => Response | Promise<Response>, hostname: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, hostname, port }, () => {
      server.off('error', failed);
      resolve(server);
    }) as Server;
    const failed = (error: NodeJS.ErrnoException): void => {
      const what = error.code === 'EADDRINUSE' ? 'something listens there already; give another --port' : error.code === 'EACCES' ? 'this port is not allowed; give one from 1024' : error.message;
      reject(new Failure(exitCodes.runtime, `cannot listen at ${hostname}:${port}: ${what}`, { cause: error }));
    };
    server.maxConnections = mostConnections;
    server.on('error', failed);
  });
}

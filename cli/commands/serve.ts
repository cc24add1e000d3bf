/** `serve`: runs the HTTP API, polling and the doctor on this machine. */
import { join } from 'node:path';
import type { HttpBindings } from '@hono/node-server';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { gatheredAsOf } from '../../core/query/gathered-as-of.ts';
import { createApp } from '../../http/app.ts';
import { readPageFiles } from '../../http/page-files.ts';
import { readArchive } from '../archive-reader.ts';
import { duration, durationSeconds } from '../arguments.ts';
import type { CommandContext, Run } from '../command.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { pause } from '../interrupt.ts';
import { keepExamining, keepPolling } from '../serve/background.ts';
import { listen } from '../serve/listen.ts';
import { isOwnHost } from '../serve/own-host.ts';
import { openReadPool } from '../serve/read-pool.ts';
import { authorization } from '../serve/token.ts';

interface ServeFlags {
  readonly port: number;
  readonly host: string;
  readonly every: string;
  readonly cors?: readonly string[];
}

const FOREVER_MS = 2 ** 31 - 1;
/** In the package, and in a checkout after `npm run build`; the bundle is as deep in the package as this file in the sources. */
const PAGE = join(import.meta.dirname, '../../dist/web');

export function registerServe(program: Command, run: Run): Command {
  return program
    .command('serve')
    .description('run the HTTP API, polling and the doctor on this machine')
    .addOption(
      new Option('--port <n>', 'port to listen on; 0 takes any free one').argParser(portNumber).default(8645),
    )
    .option(
      '--host <address>',
      'address to listen on; one that other machines can reach needs PGTIMEWARP_TOKEN',
      '127.0.0.1',
    )
    .addOption(
      new Option('--every <duration>', 'pause between two runs: N(s|m|h|d)')
        .argParser(duration)
        .default('5s'),
    )
    .addOption(
      new Option(
        '--cors <origin>',
        'allow pages of this origin, such as https://app.example.com; repeatable',
      ).argParser((value, former: readonly string[] | undefined) => [...(former ?? []), origin(value)]),
    )
    .addHelpText('after', '\nExample:\n  pgtimewarp serve --port 8645 --every 5s')
    .action((flags: ServeFlags) => run((context) => serve(context, flags), 'when stopped'));
}

/** Serves until Ctrl-C. */
async function serve({ settings, out, signal }: CommandContext, flags: ServeFlags): Promise<ExitCode> {
  const authorize = authorization(flags.host, process.env.PGTIMEWARP_TOKEN);
  const { databases } = settings;
  await using pool = openReadPool(databases.storeUrl);
  const page = { files: readPageFiles(PAGE) };
  const app = createApp({
    withStore: pool.withStore,
    askAsOf: gatheredAsOf(pool.withStore),
    readArchive,
    streams: true,
    report: (error, id) => out.note(`${id} ${error.code}: ${error.message}`),
    ...(authorize === undefined ? { isOwnHost } : { authorize }),
    pathAsSent: (context) => (context.env as Partial<HttpBindings>).incoming?.url,
    corsOrigins: flags.cors ?? [],
    page: () => page,
  });
  await using server = await listen(app, flags);
  out.note(`listening on ${server.url}`);
  const background = {
    databases,
    everyMs: Math.min(FOREVER_MS, durationSeconds(flags.every) * 1000),
    signal,
    note: (line: string) => out.note(line),
  };
  const [totals] = await Promise.all([
    keepPolling(background),
    keepExamining(background),
    untilStopped(signal),
  ]);
  const { failedRuns, ...others } = totals;
  out.result(
    { url: server.url, ...others, failed_runs: failedRuns },
    () => `${totals.runs} runs, ${totals.changes} changes.`,
  );
  return EXIT.done;
}

async function untilStopped(signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await pause(FOREVER_MS, signal);
}

/** An origin as browsers write it in the header Origin (RFC 6454 section 6.2). */
function origin(value: string): string {
  if (URL.canParse(value) && new URL(value).origin === value) return value;
  throw new InvalidArgumentError('It must be an origin: scheme, host and port, nothing after them.');
}

function portNumber(value: string): number {
  const port = /^\d{1,5}$/.test(value) ? Number.parseInt(value, 10) : -1;
  if (port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError('It must be a port, 0 to 65535.');
}

/**
 * Claim: whatever dies, history is exactly once. For some time pgbench runs at full speed while three pollers are killed
 * every few seconds and source and store crash now and then; at the end the sums of TPC-B are right as of every commit,
 * and now equals the live tables.
 *
 * Usage: node bench/soak.ts [--minutes 30] [--plugin wal2json|pgoutput] [--clients 4]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type LocalServer, startServer } from '../cli/servers/start-server.ts';
import { parseTableName } from '../core/pg/identifiers.ts';
import { poll } from '../core/poll.ts';
import { init } from '../core/setup/init.ts';
import { track } from '../core/track.ts';
import type { Plugin } from '../core/types/plugin.ts';
import { connectForTest } from '../test/support/test-client.ts';
import { differingTables, TPCB_TABLES, tpcbSums } from '../test/support/tpcb.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const POLLERS = 3;
const KILL_AFTER_MS = { from: 1_000, to: 6_000 };
const CRASH_AFTER_MS = { from: 30_000, to: 90_000 };

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    plugin: { type: 'string', default: 'wal2json' },
    clients: { type: 'string', default: '4' },
  },
});
const until = performance.now() + Number(values.minutes) * 60_000;
const counts = { kills: 0, sourceCrashes: 0, storeCrashes: 0, endedByThemselves: 0, loads: 0 };
const unforeseen: string[] = [];

await using source = await startServer({ durable: true });
await using store = await startServer({ durable: true });
await source.createDatabase('bank');
await store.createDatabase('history');
const urls = { sourceUrl: source.url('bank'), storeUrl: store.url('history'), node: 'soak' };
await program(`${source.binDir}/pgbench`, ['-i', '-s', '2', '-q', urls.sourceUrl]);
await init({ ...urls, plugin: values.plugin as Plugin, slotName: null, version: 'soak' });
for (const table of TPCB_TABLES) {
  await track({ ...urls, table: parseTableName(table), baseline: true, exclude: [], retention: null });
}
say(`PostgreSQL ${source.version}, ${values.plugin}, ${values.minutes} minutes`);

await Promise.all([load(), crashes(), report(), ...Array.from({ length: POLLERS }, () => poller())]);

say('the last runs');
for (;;) {
  const { outcome, caughtUp, reason } = await poll(urls);
  if (outcome !== 'done') throw new Error(`the last run ended as ${outcome}: ${reason ?? ''}`);
  if (caughtUp) break;
}
const session = await connectForTest(urls.storeUrl);
const live = await connectForTest(urls.sourceUrl);
const sums = await tpcbSums(session);
const differing = await differingTables(live, session);
const gaps = await session.query<{ count: number }>('SELECT count(*)::int FROM pgtimewarp.history_gaps');
await session.end();
await live.end();
say(JSON.stringify({ ...counts, ...sums, differing, gaps: gaps.rows[0]!.count, unforeseen }, null, 2));
const right =
  sums.wrong === '0' &&
  sums.commits === sums.mapped &&
  sums.commits !== '0' &&
  differing.length === 0 &&
  gaps.rows[0]!.count === 0 &&
  unforeseen.length === 0;
say(right ? 'RIGHT: the sums agree as of every commit' : 'WRONG');
process.exitCode = right ? 0 : 1;

/** pgbench until time is up; begun again when the source has crashed under it. */
async function load(): Promise<void> {
  while (performance.now() < until) {
    counts.loads++;
    const seconds = Math.max(1, Math.ceil((until - performance.now()) / 1000));
    await program(
      `${source.binDir}/pgbench`,
      ['-c', values.clients, '-j', '2', '-n', '-T', String(seconds), urls.sourceUrl],
      true,
    );
    await sleep(500);
  }
}

/** A poller that is killed at random moments, and replaced at once. */
async function poller(): Promise<void> {
  while (performance.now() < until) {
    const child = spawn(
      process.execPath,
      ['cli/main.ts', 'poll', '--watch', '--max-seconds', '30', '--json'],
      {
        cwd: ROOT,
        env: {
          ...process.env,
          PGTIMEWARP_SOURCE_URL: urls.sourceUrl,
          PGTIMEWARP_STORE_URL: urls.storeUrl,
          PGTIMEWARP_NODE: urls.node,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-4000);
      });
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), between(KILL_AFTER_MS));
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
    clearTimeout(timer);
    if (signal === 'SIGKILL') counts.kills++;
    else counts.endedByThemselves++;
    // A database that is down when a poller starts ends it; anything else that does is ours.
    if (
      signal === null &&
      code !== 0 &&
      !/cannot be reached|starting up|shutting down|recovery|terminat/.test(said)
    )
      unforeseen.push(`exit code ${code}: ${said}`);
    if (signal === null) await sleep(500);
  }
}

async function crashes(): Promise<void> {
  while (performance.now() < until) {
    await sleep(Math.min(between(CRASH_AFTER_MS), Math.max(0, until - performance.now())));
    const atSource = Math.random() < 0.5;
    await crash(atSource ? source : store);
    counts[atSource ? 'sourceCrashes' : 'storeCrashes']++;
  }
}

async function crash(server: LocalServer): Promise<void> {
  await server.restart('immediate');
}

async function report(): Promise<void> {
  while (performance.now() < until) {
    await sleep(Math.min(60_000, Math.max(0, until - performance.now())));
    say(JSON.stringify(counts));
    if (unforeseen.length > 0) say(unforeseen.at(-1)!);
  }
}

async function program(file: string, args: readonly string[], mayFail = false): Promise<void> {
  const child = spawn(file, args, { stdio: 'ignore' });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0 && !mayFail) throw new Error(`${file} failed`);
}

function between({ from, to }: { from: number; to: number }): number {
  return from + Math.random() * (to - from);
}

function say(text: string): void {
  console.log(`${(performance.now() / 60_000).toFixed(1)} min: ${text}`);
}

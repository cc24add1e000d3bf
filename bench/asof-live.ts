/**
 * A whole table as of an instant in SQL on the source, against the live table: 1 % of the keys have changed since. An aggregate over
 * all rows, with fetching the changed keys from the store, and a row by key beside that fetch. In one REPEATABLE READ transaction,
 * so that only the first statement waits for a run.
 */
import type pg from 'pg';
import { connectStore } from '../cli/extension/connect-store.ts';
import { install } from '../cli/extension/methods.ts';
import { makeViews } from '../cli/extension/views.ts';
import { connect, parseConnectionUrl } from '../core/pg/connection.ts';
import { inTransaction } from '../core/pg/transaction.ts';
import { poll } from '../core/poll.ts';
import { init } from '../core/setup/init.ts';
import { track } from '../core/track.ts';
import { type Benchmark, benchServer, figure, median, type Size, timeMs } from './harness.ts';

const ROWS: Readonly<Record<Size, number>> = { quick: 50_000, usual: 1_000_000, full: 1_000_000 };
const CHANGED = 0.01;
const ROUNDS = 9;
const READER = 'bench_reader';
const PASSWORD = 'bench';
const NODE = 'live';
const TABLE = { schema: 'public', name: 'accounts' };

export const asofLive: Benchmark = {
  name: 'asof-live',
  title: 'A whole table as of an instant in SQL, against the live table',
  run: async (size, log) => {
    await using server = await benchServer();
    const { sourceUrl, storeUrl } = server;
    const node = { sourceUrl, storeUrl, node: NODE };
    const source = await connect(sourceUrl, { side: 'source', node: NODE });
    const store = await connect(storeUrl, { side: 'store', node: NODE });
    try {
      log(`${ROWS[size]} rows`);
      await source.query(
        `CREATE TABLE public.accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
         INSERT INTO public.accounts SELECT g, g % 100, g % 1000, '' FROM generate_series(1, ${ROWS[size]}) AS g;
         ANALYZE public.accounts`,
      );
      await init({ ...node, plugin: 'pgoutput', slotName: null, version: 'bench' });
      await track({ ...node, table: TABLE, baseline: true, exclude: [], retention: null });
      const { rows } = await source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn');
      await poll(node);
      const every = Math.round(1 / CHANGED);
      await source.query(`UPDATE public.accounts SET abalance = abalance + 1 WHERE aid % ${every} = 0`);
      await source.query('VACUUM ANALYZE public.accounts');
      await poll(node);
      await store.query(`CREATE ROLE ${READER} LOGIN PASSWORD '${PASSWORD}' IN ROLE pgtimewarp_reader`);
      await store.query('VACUUM ANALYZE');
      await connectSource(source, storeUrl);
      log('asking');
      return await ask(source, rows[0]!.lsn, () => poll(node), size);
    } finally {
      await Promise.all([store.end(), source.end()]);
    }
  },
};

async function connectSource(source: pg.Client, storeUrl: string): Promise<void> {
  await install(source, 'plain', 'public');
  const { host, port, database } = parseConnectionUrl(storeUrl, 'store');
  await connectStore(source, 'public', {
    ...{ host, port, database, reader: READER, password: PASSWORD, node: NODE },
    ...{ sslRootCert: null, sslMode: null },
  });
  await inTransaction(source, () => makeViews(source, [{ name: TABLE, excludedColumns: [] }]));
}

async function ask(source: pg.Client, at: string, run: () => Promise<unknown>, size: Size) {
  const alone: string[] = [];
  source.on('notice', ({ message }) => alone.push(message ?? ''));
  await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await source.query(`SET LOCAL pgtimewarp.as_of = '${at}'`);
  const first = source.query('SELECT FROM asof.accounts LIMIT 1');
  await run();
  await first;
  const aggregate = (table: string) => () => source.query(`SELECT count(*), sum(abalance) FROM ${table}`);
  const fetch = () =>
    source.query(
      `SELECT count(*) FROM pgtimewarp_internal.past('public.accounts', '{aid,bid,abalance,filler}', NULL, NULL)`,
    );
  const byKey = () =>
    source.query(`SELECT * FROM asof.accounts WHERE aid = ${1 + Math.floor(Math.random() * ROWS[size])}`);
  const times = { live: [] as number[], past: [] as number[], fetched: [] as number[], key: [] as number[] };
  for (let round = -1; round < ROUNDS; round++) {
    const [live, past, fetched, key] = [
      await timeMs(aggregate('public.accounts')),
      await timeMs(aggregate('asof.accounts')),
      await timeMs(fetch),
      await timeMs(byKey),
    ];
    if (round < 0) continue;
    times.live.push(live);
    times.past.push(past);
    times.fetched.push(fetched);
    times.key.push(Math.max(0, key - fetched));
  }
  await source.query('COMMIT');
  if (alone.length > 0) throw new Error(`not from the live table: ${alone[0]}`);
  return [
    figure('count and sum of the live table', times.live, 'ms'),
    figure('count and sum as of an instant', times.past, 'ms'),
    figure('of that, fetching what has changed', times.fetched, 'ms'),
    figure('as of ÷ live', [median(times.past) / median(times.live)], 'times', { target: '≤ 3' }),
    figure('a row by key, without the fetch', times.key, 'ms', { target: '≤ 5' }),
  ];
}

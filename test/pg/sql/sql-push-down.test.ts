/** A question is one remote query that reads by index, as the plans show that were executed on source and store. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalServer, startServer } from '../../../cli/servers/start-server.ts';
import { chooseServer } from '../../support/choose-server.ts';
import { type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { prepareStoreTemplate } from '../../support/store-template.ts';
import { connectForTest } from '../../support/test-client.ts';
import type { TestDatabases } from '../../support/test-databases.ts';
import { StoreHistory, timeOf } from '../query/query-history.ts';

// A separate server that logs every statement of the store's sessions and every plan inside them.
const SETTINGS = {
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_nested_statements': 'on',
  'auto_explain.log_verbose': 'on',
  log_statement: 'all',
  log_line_prefix: '%a|%d|',
  log_min_messages: 'log',
};

let server: LocalServer;
let databases: Pick<TestDatabases, 'source' | 'store' | 'storeUrl'>;
let node: string;
let sql: SqlSource;
beforeAll(async () => {
  const { binaries } = await chooseServer();
  server = await startServer({ binaries, settings: SETTINGS });
  await server.createDatabase('source');
  await server.createDatabase('store', await prepareStoreTemplate(server.url()));
  const storeUrl = server.url('store');
  databases = {
    storeUrl,
    source: await connectForTest(server.url('source')),
    store: await connectForTest(storeUrl),
  };
  const h = await StoreHistory.create(databases.store);
  const t = await h.track();
  await databases.source.query('CREATE TABLE t (id int PRIMARY KEY, n int)');
  await databases.store.query(
    `INSERT INTO pgtimewarp.row_changes (relation_id, pk, valid_from_lsn, valid_from_ts, seq, op, xid, row_data)
     SELECT $1, '["' || k % 2000 || '"]', pg_lsn((10 + k % 80) * 256), timestamptz '2026-01-01Z' + (10 + k % 80) * interval '1 s',
            k, 'U', 1, '{"id":1}' FROM generate_series(1, 20000) k`,
    [t],
  );
  await databases.store.query(
    `INSERT INTO pgtimewarp.lsn_time_map (node_id, lsn, ts)
     SELECT $1, pg_lsn(k * 256), timestamptz '2026-01-01Z' + k * interval '1 s' FROM generate_series(10, 90) k`,
    [h.node],
  );
  await databases.store.query('ANALYZE');
  node = h.node;
  sql = await sqlSource({ ...databases, node } as TestDatabases);
});
afterAll(async () => {
  await Promise.all([databases.source.end(), databases.store.end()]);
  await server[Symbol.asyncDispose]();
});

/** The log of the server while the statement ran, after an earlier one (the first statement of a session opens the connection). */
async function logOf(statement: string): Promise<string> {
  await databases.source.query(statement);
  const before = (await server.logTail(1_000_000)).length;
  await databases.source.query(statement);
  return (await server.logTail(1_000_000)).slice(before).replaceAll('\n\t', ' ');
}

/** The SELECTs that arrived at the store. */
function remoteQueries(log: string): string[] {
  return log
    .split('\n')
    .filter((line) => /^pgtimewarp\/\w+\|store\|LOG: {2}(statement|execute)/.test(line))
    .filter((line) => /SELECT/.test(line));
}

/** The scans of the history in the plans of the store. */
function scansOfHistory(log: string): string[] {
  return log.match(/\w+ (Only )?Scan (Backward )?(using \w+ )?on pgtimewarp\.row_changes\w*/g) ?? [];
}

const ASOF = `SELECT pgtimewarp_asof_pk('t', '7', '${timeOf(60)}')`;

test('an as-of is one remote query for one row, and reads history by index', async () => {
  const log = await logOf(ASOF);
  const queries = remoteQueries(log);
  expect(queries).toHaveLength(1);
  expect(queries[0]).toMatch(
    /SELECT answer FROM pgtimewarp\.asof_answers WHERE \(\(question = E?'\{.*\}'\)\)$/,
  );
  expect(log).toMatch(/Remote SQL: SELECT answer FROM pgtimewarp\.asof_answers WHERE/);
  const scans = scansOfHistory(log);
  expect(scans.length).toBeGreaterThan(0);
  expect(scans.filter((line) => !line.startsWith('Index'))).toEqual([]);
});

test('a diff is one remote query', async () => {
  const log = await logOf(
    `SELECT count(*) FROM pgtimewarp_diff_pk('t', '7', '${timeOf(20)}', '${timeOf(60)}')`,
  );
  expect(remoteQueries(log)).toHaveLength(1);
  expect(log).toMatch(/Remote SQL: SELECT .* FROM pgtimewarp\.diff_answers WHERE \(\(question = /);
  expect(log).not.toMatch(/Seq Scan on (pgtimewarp\.)?row_changes/);
});

test('a horizon is one remote query by node', async () => {
  const log = await logOf('SELECT pgtimewarp_horizon()');
  expect(remoteQueries(log)).toHaveLength(1);
  expect(log).toMatch(/Remote SQL: SELECT .* FROM pgtimewarp\.node_status WHERE \(\(node_id = /);
});

test('the source sends nothing else, not even a savepoint', async () => {
  const log = await logOf(ASOF);
  const sent = log
    .split('\n')
    .filter((line) => /^pgtimewarp\/\w+\|store\|LOG: {2}(statement|execute)/.test(line));
  expect(sent.map((line) => /(?:statement|execute [^:]+): (\w+)/.exec(line)?.[1])).toEqual([
    'START',
    'DECLARE',
    'FETCH',
    'CLOSE',
    'COMMIT',
  ]);
  expect(sql.warnings()).toEqual([]);
});

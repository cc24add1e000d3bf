/**
 * Cases on one node, one after the other. Each brings the node into a bad state; doctor reports exactly that and nothing else;
 * its remedy is pasted unchanged; then doctor reports nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { extensionScripts, plainSql } from '../../../cli/extension/scripts.ts';
import { databaseUrl } from '../../../cli/servers/databases.ts';
import { SQL_FUNCTIONS_VERSION } from '../../../core/source/catalog/sql-functions.ts';
import { runCommand } from '../../support/command.ts';
import { mendTheRest, pasteRemedy, troubles, verdicts } from '../../support/doctored.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { testDatabases } from '../../support/test-databases.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `CREATE TABLE orders (id int PRIMARY KEY, total int); INSERT INTO orders VALUES (1, 10), (2, 20);
  CREATE TABLE people (id int PRIMARY KEY, name text, secret text); INSERT INTO people VALUES (1, 'x', 'hush');
  CREATE TABLE logs (id int PRIMARY KEY, n int); INSERT INTO logs VALUES (1, 1)`;

interface Case {
  readonly name: string;
  /** Everything that doctor reports, the worst first. */
  readonly expected: readonly string[];
  readonly damage: (node: TrackedNode) => Promise<unknown>;
  /** What only a person can do; otherwise the first remedy is pasted. */
  readonly mend?: (node: TrackedNode) => Promise<unknown>;
}

const source = (text: string) => (node: TrackedNode) => node.source.query(text);
const store = (text: string) => (node: TrackedNode) => node.store.query(text);

/** Moves history into the past, as if it had been written earlier; the horizon stays. */
const aged = (by: string): string => `
  UPDATE pgtimewarp.lsn_time_map SET ts = ts - interval '${by}';
  UPDATE pgtimewarp.row_changes SET valid_from_ts = valid_from_ts - interval '${by}';
  UPDATE pgtimewarp.relation_ranges SET opened_ts = opened_ts - interval '${by}';
  UPDATE pgtimewarp.history_gaps SET from_ts = from_ts - interval '${by}', to_ts = to_ts - interval '${by}';
  UPDATE pgtimewarp.tracked_relations SET tracked_from_ts = tracked_from_ts - interval '${by}';
  UPDATE pgtimewarp.past_relations SET tracked_from_ts = tracked_from_ts - interval '${by}',
         tracked_to_ts = tracked_to_ts - interval '${by}';`;

/** A reader of the store that stays until the remedy of doctor ends it. */
async function reader(node: TrackedNode, sql: string): Promise<void> {
  const session = await node.connect('store');
  await session.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; ${sql}`);
}

const CASES: readonly Case[] = [
  {
    name: 'a table is renamed',
    expected: ['fail table_present'],
    damage: source('ALTER TABLE orders RENAME TO gone'),
    mend: source('ALTER TABLE gone RENAME TO orders'),
  },
  {
    name: 'the replica identity is taken away',
    expected: ['fail table_trackable'],
    damage: source('ALTER TABLE orders REPLICA IDENTITY NOTHING'),
  },
  {
    name: 'the primary key becomes deferrable',
    expected: ['fail table_trackable'],
    damage: source(
      'ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders ADD CONSTRAINT "late Key" PRIMARY KEY (id) DEFERRABLE',
    ),
  },
  {
    name: 'a column of the primary key is renamed',
    expected: ['warn table_changed'],
    damage: source('ALTER TABLE logs RENAME COLUMN id TO log_id'),
    mend: source('ALTER TABLE logs RENAME COLUMN log_id TO id'),
  },
  {
    name: 'tables inherit from one that is tracked, with a key and without',
    expected: ['warn inherited_rows'],
    damage: source(
      'CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (people); CREATE TABLE grand_child () INHERITS (heir)',
    ),
  },
  {
    name: 'the table gets another primary key',
    expected: ['fail table_key'],
    damage: source(
      'ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders ADD PRIMARY KEY (id, total)',
    ),
  },
  {
    name: 'a table is recreated',
    expected: ['warn table_recreated'],
    damage: source('DROP TABLE orders; CREATE TABLE orders (id int, total int, PRIMARY KEY (id, total))'),
  },
  {
    name: 'rows change, and the log does not contain the change',
    expected: ['warn table_changed'],
    damage: source('ALTER TABLE people ADD COLUMN more int DEFAULT 5'),
  },
  {
    name: 'rows have changed, and the log does not contain the change',
    expected: ['warn table_baseline', 'warn gap_open'],
    damage: async (node) => {
      await node.source.query('ALTER TABLE orders ADD COLUMN more int DEFAULT 5');
      await node.source.query('INSERT INTO orders VALUES (7, 7, 7)');
      await node.poll();
    },
  },
  {
    name: 'an excluded column is renamed',
    expected: ['fail excluded_column'],
    damage: source('ALTER TABLE people RENAME COLUMN secret TO hidden'),
    mend: async (node) => {
      await runCommand(['untrack', 'people'], node);
      await runCommand(['track', 'people', '--exclude', 'hidden'], node);
    },
  },
  {
    name: 'history differs from the table',
    expected: ['fail self_proof'],
    damage: store(`UPDATE pgtimewarp.row_changes SET row_data = '{"id":1,"n":9}'
                    WHERE row_data::text LIKE '%"n":1}'`),
  },
  {
    name: 'no run has come for ten minutes',
    expected: ['warn lag'],
    damage: store(
      `${aged('10 minutes')} UPDATE pgtimewarp.wal_checkpoints SET applied_ts = applied_ts - interval '10 minutes'`,
    ),
  },
  {
    name: 'the time map was changed by hand',
    expected: ['fail time_map'],
    damage: async (node) => {
      await node.source.query('UPDATE logs SET n = 2');
      await node.poll();
      await node.source.query('UPDATE logs SET n = 3');
      await node.poll();
      await node.store.query(
        `UPDATE pgtimewarp.lsn_time_map SET ts = ts - interval '1 hour'
          WHERE lsn = (SELECT max(valid_from_lsn) FROM pgtimewarp.row_changes WHERE op = 'U')`,
      );
    },
  },
  {
    name: 'a reader prevents new ranges',
    expected: ['warn ranges_ahead'],
    damage: async (node) => {
      const { rows } = await node.store.query<{ id: number }>(
        `SELECT relation_id AS id FROM pgtimewarp.tracked_relations WHERE table_name = 'logs'`,
      );
      await reader(node, `SELECT FROM pgtimewarp.row_changes_r${rows[0]!.id}`);
      // runs make ranges after a table has been tracked for an eighth of the window
      await node.store.query(
        `UPDATE pgtimewarp.tracked_relations SET tracked_from_ts = tracked_from_ts - interval '1 hour' WHERE table_name = 'logs'`,
      );
      await runCommand(['retention', 'set', '1h', 'logs'], node);
      await runCommand(['poll', '--max-seconds', '3'], node);
    },
  },
  {
    name: 'a reader prevents the deletion of expired history',
    expected: ['warn retention_overdue'],
    damage: async (node) => {
      await node.source.query('UPDATE logs SET n = 4');
      await runCommand(['poll'], node);
      await node.store.query(aged('5 hours'));
      await reader(node, 'SELECT FROM pgtimewarp.nodes');
      await runCommand(['retention', 'run', '--max-seconds', '1'], node);
    },
  },
  {
    name: 'transactions of the store are read-only by default',
    expected: ['warn store_writable'],
    damage: store(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on',
                     current_database()); END $$`),
  },
  {
    name: 'the SQL functions are those of an earlier version',
    expected: ['warn sql_functions'],
    damage: async (node) => {
      await node.source.query('CREATE EXTENSION postgres_fdw');
      for (const script of extensionScripts().filter(({ to }) => to !== SQL_FUNCTIONS_VERSION))
        await node.source.query(plainSql(script, 'public'));
    },
  },
  {
    name: 'somebody else reads the slot',
    expected: ['fail slot_reader'],
    damage: async (node) => {
      const thief = new pg.Client({
        connectionString: node.sourceUrl,
        application_name: 'thief',
        ...({ replication: 'database' } as object),
      });
      thief.on('error', () => undefined);
      await thief.connect();
      thief.query(`START_REPLICATION SLOT ${node.slot} LOGICAL 0/0`).catch(() => undefined);
      await sleep(200);
    },
  },
  {
    name: 'somebody has read the slot',
    expected: ['fail slot_position'],
    damage: async (node) => {
      await node.source.query('UPDATE logs SET n = n + 1');
      await node.source.query('SELECT count(*) FROM pg_logical_slot_get_changes($1, NULL, NULL)', [
        node.slot,
      ]);
    },
  },
  {
    name: 'the slot was made by somebody else, with two_phase',
    expected: ['fail slot_ours'],
    damage: async (node) => {
      await node.source.query(`SELECT pg_drop_replication_slot('${node.slot}')`);
      await node.source.query(
        `SELECT pg_create_logical_replication_slot('${node.slot}', 'wal2json', false, true)`,
      );
    },
  },
];

describeNeeding(needOf('wal2json'), 'remedies', () => {
  let node: TrackedNode;
  beforeAll(async () => {
    node = await trackedNode({ plugin: 'wal2json', tables: TABLES, track: ['orders', 'logs'] });
    await node.track('people', { exclude: ['secret'] });
  });
  afterAll(() => node[Symbol.asyncDispose]());

  test.for(CASES.map((each) => [each.name, each.expected.join(', '), each] as const))(
    '%s: %s',
    async ([, , given]) => {
      const { expected, damage, mend } = given;
      await damage(node);
      const found = await troubles(node);
      expect(verdicts(found)).toEqual(expected);
      if (mend === undefined) await pasteRemedy(node, found, found[0]!.code);
      else await mend(node);
      await mendTheRest(node);
    },
  );

  test('another database of the right server: fail source_identity', async () => {
    const other = databaseUrl(node.sourceUrl, 'postgres');
    expect(verdicts(await troubles({ ...node, sourceUrl: other }))).toEqual(['fail source_identity']);
  });
});

test('a store without schema, then without the node: fail schema_version, fail node_known', async () => {
  await using databases = await testDatabases({
    store: 'empty',
    tables: 'CREATE TABLE t (id int PRIMARY KEY)',
  });
  const [outdated] = [await troubles(databases)];
  expect(verdicts(outdated)).toEqual(['fail schema_version']);
  await pasteRemedy(databases, outdated, 'schema_version');
  const unknown = await troubles(databases);
  expect(verdicts(unknown)).toEqual(['fail node_known']);
  if (!needOf('wal2json').met) return;
  await pasteRemedy(databases, unknown, 'node_known');
  const empty = await troubles(databases);
  expect(verdicts(empty)).toEqual(['fail nothing_tracked']);
  await runCommand(['track', 't'], databases);
  expect(await troubles(databases)).toEqual([]);
  await runCommand(['untrack', 't'], databases);
  expect(verdicts(await troubles(databases))).toEqual(['fail nothing_tracked']);
  await pasteRemedy(databases, empty, 'nothing_tracked', 1);
  expect(verdicts(await troubles(databases))).toEqual(['fail node_known']);
});

test('a role that may only read the store: fail store_role', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['orders'] });
  const role = `reader_${node.node}`;
  await node.store.query(`CREATE ROLE ${role} LOGIN PASSWORD 'p' IN ROLE pgtimewarp_reader`);
  try {
    const limited = {
      ...node,
      storeUrl: databaseUrl(node.storeUrl, new URL(node.storeUrl).pathname.slice(1), {
        user: role,
        password: 'p',
      }),
    };
    const found = await troubles(limited);
    expect(verdicts(found)).toEqual(['fail store_role']);
    await pasteRemedy(node, found, 'store_role');
    expect(await troubles(limited)).toEqual([]);
  } finally {
    await node.store.query(`DROP ROLE ${role}`);
  }
});

test.for(PLUGINS)(
  'a transaction that the store refuses: warn run_failures, fail node_blocked (%s)',
  async (plugin, { skip }) => {
    if (!needOf(plugin).met) skip('missing: wal2json');
    await using node = await trackedNode({ plugin, tables: TABLES, track: ['orders'] });
    const { rows } = await node.store.query<{ id: number }>(
      'SELECT relation_id AS id FROM pgtimewarp.tracked_relations',
    );
    const history = `pgtimewarp.row_changes_r${rows[0]!.id}`;
    await node.store.query(`ALTER TABLE ${history} ADD CONSTRAINT poison CHECK (pk <> '["13"]')`);
    await node.source.query('INSERT INTO orders VALUES (13, 1)');
    await node.poll().catch(() => undefined);
    expect(verdicts(await troubles(node))).toEqual(['warn run_failures']);
    for (let run = 0; run < 6; run++) await node.poll().catch(() => undefined);
    const blocked = await troubles(node);
    expect(verdicts(blocked)).toEqual(['fail node_blocked']);
    await node.store.query(`ALTER TABLE ${history} DROP CONSTRAINT poison`);
    await pasteRemedy(node, blocked, 'node_blocked');
    const skipped = await troubles(node);
    expect(verdicts(skipped)).toEqual(['fail table_baseline', 'fail gap_open']);
    await pasteRemedy(node, skipped, 'gap_open');
    expect(await troubles(node)).toEqual([]);
  },
);

describeNeeding(needOf('wal2json'), 'with wal2json', () => {
  test('values that the plugin does not print: warn column_incomplete', async () => {
    await using node = await trackedNode({
      plugin: 'wal2json',
      tables: 'CREATE TABLE m (id int PRIMARY KEY, f float8 NOT NULL)',
      track: ['m'],
    });
    await node.source.query(`INSERT INTO m VALUES (1, 'NaN')`);
    await node.poll();
    const found = await troubles(node);
    expect(verdicts(found)).toEqual(['warn column_incomplete']);
    await pasteRemedy(node, found, 'column_incomplete', 2);
    expect(await troubles(node)).toEqual([]);
  });

  test('a table declared to hold no NaN holds one: fail no_nan', async () => {
    await using node = await trackedNode({
      plugin: 'wal2json',
      tables: 'CREATE TABLE m (id int PRIMARY KEY, n numeric)',
    });
    await node.track('m', { noNan: true });
    await node.source.query(`INSERT INTO m VALUES (1, 'NaN')`);
    await node.poll();
    const found = await troubles(node);
    expect(verdicts(found)).toEqual(['fail no_nan', 'fail self_proof']); // it was stored as NULL
    await pasteRemedy(node, found, 'no_nan');
    expect(await troubles(node)).toEqual([]);
  });

  test('a table becomes UNLOGGED: fail table_trackable', async () => {
    await using node = await trackedNode({ plugin: 'wal2json', tables: TABLES, track: ['orders'] });
    await node.source.query('ALTER TABLE orders SET UNLOGGED');
    const found = await troubles(node);
    expect(verdicts(found)).toEqual(['fail table_trackable']);
    await pasteRemedy(node, found, 'table_trackable');
    await mendTheRest(node);
  });
});

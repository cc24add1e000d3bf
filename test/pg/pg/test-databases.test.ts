import { describe, expect, test } from 'vitest';
import { describeNeeding, wal2json } from '../../support/needs.ts';
import { serverInfo } from '../../support/server-info.ts';
import { startReading } from '../../support/slot-reader.ts';
import { connectForTest } from '../../support/test-client.ts';
import { testDatabases } from '../../support/test-databases.ts';

describe('databases of a test', () => {
  test('are a source with its tables and a migrated store, and change no value', async () => {
    await using databases = await testDatabases({
      tables: 'CREATE TABLE orders (id int PRIMARY KEY, at timestamptz)',
    });
    await databases.source.query(`INSERT INTO orders VALUES (1, '2026-01-02 03:04:05.000006+00')`);
    const orders = await databases.source.query('SELECT id, at, id = 1 AS yes FROM orders');
    expect(orders.rows).toEqual([{ id: 1, at: '2026-01-02 03:04:05.000006+00', yes: true }]);
    expect((await databases.store.query('SELECT node_id FROM pgtimewarp.nodes')).rows).toEqual([]);
  });

  test('leave nothing behind, whatever the test left open', async () => {
    const databases = await testDatabases({ tables: 'CREATE TABLE t (a int)' });
    const other = await databases.connect('source');
    await databases.source.query(
      `SELECT pg_create_logical_replication_slot('${databases.slot}', 'pgoutput')`,
    );
    await databases.source.query(`BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION '${databases.node}'`);
    await other.query('BEGIN; LOCK TABLE t IN ROW SHARE MODE');
    const stray = await connectForTest(databases.sourceUrl);
    await startReading(databases.sourceUrl, databases.slot, 'none');
    await databases[Symbol.asyncDispose]();

    const admin = await connectForTest(serverInfo().adminUrl);
    try {
      const left = await admin.query(
        `SELECT datname::text AS name FROM pg_database WHERE datname LIKE '%' || $1
         UNION ALL SELECT slot_name FROM pg_replication_slots WHERE slot_name = $2
         UNION ALL SELECT gid FROM pg_prepared_xacts WHERE gid = $3`,
        [databases.node.slice(2), databases.slot, databases.node],
      );
      expect(left.rows).toEqual([]);
      await expect(stray.query('SELECT')).rejects.toThrow();
    } finally {
      await admin.end();
    }
  });
});

describeNeeding(wal2json(), 'the server of this run', () => {
  test('lets wal2json read', async () => {
    await using databases = await testDatabases({ tables: 'CREATE TABLE t (a int PRIMARY KEY)' });
    const { source, slot } = databases;
    await source.query(`SELECT pg_create_logical_replication_slot('${slot}', 'wal2json')`);
    await source.query('INSERT INTO t VALUES (42)');
    const peek = `SELECT data FROM pg_logical_slot_peek_changes('${slot}', NULL, 10, 'format-version', '2')`;
    const data = (await source.query<{ data: string }>(peek)).rows.map((row) => row.data);
    expect(data.some((line) => line.includes('"value":42'))).toBe(true);
  });
});

/**
 * Rows larger than our program can hold become a failure that blocks the node, names table and key, and can be skipped. Answers
 * that would exceed the temporary files of the server are read in smaller parts.
 */
import { expect, test } from 'vitest';
import { connect } from '../../../../core/pg/connection.ts';
import { poll } from '../../../../core/poll.ts';
import { skip } from '../../../../core/skip.ts';
import { parseLsn } from '../../../../core/types/lsn.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { trackedNode } from '../../../support/tracked-node.ts';

const CHARACTERS = { pgoutput: 280_000_000, wal2json: 510_000_000 };

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `large rows through ${plugin}`, () => {
    test('a row larger than a string blocks the node, is named, and can be skipped', {
      timeout: 240_000,
    }, async () => {
      await using node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE other (id int PRIMARY KEY)',
        track: ['t', 'other'],
      });
      await node.source.query(`INSERT INTO t VALUES (7, repeat('x', ${CHARACTERS[plugin]}))`);
      await node.source.query(`INSERT INTO t VALUES (8, 'small'); INSERT INTO other VALUES (1)`);
      for (let run = 0; run < 2; run++) {
        // the second run has stored what others committed before
        await expect(node.poll()).rejects.toMatchObject({
          code: 'ROW_TOO_LARGE',
          message: expect.stringMatching(/^The row \["7"\] of public\.t in the log at .* is larger/),
        });
      }
      await node.store.query('UPDATE pgtimewarp.wal_checkpoints SET failures = 4'); // as after five failed runs
      const { rows } = await node.store.query<{ code: string; lsn: string }>(
        `SELECT (SELECT h.code FROM pgtimewarp.health_events AS h WHERE h.severity = 'warn' LIMIT 1) AS code, failure ->> 'lsn' AS lsn
           FROM pgtimewarp.wal_checkpoints`,
      );
      expect(rows[0]!.code).toBe('RUN_FAILED');
      expect(await poll(node)).toMatchObject({ outcome: 'blocked' });
      expect(await skip({ ...node, lsn: parseLsn(rows[0]!.lsn) })).toMatchObject({
        tables: ['public.t', 'public.other'],
      });
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
    });

    test('a row that the source cannot print blocks the node at its transaction, and can be skipped', {
      timeout: 300_000,
    }, async () => {
      await using node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE t (id int PRIMARY KEY, v bytea); CREATE TABLE other (id int PRIMARY KEY)',
        track: ['t', 'other'],
      });
      await node.poll();
      const xidOf = async (sql: string): Promise<string> => {
        await node.source.query('BEGIN');
        const { rows } = await node.source.query<{ xid: string }>(
          `${sql} RETURNING pg_current_xact_id()::text AS xid`,
        );
        await node.source.query('COMMIT');
        return rows[0]!.xid;
      };
      const before = await xidOf('INSERT INTO other VALUES (1)');
      const culprit = await xidOf(`INSERT INTO t VALUES (7, convert_to(repeat('x', 540000000), 'UTF8'))`);
      const after = await xidOf('INSERT INTO other VALUES (2)');
      const stored = async (): Promise<string[]> => {
        const { rows } = await node.store.query<{ xid: string }>(
          'SELECT xid::text AS xid FROM pgtimewarp.lsn_time_map WHERE xid IS NOT NULL ORDER BY lsn',
        );
        return rows.map(({ xid }) => xid);
      };
      await expect(node.poll()).rejects.toMatchObject({
        code: 'DATABASE_ERROR',
        facts: { sqlstate: 'XX000' },
      });
      expect(await stored()).toEqual([before]);
      await node.store.query('UPDATE pgtimewarp.wal_checkpoints SET failures = 4'); // as after five failed runs
      expect(await poll(node)).toMatchObject({
        outcome: 'blocked',
        reason: expect.stringMatching(
          /^(the transaction|transaction \d+) at [0-9A-F]+\/[0-9A-F]+ could not be applied/,
        ),
      });
      const { rows } = await node.store.query<{ lsn: string; xid: string | null }>(
        `SELECT failure ->> 'lsn' AS lsn, failure ->> 'xid' AS xid FROM pgtimewarp.wal_checkpoints`,
      );
      expect(rows[0]!.xid).toBe(plugin === 'wal2json' ? culprit : null);
      expect(await skip({ ...node, lsn: parseLsn(rows[0]!.lsn) })).toMatchObject({
        tables: ['public.t', 'public.other'],
      });
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true });
      expect(await stored()).toEqual([before, after]);
    });

    test('a limit of temporary files halves the number of rows that are read at once', async () => {
      await using node = await trackedNode({
        plugin,
        tables: 'CREATE TABLE t (id int PRIMARY KEY, v text)',
        track: ['t'],
      });
      for (let part = 0; part < 40; part++)
        await node.source.query(
          `INSERT INTO t SELECT ${part} * 100 + i, repeat(md5(i::text), 160) FROM generate_series(1, 100) AS i`,
        );
      const { rows } = await node.source.query<{ name: string }>('SELECT current_database() AS name');
      await node.source.query(`ALTER DATABASE ${rows[0]!.name} SET temp_file_limit = '4MB'`);
      await node.source.query(`ALTER DATABASE ${rows[0]!.name} SET logical_decoding_work_mem = '64kB'`);
      await node.source.query(`ALTER DATABASE ${rows[0]!.name} SET work_mem = '64kB'`);
      expect(await node.poll()).toMatchObject({ outcome: 'done', caughtUp: true, changes: 4000 });
    });
  });
}

test('a session that receives a row larger than a string ends with an error, and the process continues', async () => {
  await using node = await trackedNode({ plugin: 'pgoutput' });
  const session = await connect(node.sourceUrl, { side: 'source', node: node.node });
  const asked = session.query(`SELECT repeat('x', 540000000)`);
  await expect(asked).rejects.toMatchObject({ code: 'ERR_STRING_TOO_LONG' });
  await session.end().catch(() => {});
}, 60_000);

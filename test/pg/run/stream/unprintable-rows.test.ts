/**
 * A row whose text the source cannot send, because UTF-8 lacks a character of it, blocks the node at its transaction, which can be
 * skipped. What others committed before is stored.
 */
import { expect, test } from 'vitest';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { poll } from '../../../../core/poll.ts';
import { init } from '../../../../core/setup/init.ts';
import { skip } from '../../../../core/skip.ts';
import { track } from '../../../../core/track.ts';
import { parseLsn } from '../../../../core/types/lsn.ts';
import { describeNeeding } from '../../../support/needs.ts';
import { needOf, PLUGINS } from '../../../support/plugins.ts';
import { connectForTest } from '../../../support/test-client.ts';
import { testDatabases } from '../../../support/test-databases.ts';

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `rows that cannot be sent, ${plugin}`, () => {
    test('a character without a place in UTF-8 blocks the node at its transaction, and can be skipped', async () => {
      await using databases = await testDatabases({ store: 'migrated' });
      const { source: admin, store, storeUrl, node } = databases;
      const name = `western_${node}`;
      await admin.query(
        `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'WIN1252' LC_COLLATE 'C' LC_CTYPE 'C'`,
      );
      const url = new URL(databases.sourceUrl);
      url.pathname = `/${name}`;
      const urls = { sourceUrl: url.toString(), storeUrl, node };
      const source = await connectForTest(urls.sourceUrl);
      try {
        await source.query(
          'CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE other (id int PRIMARY KEY)',
        );
        await init({ ...urls, plugin, slotName: null, version: 'test' });
        for (const table of ['t', 'other']) {
          const rest = { baseline: true, exclude: [], retention: null, noNan: false };
          await track({ ...urls, ...rest, table: parseTableName(table) });
        }
        await source.query('INSERT INTO other VALUES (1)');
        await source.query(`INSERT INTO t VALUES (7, 'x' || chr(129))`); // Windows-1252 gives no character to 0x81
        await source.query('INSERT INTO other VALUES (2)');
        const stored = async (): Promise<string[]> => {
          const { rows } = await store.query<{ pk: string }>(
            `SELECT pk FROM pgtimewarp.row_changes JOIN pgtimewarp.tracked_relations USING (relation_id)
              WHERE table_name = 'other' ORDER BY valid_from_lsn`,
          );
          return rows.map(({ pk }) => pk);
        };
        for (let run = 0; run < 4; run++)
          await expect(poll(urls)).rejects.toMatchObject({
            code: 'DATABASE_ERROR',
            facts: { sqlstate: '22P05' },
          });
        expect(await stored()).toEqual(['["1"]']);
        expect(await poll(urls)).toMatchObject({ outcome: 'blocked' });
        const { rows } = await store.query<{ lsn: string }>(
          `SELECT failure ->> 'lsn' AS lsn FROM pgtimewarp.wal_checkpoints WHERE node_id = $1`,
          [node],
        );
        expect(await skip({ ...urls, lsn: parseLsn(rows[0]!.lsn) })).toMatchObject({
          tables: ['public.t', 'public.other'],
        });
        expect(await poll(urls)).toMatchObject({ outcome: 'done', caughtUp: true });
        expect(await stored()).toEqual(['["1"]', '["2"]']);
      } finally {
        await source.end();
        await admin.query(
          `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${name}'`,
        );
        await admin.query(`DROP DATABASE ${name} WITH (FORCE)`);
      }
    });
  });
}

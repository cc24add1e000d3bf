/**
 * Changes that a publication hides do not come. Removing a table from it, or restricting it, loses history: the next run
 * reports from when, and the gap ends when every change is published again.
 */

import { describe, expect, test } from 'vitest';
import { connect } from '../../../../core/pg/connection.ts';
import { parseTableName } from '../../../../core/pg/identifiers.ts';
import { inTransaction } from '../../../../core/pg/transaction.ts';
import { poll } from '../../../../core/poll.ts';
import { rebaseline } from '../../../../core/rebaseline.ts';
import { rebaselineNode } from '../../../../core/rebaseline-node.ts';
import { readTableFacts } from '../../../../core/source/catalog/table-facts.ts';
import { hasColumnLists } from '../../../../core/source/publication/column-lists.ts';
import {
  ensurePublished,
  replaceInPublication,
} from '../../../../core/source/publication/publication-tables.ts';
import type { Claim } from '../../../../core/store/node/claim.ts';
import { lockHorizon } from '../../../../core/store/node/claim.ts';
import { openRelationGap } from '../../../../core/store/tables/gap.ts';
import { finishRepairStep } from '../../../../core/store/tables/repair.ts';
import { track, untrack } from '../../../../core/track.ts';
import { at, relation, runAll, sameAsLive, sourceClock, urls } from '../../../support/node-questions.ts';
import { runMeanwhile } from '../../../support/run-meanwhile.ts';
import { type TrackedNode, trackedNode } from '../../../support/tracked-node.ts';

const TABLES = `CREATE TABLE t (id int PRIMARY KEY, v text, n int);
                INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 5) AS i;
                CREATE TABLE other (id int PRIMARY KEY, v text, n int); INSERT INTO other VALUES (1, 'a', 1)`;
const T = parseTableName('t');

const node = (): Promise<TrackedNode> =>
  trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['t', 'other'] });

async function alter(of: TrackedNode, change: string): Promise<void> {
  await of.source.query(`ALTER PUBLICATION ${of.publication} ${change}`);
}

/** Publishes the table; later runs read it. */
async function askRebaseline(of: TrackedNode): Promise<void> {
  const asked = rebaseline({ ...urls(of), table: T, signal: AbortSignal.abort() });
  await expect(asked).rejects.toMatchObject({ code: 'INTERRUPTED' });
}

/** Whether the publication contains the table and shows all of it. */
async function isWhole(of: TrackedNode): Promise<boolean> {
  const [facts] = await readTableFacts(of.source, [T], of.publication);
  const published = facts!.published;
  return published?.everyAction === true && !published.isFiltered && published.columns === null;
}

test.each([
  ['taken out', 'DROP TABLE t', /^public\.t was taken out of the publication$/],
  [
    'some rows',
    'SET TABLE other, t WHERE (id > 3)',
    /^the publication does not show every change of public\.t$/,
  ],
  ['some columns', 'SET TABLE other, t (id, v)', /^the publication does not show every change of public\.t$/],
])('%s: a gap from the run before, and its end publishes all of the table', async (_what, change, reason) => {
  await using of = await node();
  if (!(await hasColumnLists(of.source)) && change.startsWith('SET')) return;
  await of.poll();
  const before = await sourceClock(of);
  await of.poll();
  await alter(of, change);
  await runAll(
    of,
    `UPDATE t SET n = 0 WHERE id = 2; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (6, 'new', 0)`,
  );
  await of.poll();
  const inGap = await sourceClock(of);
  await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'needs_rebaseline', repair: null });
  expect((await relation(of)).status_reason).toMatch(reason);
  for (const key of ['2', '3', '6']) {
    expect(await at(of, key, null)).toMatchObject({ status: 'unknown', reason: 'in_gap' });
  }
  expect(await at(of, '2', before)).toMatchObject({
    status: 'found',
    row: { id: 2, v: 'v2', n: 2 },
    final: true,
  });
  expect((await at(of, '1', null, 'other')).status).toBe('found');

  await rebaseline({ ...urls(of), table: T });
  expect(await isWhole(of)).toBe(true);
  await sameAsLive(of);
  await runAll(of, 'UPDATE t SET n = 9 WHERE id IN (1, 2)');
  await of.poll();
  await sameAsLive(of);
  expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
  expect(await at(of, '2', inGap)).toMatchObject({ status: 'unknown', reason: 'in_gap', final: true });
  const { rows } = await of.store.query(
    `SELECT DISTINCT code FROM pgtimewarp.health_events WHERE code ~ 'RELATION|PUBL'`,
  );
  expect(rows.map(({ code }) => code).sort()).toEqual(['RELATION_GAP', 'RELATION_REPAIRED']); // reported once
});

test('removed and added again between two runs: a gap that ends by itself', async () => {
  await using of = await node();
  await of.poll();
  await alter(of, 'DROP TABLE t');
  await runAll(of, 'UPDATE t SET n = 0 WHERE id = 2');
  await alter(of, 'ADD TABLE t');
  await of.poll();
  const inGap = await sourceClock(of);
  for (let runs = 0; runs < 3; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
  expect(await at(of, '2', inGap)).toMatchObject({ status: 'unknown', reason: 'in_gap' });
  await sameAsLive(of);
});

test('a publication that leaves out actions: every table has a gap, and their end publishes everything', async () => {
  await using of = await node();
  await of.poll();
  await alter(of, `SET (publish = 'insert, delete')`);
  await runAll(of, 'UPDATE t SET n = 0; UPDATE other SET n = 0');
  for (let runs = 0; runs < 2; runs++) await of.poll();
  for (const table of ['t', 'other']) {
    expect(await relation(of, table)).toMatchObject({ status: 'needs_rebaseline' });
    await rebaseline({ ...urls(of), table: parseTableName(table) });
  }
  expect(await isWhole(of)).toBe(true);
  await runAll(of, 'UPDATE t SET n = 1; UPDATE other SET n = 1');
  for (let runs = 0; runs < 3; runs++) await of.poll();
  for (const table of ['t', 'other']) {
    expect(await relation(of, table)).toMatchObject({ status: 'active', repair: null });
    await sameAsLive(of, table);
  }
});

test('a publication that leaves out actions between two runs: gaps that end by themselves', async () => {
  await using of = await node();
  await of.poll();
  await alter(of, `SET (publish = 'insert')`);
  await runAll(of, 'UPDATE t SET n = 0; UPDATE other SET n = 0');
  await alter(of, `SET (publish = 'insert, update, delete, truncate')`);
  await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'needs_rebaseline' });
  for (let runs = 0; runs < 4; runs++) await of.poll();
  for (const table of ['t', 'other']) {
    expect(await relation(of, table)).toMatchObject({ status: 'active', repair: null });
    await sameAsLive(of, table);
  }
});

describe('a role that does not own the publication', () => {
  /** A node, and runs by a role that does not own the publication. */
  async function byOther(
    of: TrackedNode,
  ): Promise<{ sourceUrl: string; runs: (count?: number) => Promise<void> } & AsyncDisposable> {
    const role = `plain_${of.slot}`;
    await of.source.query(
      `CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'p'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`,
    );
    const sourceUrl = Object.assign(new URL(of.sourceUrl), { username: role, password: 'p' }).toString();
    return {
      sourceUrl,
      runs: async (count = 4) => {
        for (let run = 0; run < count; run++)
          expect((await poll({ ...urls(of), sourceUrl })).outcome).toBe('done');
      },
      [Symbol.asyncDispose]: async () => {
        await of.source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
      },
    };
  }

  /** Opens a gap with a repair that waits until the table is published. */
  async function pending(of: TrackedNode, runs: () => Promise<void>): Promise<void> {
    await alter(of, 'DROP TABLE t');
    await runs();
    await askRebaseline(of);
    await alter(of, 'DROP TABLE t');
    await runs();
    expect(JSON.parse((await relation(of)).repair!)).toMatchObject({ base_lsn: null });
  }

  test('gets the SQL that the owner has to run', async () => {
    await using of = await node();
    await using other = await byOther(of);
    await alter(of, 'DROP TABLE t');
    await other.runs();
    const asked = () => rebaseline({ ...urls(of), sourceUrl: other.sourceUrl, table: T });
    await expect(asked()).rejects.toMatchObject({
      code: 'PUBLICATION_RIGHTS',
      facts: { sql: `ALTER PUBLICATION "${of.publication}" ADD TABLE ONLY "public"."t"` },
    });
    await alter(of, 'ADD TABLE t');
    let takenOut: Promise<void> | undefined;
    const onProgress = (): void => {
      takenOut ??= alter(of, 'DROP TABLE t'); // during the command
    };
    const waiting = rebaseline({ ...urls(of), sourceUrl: other.sourceUrl, table: T, onProgress });
    await expect(waiting).rejects.toMatchObject({ code: 'PUBLICATION_RIGHTS' });
    await takenOut;
  });

  test('a role that may do so can replace a list in one transaction', async () => {
    await using of = await node();
    await using other = await byOther(of);
    const session = await connect(other.sourceUrl, { side: 'source', node: of.node });
    const [facts] = await readTableFacts(session, [T], of.publication);
    const replacing = replaceInPublication(session, of.publication, T, null, facts!.published!.entry!);
    await expect(replacing).rejects.toMatchObject({
      facts: { sql: expect.stringMatching(/^BEGIN; ALTER .* DROP TABLE .*; ALTER .* ADD TABLE .*; COMMIT$/) },
    });
    await session.end();
  });

  test('a repair reads nothing until somebody else has published the table', async () => {
    await using of = await node();
    await using other = await byOther(of);
    await pending(of, other.runs);
    await runAll(of, 'UPDATE t SET n = 0 WHERE id = 2');
    await alter(of, 'ADD TABLE t');
    await other.runs();
    expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
    await sameAsLive(of);
  });

  test('the repair waits for transactions that wrote before the table was published', async () => {
    await using of = await node();
    await using other = await byOther(of);
    await pending(of, other.runs);
    const writer = await of.connect('source');
    await writer.query('BEGIN; UPDATE t SET n = 0 WHERE id = 2');
    await alter(of, 'ADD TABLE t');
    await other.runs();
    expect(await relation(of)).toMatchObject({ status: 'needs_rebaseline' });
    await writer.query('COMMIT');
    await other.runs();
    expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
    await sameAsLive(of);
  });

  test('an outdated list does not prevent a repair', async () => {
    await using of = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
    if (!(await hasColumnLists(of.source))) return;
    await of.track('t', { exclude: ['v'] });
    await using other = await byOther(of);
    await runAll(of, 'ALTER TABLE t ADD extra int; UPDATE t SET extra = 1');
    await rebaseline({ ...urls(of), sourceUrl: other.sourceUrl, table: T });
    expect(await relation(of)).toMatchObject({ status: 'active' });
    const { rows } = await of.store.query(
      `SELECT count(*)::int AS n FROM pgtimewarp.health_events WHERE code = 'COLUMN_LIST_OUTDATED'`,
    );
    expect(rows).toEqual([{ n: 1 }]); // reported once
  });
});

test('a table that another session has locked is published later, and other tables are read meanwhile', async () => {
  await using of = await node();
  await alter(of, 'DROP TABLE t');
  await of.poll();
  await askRebaseline(of);
  await alter(of, 'DROP TABLE t');
  const vacuum = await of.connect('source');
  await vacuum.query('BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE');
  await runAll(of, 'UPDATE other SET n = 2');
  await of.poll();
  await sameAsLive(of, 'other');
  const { rows } = await of.store.query(
    `SELECT message FROM pgtimewarp.health_events WHERE code = 'REPAIR_WAITS'`,
  );
  expect(rows).toEqual([{ message: expect.stringContaining('holds a lock on public.t') }]);
  await vacuum.query('ROLLBACK');
  for (let runs = 0; runs < 4; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
  await sameAsLive(of);
});

test('child tables are separate tables', async () => {
  await using of = await node();
  await of.source.query('CREATE TABLE child () INHERITS (t)');
  await untrack({ ...urls(of), table: T, purge: false });
  expect(await relation(of)).toMatchObject({ status: 'untracked' });
  await of.track('t');
  await of.poll();
  const { rows } = await of.source.query(
    'SELECT tablename AS name FROM pg_publication_tables WHERE pubname = $1 ORDER BY 1',
    [of.publication],
  );
  expect(rows).toEqual([{ name: 'other' }, { name: 't' }]);
});

test('a start waits for transactions that wrote while the table was not published', async () => {
  await using of = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['other'] });
  const [early, late] = [await of.connect('source'), await of.connect('source')];
  await early.query('BEGIN; UPDATE t SET n = 0 WHERE id = 1');
  const tracking = { table: T, baseline: true, exclude: [], retention: null };
  const asked = track({ ...urls(of), ...tracking, signal: AbortSignal.abort() });
  await expect(asked).rejects.toMatchObject({ code: 'INTERRUPTED' });
  await of.poll(); // waits for the early transaction
  await alter(of, 'DROP TABLE t');
  await late.query('BEGIN; UPDATE t SET n = 0 WHERE id = 2');
  await alter(of, 'ADD TABLE t');
  await early.query('COMMIT');
  for (let runs = 0; runs < 2; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'starting' });
  await late.query('COMMIT');
  for (let runs = 0; runs < 3; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active' });
  await sameAsLive(of);
});

test('a table whose tracking starts while it is not published has a gap from its start', async () => {
  await using of = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['other'] });
  const tracking = { table: T, baseline: true, exclude: [], retention: null };
  const asked = track({ ...urls(of), ...tracking, signal: AbortSignal.abort() });
  await expect(asked).rejects.toMatchObject({ code: 'INTERRUPTED' });
  await alter(of, 'DROP TABLE t');
  await of.poll();
  await runAll(of, 'UPDATE t SET n = 0 WHERE id = 2');
  const inGap = await sourceClock(of);
  await alter(of, 'ADD TABLE t');
  for (let runs = 0; runs < 5; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
  expect(await at(of, '2', inGap)).toMatchObject({ status: 'unknown', reason: 'in_gap' });
  await sameAsLive(of);
});

test.each([
  ['some rows', 'WHERE (id > 3)'],
  ['some columns', '(id, v)'],
])('a partition that is published by itself, and only %s of it', async (_what, restriction) => {
  const tables = `CREATE TABLE t (id int PRIMARY KEY, v text, n int) PARTITION BY RANGE (id);
                  CREATE TABLE t_0 PARTITION OF t FOR VALUES FROM (0) TO (10);
                  INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)`;
  await using of = await trackedNode({ plugin: 'pgoutput', tables, track: ['t'] });
  if (!(await hasColumnLists(of.source))) return;
  await of.poll();
  await alter(of, `ADD TABLE t_0 ${restriction}`);
  await runAll(of, 'UPDATE t SET n = 0');
  await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'needs_rebaseline' });
  await rebaseline({ ...urls(of), table: T });
  await runAll(of, 'UPDATE t SET n = 3');
  await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
  await sameAsLive(of);
});

test('a publication that is gone: the node begins again', async () => {
  await using of = await node();
  await of.source.query(`DROP PUBLICATION ${of.publication}`);
  await expect(rebaseline({ ...urls(of), table: T })).rejects.toMatchObject({ code: 'PUBLICATION_MISSING' });
  await rebaselineNode({ ...urls(of), version: 'test' });
  expect(await isWhole(of)).toBe(true);
  await runAll(of, 'UPDATE t SET n = 9');
  await of.poll();
  await sameAsLive(of);
});

test('an entry that somebody else has replaced is not changed', async () => {
  await using of = await node();
  const entry = async () => (await readTableFacts(of.source, [T], of.publication))[0]!.published!.entry!;
  const before = await entry();
  await alter(of, 'DROP TABLE t');
  await alter(of, 'ADD TABLE t');
  const after = await entry();
  expect(await replaceInPublication(of.source, of.publication, T, null, before)).toBeNull();
  expect(await entry()).toBe(after);
});

test('a table that another session has locked cannot be untracked, and nothing waits for it', async () => {
  await using of = await node();
  const other = await of.connect('source');
  await other.query('BEGIN; LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE');
  const asked = untrack({ ...urls(of), table: T, purge: false });
  await expect(asked).rejects.toMatchObject({ code: 'TABLE_CHANGING' });
  expect(await relation(of)).toMatchObject({ status: 'active' });
  await other.query('ROLLBACK');
  await untrack({ ...urls(of), table: T, purge: false });
  expect(await relation(of)).toMatchObject({ status: 'untracked' });
});

test('an untracked table stays untracked, whatever a run under way detects or finishes', async () => {
  await using of = await node();
  await untrack({ ...urls(of), table: T, purge: false });
  const { rows } = await of.store.query<{ id: number }>(
    `SELECT relation_id AS id FROM pgtimewarp.tracked_relations WHERE table_name = 't'`,
  );
  const relationId = rows[0]!.id;
  await inTransaction(of.store, async (tx) => {
    const at = await lockHorizon(tx, of.node);
    expect(await openRelationGap(tx, at, relationId, 'found')).toBe(false);
    expect(
      await finishRepairStep(tx, at as Claim, { relationId, name: T, repair: {} as never, limit: 10 }),
    ).toBe(true);
  });
  const { rowCount } = await of.store.query(
    `SELECT FROM pgtimewarp.health_events WHERE code = 'RELATION_REPAIRED'`,
  );
  expect(rowCount).toBe(0);
  expect(await relation(of)).toMatchObject({ status: 'untracked' });
});

test('removed again during its repair: the repair starts again and publishes the table', async () => {
  await using of = await node();
  await alter(of, 'DROP TABLE t');
  await of.poll();
  await askRebaseline(of);
  await of.poll();
  await alter(of, 'DROP TABLE t');
  await runAll(of, 'UPDATE t SET n = 0 WHERE id = 2');
  for (let runs = 0; runs < 5; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
  await sameAsLive(of);
});

test('removed during the run that would end its gap', async () => {
  await using of = await node();
  await alter(of, 'DROP TABLE t');
  await of.poll();
  await askRebaseline(of);
  const phase = async () => (JSON.parse((await relation(of)).repair!) as { phase: string }).phase;
  for (let runs = 0; runs < 4 && (await phase()) !== 'done'; runs++) await of.poll();
  expect(await phase()).toBe('done');
  await runMeanwhile(of, 'AS upto', async () => {
    await alter(of, 'DROP TABLE t');
    await runAll(of, 'UPDATE t SET n = 0 WHERE id = 2');
  });
  expect((await relation(of)).status).toBe('needs_rebaseline');
  for (let runs = 0; runs < 4; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
  await sameAsLive(of);
});

test('an untracked table is not published', async () => {
  await using of = await node();
  await untrack({ ...urls(of), table: T, purge: false });
  const [facts] = await readTableFacts(of.source, [T], of.publication);
  expect(facts!.published!.entry).toBeNull();
  await of.poll();
  expect((await of.store.query('SELECT FROM pgtimewarp.history_gaps')).rowCount).toBe(0);
});

test('a table that is partly published when it is tracked is published whole', async () => {
  await using of = await trackedNode({ plugin: 'pgoutput', tables: TABLES, track: ['other'] });
  if (!(await hasColumnLists(of.source))) return;
  await alter(of, 'ADD TABLE t (id) WHERE (n > 3)');
  await of.track('t');
  expect(await isWhole(of)).toBe(true);
});

test('two commands publish it at the same time', async () => {
  await using of = await node();
  await alter(of, 'DROP TABLE t');
  const [facts] = await readTableFacts(of.source, [T], of.publication);
  for (let times = 0; times < 2; times++) await ensurePublished(of.source, of.publication, facts!, []);
  expect(await isWhole(of)).toBe(true);
});

test('a node that begins again publishes all its tables, and has no gap from before', async () => {
  await using of = await node();
  await alter(of, 'DROP TABLE t');
  await of.poll();
  await rebaselineNode({ ...urls(of), version: 'test' });
  expect(await isWhole(of)).toBe(true);
  await runAll(of, 'UPDATE t SET n = 9');
  for (let runs = 0; runs < 2; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active' });
  await sameAsLive(of);
});

test('column lists that runs keep cause no gap; changes of them by others do', async () => {
  await using of = await trackedNode({ plugin: 'pgoutput', tables: TABLES });
  if (!(await hasColumnLists(of.source))) return;
  await of.track('t', { exclude: ['v'] });
  await runAll(of, 'ALTER TABLE t ADD extra int');
  for (let runs = 0; runs < 3; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active' });
  const [facts] = await readTableFacts(of.source, [T], of.publication);
  expect(facts!.published!.columns).toEqual(['id', 'n', 'extra']);
  expect((await of.store.query('SELECT FROM pgtimewarp.history_gaps')).rowCount).toBe(0);
  await runAll(of, 'ALTER TABLE t ADD more int');
  await alter(of, 'DROP TABLE t');
  await runAll(of, 'UPDATE t SET n = 0 WHERE id = 2');
  await alter(of, 'ADD TABLE t (id, n)');
  await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'needs_rebaseline' });
  for (let runs = 0; runs < 4; runs++) await of.poll();
  expect(await relation(of)).toMatchObject({ status: 'active', repair: null });
  expect((await at(of, '2', null)).row).toEqual({ id: 2, n: 0, extra: null, more: null });
});

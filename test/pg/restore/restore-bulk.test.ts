/** Rows that a TRUNCATE removed come back in bulk: the same rows, conflicts and refusals as otherwise. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, type Queryable } from '../../../core/pg/connection.ts';
import { parseTableName } from '../../../core/pg/identifiers.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { applyRestore } from '../../../core/restore/apply-restore.ts';
import { planRestore } from '../../../core/restore/plan-restore.ts';
import { writtenScript } from '../../support/bulk-script.ts';
import { PLUGINS } from '../../support/plugins.ts';
import { restoreInBulk } from '../../support/restore-in-bulk.ts';
import { runByPsql } from '../../support/restore-plans.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
CREATE TYPE mood AS ENUM ('so so', 'it''s');
CREATE TABLE "Many %s" ("Id" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n numeric(12,2), t text, d text GENERATED ALWAYS AS (t || '!') STORED,
  j json, b jsonb, at timestamptz, o boolean, y bytea, m mood, r int4range, f float8);
CREATE TABLE a (id int PRIMARY KEY, other int, v text[]);
CREATE TABLE b (id serial PRIMARY KEY, other int REFERENCES a, v text);
ALTER TABLE a ADD FOREIGN KEY (other) REFERENCES b;
CREATE TABLE p (region text, id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE p_eu PARTITION OF p FOR VALUES IN ('eu');
CREATE TABLE p_us PARTITION OF p FOR VALUES IN ('us');
CREATE TABLE s (id int PRIMARY KEY, v int);
CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := NEW.v + 1; RETURN NEW; END $$;`;

const ROWS = `
INSERT INTO "Many %s" (n, t, j, b, at, o, y, m, r, f)
SELECT g * 1.10, CASE g % 4 WHEN 0 THEN NULL WHEN 1 THEN E'tab\\t"\\\\ \\n' ELSE '' END, ' {"a" :  1.0, "b": "x"} ', '[1, null]', '2026-01-01+00'::timestamptz + g * interval '1 s',
       g % 2 = 0, '\\x005c', CASE g % 2 WHEN 0 THEN 'so so' ELSE 'it''s' END::mood, int4range(g, g + 2), g / 3.0 FROM generate_series(1, 40) AS g;
INSERT INTO a SELECT g, NULL, ARRAY['x', NULL, 'a "b"'] FROM generate_series(1, 20) AS g;
INSERT INTO b (other, v) SELECT g, 'b' || g FROM generate_series(1, 20) AS g;
UPDATE a SET other = 21 - id;
INSERT INTO p SELECT (ARRAY['eu', 'us'])[1 + g % 2], g, 'v' FROM generate_series(1, 20) AS g;
INSERT INTO s SELECT g, g FROM generate_series(1, 20) AS g;`;

const TRACKED = ['"Many %s"', 'a', 'b', 'p', 's'];

describe.each(PLUGINS)('a restore in bulk (%s)', (plugin) => {
  let node: TrackedNode;
  beforeAll(async () => {
    node = await trackedNode({ plugin, tables: TABLES, track: TRACKED });
    await node.source.query('SET search_path = pg_catalog, public');
    await node.source.query(ROWS);
    await node.catchUp();
  });
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  async function rows(table: string): Promise<string[]> {
    const { rows: found } = await node.source.query<{ t: string }>(
      `SELECT t::text AS t FROM ${table} AS t ORDER BY 1`,
    );
    return found.map(({ t }) => t);
  }

  async function now(): Promise<string> {
    const { rows: found } = await node.source.query<{ lsn: string }>(
      'SELECT pg_current_wal_insert_lsn()::text AS lsn',
    );
    await node.catchUp();
    return found[0]!.lsn;
  }

  /** @returns the commit of the statements */
  async function commit(...statements: string[]): Promise<string> {
    await node.source.query('BEGIN');
    const { rows: found } = await node.source.query<{ xid: string }>(
      'SELECT pg_current_xact_id()::text AS xid',
    );
    for (const statement of statements) await node.source.query(statement);
    await node.source.query('COMMIT');
    await node.catchUp();
    const { rows: stored } = await node.store.query<{ lsn: string }>(
      'SELECT lsn::text AS lsn FROM pgtimewarp.lsn_time_map WHERE xid = $1::bigint',
      [found[0]!.xid],
    );
    return stored[0]!.lsn;
  }

  /** Undoes it by its script, as psql runs it; resolves to what psql says if it fails. */
  async function byScript(lsn: string, flags: { skipConflicts?: boolean } = {}): Promise<string | null> {
    const plan = await restoreInBulk(node, { transactions: [lsn] }, { ...flags, apply: false });
    expect(plan.bulk, 'in bulk').not.toBeNull();
    return await runByPsql(await writtenScript(node, plan.bulk!), node.sourceUrl).then(
      () => null,
      (error: { stderr: string }) => error.stderr,
    );
  }

  test('one table: exactly the rows, its sequence, and the undo of it', async () => {
    const before = await rows('"Many %s"');
    const lsn = await commit('TRUNCATE "Many %s" RESTART IDENTITY');
    await expect(restoreInBulk(node, { transactions: [lsn] }, { maxRows: 39 })).rejects.toMatchObject({
      code: 'BAD_FLAGS',
      message: 'More than 39 rows are concerned.',
    });
    const planned = await restoreInBulk(node, { transactions: [lsn] }, { apply: false });
    expect(planned).toMatchObject({
      sql: null,
      tables: [{ inserts: '40', updates: '0', deletes: '0' }],
      refused: [],
    });
    const steps: string[] = [];
    const report = (what: string): unknown => steps.push(what);
    const done = await restoreInBulk(node, { transactions: [lsn] }, { maxRows: 40, report });
    expect(steps, 'the straight way').toContain('copying rows');
    expect(steps).not.toContain('comparing the rows');
    expect(done).toMatchObject({ isApplied: true, tables: [{ inserts: '40' }], lsn: expect.any(String) });
    expect(await rows('"Many %s"')).toEqual(before);
    const next = await node.source.query<{ id: number }>(
      'INSERT INTO "Many %s" (t) VALUES (NULL) RETURNING "Id" AS id',
    );
    expect(next.rows).toEqual([{ id: 41 }]);
    await node.source.query('DELETE FROM "Many %s" WHERE "Id" = 41');
    await node.catchUp();
    await restoreInBulk(node, { transactions: [done.lsn!] });
    expect(await rows('"Many %s"')).toEqual([]);
    const reused = await restoreInBulk(node, { transactions: [lsn] });
    expect(reused.conflicts).toHaveLength(40);
    expect(new Set(reused.conflicts.map(({ reason }) => reason))).toEqual(new Set(['key_reused']));
    await restoreInBulk(node, { table: '"Many %s"', at: done.lsn! });
    expect(await rows('"Many %s"')).toEqual(before);
  });

  test('two tables that refer to each other, with arrays', async () => {
    const before = [await rows('a'), await rows('b')];
    const lsn = await commit('TRUNCATE a, b');
    const done = await restoreInBulk(node, { transactions: [lsn] });
    expect(done).toMatchObject({ isApplied: true, tables: [{ inserts: '20' }, { inserts: '20' }] });
    expect([await rows('a'), await rows('b')]).toEqual(before);
    const again = await commit('TRUNCATE a, b');
    expect(await byScript(again)).toBeNull();
    expect([await rows('a'), await rows('b')]).toEqual(before);
    await node.catchUp();
  });

  test('keys that exist now are conflicts, also for psql; the others come back', async () => {
    const before = await rows('s');
    const lsn = await commit('TRUNCATE s', 'INSERT INTO s VALUES (3, 33)');
    await node.source.query('INSERT INTO s VALUES (5, 55), (100, 100)');
    await node.catchUp();
    const refused = await restoreInBulk(node, { transactions: [lsn] });
    expect(refused).toMatchObject({ isApplied: false, conflicts: [{ pkText: '{"id":"5"}' }] });
    expect(await byScript(lsn)).toContain('1 rows are no longer what was left there');
    expect(await rows('s')).toEqual(['(100,100)', '(3,33)', '(5,55)']);
    const done = await restoreInBulk(node, { transactions: [lsn] }, { skipConflicts: true });
    expect(done).toMatchObject({ isApplied: true, tables: [{ inserts: '18', updates: '1', deletes: '0' }] });
    expect(await rows('s')).toEqual(
      [...before.filter((row) => row !== '(5,5)'), '(5,55)', '(100,100)'].sort(),
    );
    await commit('DELETE FROM s WHERE id = 100', 'UPDATE s SET v = 5 WHERE id = 5');
  });

  test('rows that no run has read are conflicts by value', async () => {
    const before = await rows('s');
    const lsn = await commit('TRUNCATE s');
    const plan = await restoreInBulk(node, { transactions: [lsn] }, { apply: false });
    await node.source.query('INSERT INTO s VALUES (7, 77)');
    const script = await writtenScript(node, plan.bulk!);
    await expect(runByPsql(script, node.sourceUrl)).rejects.toMatchObject({
      stderr: expect.stringMatching(/1 rows are no longer.*\n.*s \{"id":"7"\}: exists_now/),
    });
    await expect(restoreInBulk(node, { transactions: [lsn] })).resolves.toMatchObject({
      isApplied: false,
      conflicts: [{ pkText: '{"id":"7"}', foundText: expect.stringContaining('77') }],
    });
    expect(await rows('s')).toEqual(['(7,77)']);
    await node.source.query('DELETE FROM s');
    await node.catchUp();
    // the row was used again: a run has read it by now, so it is no row in bulk any more
    await expect(restoreInBulk(node, { transactions: [lsn] })).resolves.toMatchObject({
      conflicts: [{ pkText: '{"id":"7"}', reason: 'key_reused' }],
    });
    await restoreInBulk(node, { table: 's', at: beforeOf(lsn) });
    expect(await rows('s')).toEqual(before);
  });

  test('a trigger that makes other rows is a refusal, without triggers they come back', async () => {
    const before = await rows('s');
    const lsn = await commit('TRUNCATE s');
    await node.source.query(
      'CREATE TRIGGER other BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION public.other()',
    );
    await expect(restoreInBulk(node, { transactions: [lsn] })).rejects.toMatchObject({
      code: 'RESTORE_REFUSED',
      message: expect.stringContaining('not_exact'),
    });
    expect(await byScript(lsn)).toContain('not_exact');
    expect(await rows('s')).toEqual([]);
    await restoreInBulk(node, { transactions: [lsn] }, { noTriggers: true });
    expect(await rows('s')).toEqual(before);
    const { rows: triggers } = await node.source.query(
      `SELECT tgenabled FROM pg_trigger WHERE tgname = 'other'`,
    );
    expect(triggers).toEqual([{ tgenabled: 'O' }]);
    await node.source.query('DROP TRIGGER other ON s');
  });

  test('a partition; a table as of an instant, with rows that are changed and new', async () => {
    const before = await rows('p');
    const then = await now();
    await commit(`UPDATE p SET v = 'w' WHERE id = 2`, 'TRUNCATE p_eu', `UPDATE p SET v = 'w' WHERE id = 1`);
    await commit(`INSERT INTO p VALUES ('eu', 4, 'new'), ('eu', 400, 'new')`);
    expect(await rows('p')).toHaveLength(12);
    const plan = await restoreInBulk(node, { table: 'p', at: then }, { apply: false });
    expect(plan.bulk?.tables[0]?.removed?.count).toBe(8);
    const done = await restoreInBulk(node, { table: 'p', at: then });
    expect(done).toMatchObject({ isApplied: true, tables: [{ inserts: '9', updates: '2', deletes: '1' }] });
    expect(await rows('p')).toEqual(before);
  });

  test('a plan is of one position, whatever a run adds meanwhile', async () => {
    const then = await now();
    await commit('TRUNCATE p_eu');
    let isFirst = true;
    const query = async (...args: Parameters<typeof node.store.query>): Promise<unknown> => {
      const answer = await node.store.query(...args);
      if (!isFirst || !String(args[0]).includes('is_simple')) return answer;
      isFirst = false;
      await node.source.query('TRUNCATE p_us');
      await node.catchUp();
      return answer;
    };
    const plan = await planRestore(
      { store: { query } as unknown as Queryable, source: null },
      {
        node: node.node,
        undo: { kind: 'table', table: parseTableName('p'), at: parseInstant(then), rows: { kind: 'all' } },
        ...{ maxRows: 100, bulkFrom: 1, skipConflicts: false, noTriggers: false, lockTimeoutMs: 10_000 },
      },
    );
    expect(isFirst, 'a run').toBe(false);
    expect(plan.tables[0]?.removed?.count).toBe(10);
    // what came after the plan is undone by the next one
    await restoreInBulk(node, { table: 'p', at: then });
    expect(await rows('p')).toHaveLength(20);
  });

  test('an older transaction that is undone as well decides the rows', async () => {
    const before = await rows('s');
    const first = await commit('UPDATE s SET v = v + 1000 WHERE id < 5', 'DELETE FROM s WHERE id = 6');
    const second = await commit('TRUNCATE s');
    const done = await restoreInBulk(node, { transactions: [second, first] });
    expect(done).toMatchObject({ isApplied: true, tables: [{ inserts: '20' }] });
    expect(await rows('s')).toEqual(before);
  });

  test('a stop while the rows are copied leaves everything as it was', async () => {
    const before = await rows('s');
    await node.source.query(
      'CREATE TABLE public.parent (id int PRIMARY KEY); INSERT INTO public.parent SELECT generate_series(1, 20)',
    );
    await node.source.query('ALTER TABLE s ADD FOREIGN KEY (id) REFERENCES public.parent');
    const lsn = await commit('TRUNCATE s');
    const other = await connect(node.sourceUrl, { side: 'source', node: node.node });
    await other.query('BEGIN; SELECT p.id FROM public.parent AS p FOR UPDATE');
    const stop = new AbortController();
    const report = (what: string): void => {
      if (what === 'copying rows') setTimeout(() => stop.abort('SIGINT'), 500);
    };
    const stopped = restoreInBulk(node, { transactions: [lsn] }, { report, signal: stop.signal });
    await expect(stopped).rejects.toMatchObject({ code: 'RESTORE_STOPPED' });
    await other.query('ROLLBACK');
    await other.end();
    expect(await rows('s')).toEqual([]);
    await restoreInBulk(node, { transactions: [lsn] });
    expect(await rows('s')).toEqual(before);
  });

  test('a key that is used again after the plan stops it', async () => {
    const lsn = await commit('TRUNCATE s');
    const plan = await restoreInBulk(node, { transactions: [lsn] }, { apply: false });
    await commit('INSERT INTO s VALUES (9, 9)');
    await commit('DELETE FROM s');
    const session = await connect(node.sourceUrl, { side: 'source', node: node.node });
    await session.query(`SET search_path = 'pg_catalog', 'pg_temp'`);
    const applied = applyRestore(session, plan.bulk!, {
      store: node.store,
      openStore: () => connect(node.storeUrl, { side: 'store', node: node.node }),
      signal: new AbortController().signal,
      catchUp: () => node.catchUp(),
      recheck: async () => {},
      cancellable: (work) => work(),
    });
    await expect(applied).rejects.toMatchObject({
      code: 'RESTORE_BUSY',
      message: expect.stringContaining('["9"]'),
    });
    await session.end();
    expect(await rows('s')).toEqual([]);
  });
});

/** A position right before a commit. */
function beforeOf(lsn: string): string {
  const [high, low] = lsn.split('/') as [string, string];
  return `${high}/${(Number.parseInt(low, 16) - 1).toString(16).toUpperCase()}`;
}

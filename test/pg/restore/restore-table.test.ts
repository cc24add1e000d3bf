/** Rows of a table as they were at an instant, and what is refused or not known. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../../core/pg/connection.ts';
import { parseInstant } from '../../../core/query/instant.ts';
import { applyRestore } from '../../../core/restore/apply-restore.ts';
import { planRestore } from '../../../core/restore/plan-restore.ts';
import { planSource } from '../../../core/restore/plan-source.ts';
import { runCommand } from '../../support/command.ts';
import { PLUGINS } from '../../support/plugins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
  CREATE TABLE t (a int, b text, v text, updated int NOT NULL DEFAULT 0, PRIMARY KEY (a, b));
  CREATE TABLE u (id bigint PRIMARY KEY, v text);
  CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated := NEW.updated + 1; RETURN NEW; END $$;
  CREATE TRIGGER stamp BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION stamp();
  CREATE TRIGGER "always on" BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
  ALTER TABLE t ENABLE ALWAYS TRIGGER "always on"; ALTER TABLE t DISABLE TRIGGER "always on"; ALTER TABLE t ENABLE ALWAYS TRIGGER stamp`;

describe.each(PLUGINS)('restore of a table (%s)', (plugin) => {
  let node: TrackedNode;
  beforeAll(async () => {
    node = await trackedNode({ plugin, tables: TABLES, track: ['t', 'u'] });
  });
  afterAll(async () => {
    await node?.[Symbol.asyncDispose]();
  });

  async function rows(table: string): Promise<string[]> {
    const found = await node.source.query<{ t: string }>(`SELECT t::text AS t FROM ${table} AS t ORDER BY 1`);
    return found.rows.map(({ t }) => t);
  }

  async function now(): Promise<string> {
    const { rows: found } = await node.source.query<{ lsn: string }>(
      'SELECT pg_current_wal_insert_lsn()::text AS lsn',
    );
    await node.catchUp();
    return found[0]!.lsn;
  }

  async function restore(...args: string[]) {
    const { code, stdout } = await runCommand(['restore', ...args, '--json'], node);
    const { sql: _, ...answer } = JSON.parse(stdout);
    return { code, answer };
  }

  test('one row, rows with a value, all rows; others stay', async () => {
    const { source } = node;
    await source.query(`INSERT INTO u VALUES (9007199254740993, 'a'), (2, 'b'), (3, 'a'), (4, 'd')`);
    const then = await now();
    await source.query(
      `UPDATE u SET v = 'x'; DELETE FROM u WHERE id = 3; INSERT INTO u VALUES (5, 'a'), (6, 'new')`,
    );
    await node.catchUp();
    const planned = await restore('u', '--pk', '9007199254740993', '--at', then);
    expect(planned).toMatchObject({
      code: 0,
      answer: {
        applied: false,
        as_of: then,
        of: [],
        tables: [{ table: 'u', inserts: 0, updates: 1, deletes: 0 }],
      },
    });
    expect(await restore('u', '--pk', '{"id": 9007199254740993}', '--at', then, '--apply')).toMatchObject({
      code: 0,
      answer: { applied: true, lsn: expect.stringContaining('/') },
    });
    expect(await rows('u')).toEqual(['(2,x)', '(4,x)', '(5,a)', '(6,new)', '(9007199254740993,a)']);
    expect(await restore('u', '--where', 'v=a', '--at', then, '--apply')).toMatchObject({ code: 0 });
    expect(await rows('u')).toEqual(['(2,x)', '(3,a)', '(4,x)', '(6,new)', '(9007199254740993,a)']);
    const all = await restore('u', '--all', '--at', then, '--apply');
    expect(all).toMatchObject({ code: 0, answer: { tables: [{ inserts: 0, updates: 2, deletes: 1 }] } });
    expect(await rows('u')).toEqual(['(2,b)', '(3,a)', '(4,d)', '(9007199254740993,a)']);
    expect(await restore('u', '--all', '--at', then)).toMatchObject({ code: 0, answer: { tables: [] } });
    expect(await restore('--transaction', all.answer.lsn, '--apply')).toMatchObject({ code: 0 });
    expect(await rows('u')).toEqual(['(2,x)', '(3,a)', '(4,x)', '(6,new)', '(9007199254740993,a)']);
  });

  test('a trigger that sets a column is a refusal; without triggers the row is exact, and they are as before', async () => {
    const { source } = node;
    await source.query(`INSERT INTO t VALUES (1, 'x', 'good'), (2, 'y', 'good')`);
    const then = await now();
    await source.query(`UPDATE t SET v = 'bad'`);
    const enabled = async () =>
      (await source.query(`SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1`)).rows;
    const before = await enabled();
    const args = ['t', '--pk', 'a=1', '--pk', 'b=x', '--at', then, '--apply'];
    await expect(restore(...args)).rejects.toMatchObject({
      code: 'RESTORE_REFUSED',
      message: expect.stringMatching(/not_exact.*--no-triggers/s),
    });
    expect(await rows('t')).toEqual(['(1,x,bad,1)', '(2,y,bad,1)']);
    const { code, answer } = await restore(...args, '--no-triggers');
    expect({ code, notes: answer.notes }).toMatchObject({
      code: 0,
      notes: expect.arrayContaining(['public.t: triggers will not fire: stamp']),
    });
    expect(await rows('t')).toEqual(['(1,x,good,0)', '(2,y,bad,1)']);
    expect(await enabled()).toEqual(before);
    await source.query(
      `CREATE ROLE ${node.node}_r LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO ${node.node}_r`,
    );
    const url = new URL(node.sourceUrl);
    url.username = `${node.node}_r`;
    const result = runCommand(['restore', 't', '--all', '--at', then, '--apply', '--no-triggers'], {
      ...node,
      sourceUrl: url.href,
    });
    await expect(result).rejects.toMatchObject({ message: expect.stringMatching(/owner|password/) });
    await source.query(`DROP OWNED BY ${node.node}_r; DROP ROLE ${node.node}_r`);
    expect(await rows('t')).toEqual(['(1,x,good,0)', '(2,y,bad,1)']);
  });

  test('rows that nobody has read yet are found before anything is written', async () => {
    const { source } = node;
    await source.query(`TRUNCATE u; INSERT INTO u VALUES (1, 'a')`);
    const then = await now();
    await source.query(`UPDATE u SET v = 'x'`);
    await node.catchUp();
    const planned = await restore('u', '--all', '--at', then);
    expect(planned.answer.notes.join()).toContain('known up to');
    await source.query(`UPDATE u SET v = 'later'`);
    // the plan is of before this change, and the row is compared by value
    expect(await restore('u', '--all', '--at', then)).toMatchObject({
      code: 1,
      answer: { conflicts: [{ reason: 'changed_since' }] },
    });
    expect(await restore('u', '--all', '--at', then, '--apply')).toMatchObject({ code: 0 });
    expect(await rows('u')).toEqual(['(1,a)']);
  });

  test('a row that is new since the plan stops the restore, although it is not in the plan', async () => {
    await node.source.query(`TRUNCATE u; INSERT INTO u VALUES (1, 'a')`);
    const at = parseInstant(await now());
    await node.source.query(`UPDATE u SET v = 'x'`);
    await node.catchUp();
    await using source = new AsyncDisposableStack();
    const session = await connect(node.sourceUrl, { side: 'source', node: node.node });
    source.defer(() => session.end());
    await session.query(`SET search_path = 'pg_catalog', 'pg_temp'`);
    const undo = {
      kind: 'table',
      table: { schema: 'public', name: 'u' },
      at,
      rows: { kind: 'all' },
    } as const;
    const plan = await planRestore(
      { store: node.store, source: planSource(session) },
      { node: node.node, undo, maxRows: 10, skipConflicts: false, noTriggers: false, lockTimeoutMs: 1_000 },
    );
    await node.source.query(`INSERT INTO u VALUES (2, 'new')`);
    const applied = applyRestore(session, plan.script!, {
      store: node.store,
      signal: new AbortController().signal,
      catchUp: () => node.catchUp(),
      openStore: () => connect(node.storeUrl, { side: 'store', node: node.node }),
      recheck: plan.recheck,
      cancellable: (work) => work(),
    });
    await expect(applied).rejects.toMatchObject({
      code: 'RESTORE_BUSY',
      message: expect.stringContaining('{"id":"2"}'),
    });
    expect(await rows('u')).toEqual(['(1,x)', '(2,new)']);
  });

  test('wrong requests, and what is not known', async () => {
    const at = await now();
    for (const args of [
      ['u'],
      ['u', '--at', at],
      ['u', '--all'],
      ['u', '--all', '--pk', '1', '--at', at],
      ['u', '--all', '--at', at, '--transaction', at],
      ['--all', '--at', at],
      [],
      ['u', '--where', 'nosuch=1', '--at', at],
    ])
      await expect(restore(...args), args.join(' ')).rejects.toMatchObject({ code: 'BAD_FLAGS' });
    await expect(restore('t', '--pk', '1', '--at', at)).rejects.toMatchObject({ code: 'BAD_KEY' });
    await expect(restore('t', '--pk', '{"a": 1, "c": 2}', '--at', at)).rejects.toMatchObject({
      code: 'BAD_KEY',
    });
    await expect(restore('u', '--all', '--at', 'FFFF/0')).rejects.toMatchObject({ code: 'ROWS_UNKNOWN' });
    await expect(restore('u', '--all', '--at', '2020-01-01T00:00:00Z')).rejects.toMatchObject({
      code: 'ROWS_UNKNOWN',
    });
    await node.source.query(`INSERT INTO u SELECT g, 'm' FROM generate_series(100, 120) AS g`);
    await node.catchUp();
    await expect(restore('u', '--all', '--at', at, '--max-rows', '20')).rejects.toMatchObject({
      code: 'BAD_FLAGS',
    });
  });
});

/** Plans from the store alone: the script, run by psql, restores or refuses exactly as `restore --apply` does. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand } from '../../support/command.ts';
import { PLUGINS } from '../../support/plugins.ts';
import { asRole, type RestorePlans, restorePlans, runByPsql } from '../../support/restore-plans.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const TABLES = `
CREATE TABLE customers (id int PRIMARY KEY, name text, best_order int, note text);
CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int NOT NULL REFERENCES customers ON DELETE CASCADE,
  total numeric(12,2), doubled numeric GENERATED ALWAYS AS (total * 2) STORED, parent int REFERENCES orders, code text UNIQUE);
ALTER TABLE customers ADD FOREIGN KEY (best_order) REFERENCES orders ON DELETE SET NULL;
CREATE TABLE "Odd ""Name" ("K $restore$" text, "K2" timestamptz, v jsonb, f float8, b bytea, o boolean, PRIMARY KEY ("K $restore$", "K2"));
CREATE TABLE parts (region text, id int, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us');
CREATE TABLE plain (id serial PRIMARY KEY, v int, w text);
CREATE TABLE stamped (id int PRIMARY KEY, v int, stamp int DEFAULT 0);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.stamp := OLD.stamp + 1; RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE stamped ENABLE ALWAYS TRIGGER stamp;`;

const ROWS = `
INSERT INTO customers VALUES (1, 'ann', NULL, ''), (2, 'bob', NULL, NULL), (3, 'cy', NULL, 'x');
INSERT INTO orders (customer, total, parent, code) VALUES (1, 10, NULL, 'a'), (1, 1.10, 1, 'b'), (2, 7, 2, 'c');
UPDATE customers SET best_order = 2 WHERE id = 1;
INSERT INTO "Odd ""Name" VALUES ('it''s \\ :x', '2026-01-01 00:00:00.000001+00', '{"a": [1, 9007199254740993]}', 1e300, '\\x00ff', true), ('', '2026-01-01+00', NULL, 0.5, NULL, NULL);
INSERT INTO parts VALUES ('eu', 1, 'a'), ('us', 1, 'b');
INSERT INTO plain (v, w) VALUES (1, 'one'), (2, 'two'), (3, 'three');
INSERT INTO stamped VALUES (1, 1), (2, 2);`;

const TRACKED = ['customers', 'orders', '"Odd ""Name"', 'parts', 'plain', 'stamped'];

describe.each(PLUGINS)('a plan of a restore over HTTP (%s)', (plugin) => {
  let node: TrackedNode;
  let plans: RestorePlans;
  beforeAll(async () => {
    node = await trackedNode({ plugin, tables: TABLES, track: TRACKED });
    await node.source.query(ROWS);
    plans = await restorePlans(node);
  });
  afterAll(async () => {
    await plans?.[Symbol.asyncDispose]();
    await node?.[Symbol.asyncDispose]();
  });

  async function state(): Promise<string> {
    const texts: string[] = [];
    for (const table of TRACKED) {
      const { rows } = await node.source.query<{ t: string }>(
        `SELECT t::text AS t FROM ${table} AS t ORDER BY t::text COLLATE "C"`,
      );
      texts.push(`${table}:`, ...rows.map(({ t }) => t));
    }
    return texts.join('\n');
  }

  async function transaction(sql: string): Promise<string> {
    await node.source.query('BEGIN');
    const { rows } = await node.source.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
    await node.source.query(sql);
    await node.source.query('COMMIT');
    await node.catchUp();
    const { stdout } = await runCommand(['transaction', rows[0]!.xid, '--json'], node);
    return (JSON.parse(stdout) as { lsn: string }).lsn;
  }

  const psql = (sql: string): Promise<void> => runByPsql(sql, node.sourceUrl);

  /** The script refuses for this reason, and so does the command. Nothing changes. */
  async function expectRefusal(sql: string, args: readonly string[], reason: string): Promise<void> {
    const before = await state();
    await expect(psql(sql)).rejects.toMatchObject({ stderr: expect.stringContaining(reason) });
    const applied = await runCommand(['restore', ...args, '--apply', '--json'], node).then(
      ({ code, stdout }) => ({ code, said: stdout }),
      (error: Error) => ({ code: 1, said: error.message }),
    );
    expect(applied).toEqual({ code: 1, said: expect.stringContaining(reason) });
    expect(await state()).toBe(before);
  }

  test.each([
    ['an update', `UPDATE customers SET name = name || '!', note = NULL`],
    [
      'a delete with a cascade, through a cycle, a self reference and an identity',
      'UPDATE orders SET parent = NULL WHERE id = 3; DELETE FROM customers WHERE id = 1',
    ],
    ['rows with generated columns and identity', `DELETE FROM orders WHERE id = 3`],
    [
      'types and quoted names',
      `UPDATE "Odd ""Name" SET v = '"x"', f = 0.1, b = '\\x01', o = false WHERE "K $restore$" <> ''; DELETE FROM "Odd ""Name" WHERE "K $restore$" = ''`,
    ],
    ['partitions', `UPDATE parts SET v = 'z'; DELETE FROM parts WHERE region = 'us'`],
    ['a truncate', 'TRUNCATE plain'],
    [
      'a unique value that another row takes',
      `UPDATE orders SET code = 'free' WHERE id = 2; INSERT INTO orders (customer, code) VALUES (2, 'b')`,
    ],
  ])('undoes %s, as the command does', async (_, sql) => {
    const before = await state();
    const lsn = await transaction(sql);
    const plan = await plans.plan({ transactions: [lsn] });
    expect(plan).toMatchObject({ source_asked: false, conflicts: [], refused: [] });
    expect(plan.notes.join()).toContain('The source was not asked');
    const { stdout } = await runCommand(['restore', '--transaction', lsn, '--json'], node);
    const ofCommand = JSON.parse(stdout);
    const bare = (script: string): string => script.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID');
    expect(bare(plan.sql)).toBe(bare(ofCommand.sql));
    expect(Object.keys(plan)).toEqual(Object.keys(ofCommand));
    expect(plan.tables).toEqual(ofCommand.tables);
    await psql(plan.sql);
    expect(await state()).toBe(before);
    await node.catchUp();
  });

  test('a sequence goes on after the highest restored value', async () => {
    const { rows } = await node.source.query<{ id: number }>(`INSERT INTO plain (v) VALUES (9) RETURNING id`);
    const lsn = await transaction('DELETE FROM plain WHERE v = 9');
    await node.source.query('ALTER SEQUENCE plain_id_seq RESTART');
    await psql((await plans.plan({ transactions: [lsn] })).sql);
    const next = await node.source.query<{ id: string }>(`SELECT nextval('plain_id_seq')::text AS id`);
    expect(next.rows[0]!.id).toBe(`${rows[0]!.id + 1}`);
    await node.catchUp();
  });

  test('one row, rows with values, a table, and what somebody did', async () => {
    const { rows: now } = await node.source.query<{ lsn: string }>(
      'SELECT pg_current_wal_insert_lsn()::text AS lsn',
    );
    const at = now[0]!.lsn;
    const ids = async (): Promise<string> =>
      (
        await node.source.query<{ t: string }>(
          `SELECT string_agg(v || ' ' || w, ', ' ORDER BY v) AS t FROM plain`,
        )
      ).rows[0]!.t;
    const before = await ids();
    await node.source.query(
      `SELECT pg_logical_emit_message(true, 'pgtimewarp', '{"user": "ann"}'); UPDATE plain SET w = 'x'`,
    );
    await node.catchUp();
    const past = { table: 'public.plain', at };
    const [{ id }] = (await node.source.query<{ id: number }>('SELECT id FROM plain WHERE v = 1')).rows as [
      { id: number },
    ];
    await psql((await plans.plan({ ...past, pk: id })).sql);
    expect(await ids()).toBe('1 one, 2 x, 3 x, 9 x');
    await node.catchUp();
    await psql((await plans.plan({ ...past, where: { v: '2' } })).sql);
    expect(await ids()).toContain('2 two, 3 x');
    await node.catchUp();
    await psql((await plans.plan({ ...past, all: true })).sql);
    expect(await ids()).toBe(before);
    await node.catchUp();
    expect((await plans.plan({ by: { user: 'ann' }, from: at })).conflicts.length).toBeGreaterThan(0);
  });

  test('a later change is a conflict in the plan, and stops the script', async () => {
    const lsn = await transaction(`UPDATE customers SET name = 'wrong', note = 'n'`);
    const args = ['--transaction', lsn];
    await transaction(`UPDATE customers SET name = 'right' WHERE id = 2`);
    const plan = await plans.plan({ transactions: [lsn] });
    expect(plan.conflicts).toEqual([
      {
        ...{ schema: 'public', table: 'customers', pk: { id: '2' }, reason: 'changed_since' },
        expected: { id: '2', name: 'wrong', note: 'n' },
        found: { id: '2', name: 'right', note: 'n' },
      },
    ]);
    const ofCommand = JSON.parse((await runCommand(['restore', ...args, '--json'], node)).stdout);
    expect(plan.conflicts).toEqual(ofCommand.conflicts);
    await expectRefusal(plan.sql, args, 'changed_since');
    // one that no run has read is not in the plan, but stops the script all the same
    await node.source.query(`UPDATE customers SET name = 'also right' WHERE id = 3`);
    expect((await plans.plan({ transactions: [lsn] })).conflicts).toHaveLength(1);
    await psql((await plans.plan({ transactions: [lsn], skip_conflicts: true })).sql);
    const { rows } = await node.source.query('SELECT id, name FROM customers ORDER BY id');
    expect(rows).toEqual([
      { id: 1, name: 'ann' },
      { id: 2, name: 'right' },
      { id: 3, name: 'also right' },
    ]);
    await node.catchUp();
  });

  test('conflicts of a boolean, a document and a row that is gone are as the source shows them', async () => {
    const lsn = await transaction(`UPDATE "Odd ""Name" SET o = true, v = '[1]', f = 2`);
    await transaction(
      `UPDATE "Odd ""Name" SET o = false, v = '{"b": 1.50}' WHERE "K $restore$" <> ''; DELETE FROM "Odd ""Name" WHERE "K $restore$" = ''`,
    );
    const plan = await plans.plan({ transactions: [lsn] });
    const { stdout } = await runCommand(['restore', '--transaction', lsn, '--json'], node);
    expect(plan.conflicts).toEqual(JSON.parse(stdout).conflicts);
    expect(plan.conflicts).toHaveLength(2);
  });

  test('a trigger that sets a column is a refusal; without triggers the rows are exact', async () => {
    const before = await state();
    const lsn = await transaction('UPDATE stamped SET v = v + 100');
    const args = ['--transaction', lsn];
    await expectRefusal((await plans.plan({ transactions: [lsn] })).sql, args, 'not_exact');
    await psql((await plans.plan({ transactions: [lsn], no_triggers: true })).sql);
    expect(await state()).toBe(before);
    const { rows } = await node.source.query<{ e: string }>(
      `SELECT tgenabled::text AS e FROM pg_trigger WHERE tgname = 'stamp'`,
    );
    expect(rows).toEqual([{ e: 'A' }]);
    await node.catchUp();
  });

  test('what only the source knows refuses there, as the command refuses', async () => {
    const lsn = await transaction('UPDATE plain SET v = v + 1; UPDATE parts SET v = v || 1');
    const args = ['--transaction', lsn];
    for (const [change, back, reason] of [
      ['CREATE RULE r AS ON UPDATE TO plain DO ALSO NOTHING', 'DROP RULE r ON plain', 'rules'],
      ['CREATE TABLE public.child () INHERITS (plain)', 'DROP TABLE child', 'inheritance'],
      [
        'ALTER TABLE plain ALTER v ADD GENERATED ALWAYS AS IDENTITY',
        'ALTER TABLE plain ALTER v DROP IDENTITY',
        'identity_always',
      ],
    ] as const) {
      const { sql } = await plans.plan({ transactions: [lsn] });
      const isIdentity = reason === 'identity_always';
      if (isIdentity) await node.source.query('ALTER TABLE plain ALTER v SET NOT NULL');
      await node.source.query(change);
      await expectRefusal(sql, args, reason);
      await node.source.query(back);
      if (isIdentity) await node.source.query('ALTER TABLE plain ALTER v DROP NOT NULL');
    }
  });

  test('a login without rights, and one whose rows are filtered, are refused by the script', async () => {
    const lsn = await transaction('UPDATE plain SET v = v + 1');
    const { sql } = await plans.plan({ transactions: [lsn] });
    const role = `writer_${node.node}`;
    await node.source.query(`CREATE ROLE ${role} LOGIN PASSWORD 'writer'`);
    try {
      const url = asRole(node.sourceUrl, role, 'writer');
      await expect(runByPsql(sql, url)).rejects.toMatchObject({
        stderr: expect.stringContaining('missing_rights: "public"."plain"'),
      });
      // the plan has its script all the same
      const planned = await runCommand(['restore', '--transaction', lsn, '--json'], {
        ...node,
        sourceUrl: url,
      });
      expect(planned.code).toBe(1);
      expect(JSON.parse(planned.stdout)).toMatchObject({
        refused: [
          { table: 'plain', reason: 'missing_rights', message: expect.stringContaining('Name a login') },
        ],
        sql: expect.stringContaining('COMMIT'),
      });
      await node.source.query(`GRANT ALL ON plain TO ${role}; ALTER TABLE plain ENABLE ROW LEVEL SECURITY;
        CREATE POLICY few ON plain USING (v < 3)`);
      await expect(runByPsql(sql, url)).rejects.toMatchObject({
        stderr: expect.stringContaining('row_security'),
      });
      await node.source.query(`DROP POLICY few ON plain; ALTER TABLE plain DISABLE ROW LEVEL SECURITY`);
      await runByPsql(sql, url); // and now it may
    } finally {
      await node.source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
    await node.catchUp();
  });

  test('without a source the command makes the same plan', async () => {
    const lsn = await transaction('UPDATE plain SET v = v + 1');
    const { code, stdout } = await runCommand(['restore', '--transaction', lsn, '--json'], {
      ...node,
      sourceUrl: '',
    });
    const planned = JSON.parse(stdout);
    expect({ code, asked: planned.source_asked }).toEqual({ code: 0, asked: false });
    await psql(planned.sql);
    await expect(
      runCommand(['restore', '--transaction', lsn, '--apply'], { ...node, sourceUrl: '' }),
    ).rejects.toThrow('--source is missing');
    await node.catchUp();
  });

  test('columns that changed since the last run stop the script; after a run there is a plan without them', async () => {
    const lsn = await transaction(`UPDATE plain SET v = v + 1, w = 'lost'`);
    const { sql } = await plans.plan({ transactions: [lsn] });
    const kept = (await node.source.query('SELECT id, v - 1 AS v FROM plain ORDER BY id')).rows;
    await node.source.query('ALTER TABLE plain DROP w');
    await expect(psql(sql)).rejects.toMatchObject({ stderr: expect.stringContaining('table_changed') });
    await node.catchUp();
    const plan = await plans.plan({ transactions: [lsn] });
    expect(plan.notes[0]).toBe('public.plain: columns that were removed since are left out: w');
    await psql(plan.sql);
    expect((await node.source.query('SELECT id, v FROM plain ORDER BY id')).rows).toEqual(kept);
    await node.catchUp();
  });

  test('a script for another database changes nothing', async () => {
    const lsn = await transaction('UPDATE plain SET v = v + 1');
    const { sql } = await plans.plan({ transactions: [lsn] });
    await expect(runByPsql(sql, node.storeUrl)).rejects.toMatchObject({
      stderr: expect.stringContaining('other_database'),
    });
  });

  test('who may not read every table that the plan touches gets no plan', async () => {
    const both = await transaction('UPDATE plain SET v = v + 1; UPDATE parts SET v = v || 1');
    const other = await transaction('UPDATE parts SET v = v || 1');
    const claim = `${node.node}/public.plain`;
    const status = async (body: unknown, who?: string) => {
      const { status: seen, document } = await plans.ask(body, who);
      return [seen, document.type ?? null];
    };
    expect(await status({ transactions: [both] }, claim)).toEqual([403, 'urn:pgtimewarp:forbidden']);
    const unknown = [409, 'urn:pgtimewarp:error:ROWS_UNKNOWN'];
    expect(await status({ transactions: [other] }, claim)).toEqual(unknown);
    expect(await status({ transactions: ['0/1'] }, claim)).toEqual(unknown);
    const past = { at: both };
    expect(await status({ ...past, table: 'public.parts', all: true }, claim)).toEqual([
      403,
      'urn:pgtimewarp:forbidden',
    ]);
    expect(await status({ ...past, table: 'public.plain', all: true }, claim)).toEqual([200, null]);
    expect(await status({ transactions: [both] }, 'nothing')).toEqual([403, 'urn:pgtimewarp:forbidden']);
    const all = `${claim} ${node.node}/public.parts`;
    expect(await status({ transactions: [both], cascade: true }, all)).toEqual([
      403,
      'urn:pgtimewarp:forbidden',
    ]);
    expect(await status({ transactions: [both], cascade: true }, node.node)).toEqual([200, null]);
    for (const who of [all, node.node, '*'])
      expect(await status({ transactions: [both] }, who)).toEqual([200, null]);
  });
});

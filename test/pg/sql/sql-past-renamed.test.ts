/**
 * Rows of a whole table under the present names of its columns are those that with_names() says of each row, which takes a hundred times as
 * long. Random renames, swaps, new and dropped columns between random changes; SQL_RENAMED_SEED repeats a run.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { random } from '../../support/retention-twins.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

const SEED = Number.parseInt(process.env.SQL_RENAMED_SEED ?? `${Math.floor(Math.random() * 2 ** 31)}`, 10);
const KEYS = 40;
const STEPS = 24;

/** As past_rows() answers, and as with_names() does about the version of each key; rows that lack a value are left out. */
const ANSWERED = `
  SELECT r.pk, r.row_data::text AS row FROM pgtimewarp.position_at($1, 'public', 't', NULL, $2) AS p
   CROSS JOIN LATERAL pgtimewarp.past_rows(p.*::pgtimewarp.history_position, $3, false) AS r
   WHERE r.pk IS NOT NULL ORDER BY r.pk`;
const EACH = `
  SELECT v.pk, n.row_data::text AS row FROM pgtimewarp.position_at($1, 'public', 't', NULL, $2) AS p
   CROSS JOIN LATERAL pgtimewarp.rows_at((p.period).relation_id, p.lsn) AS v
   CROSS JOIN LATERAL pgtimewarp.past_named(p.period, ($3::jsonb ->> 'relid')::oid, $3::jsonb -> 'columns', v.pk, v.row_data, v.incomplete,
              v.valid_from_lsn, v.valid_from_ts) AS n
   WHERE v.is_there AND NOT n.incomplete && ARRAY(SELECT w.value FROM jsonb_each_text($3::jsonb -> 'columns') AS w) ORDER BY v.pk`;

describe('rows of a table whose columns were renamed', () => {
  let node: TrackedNode;
  const positions: string[] = [];

  beforeAll(async () => {
    node = await trackedNode({
      plugin: 'pgoutput',
      tables: `CREATE TABLE t (id int PRIMARY KEY, a text, b text, c text);
               INSERT INTO t SELECT g, 'a' || g, 'b' || g, 'c' || g FROM generate_series(1, ${KEYS}) AS g`,
      track: ['t'],
    });
    const pick = random(SEED);
    for (let step = 0; step < STEPS; step++) {
      await change(pick, step);
      if (pick(3) > 0) await node.catchUp();
      const { rows } = await node.source.query<{ lsn: string }>(
        'SELECT pg_current_wal_insert_lsn()::text AS lsn',
      );
      positions.push(rows[0]!.lsn);
    }
    await node.catchUp();
  }, 120_000);

  afterAll(() => node?.[Symbol.asyncDispose]());

  async function change(pick: (below: number) => number, step: number): Promise<void> {
    const { rows } = await node.source.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'id'`,
    );
    const names = rows.map(({ name }) => `"${name}"`);
    const one = names[pick(names.length)]!;
    const other = names[pick(names.length)]!;
    const ddl = [
      `ALTER TABLE t RENAME ${one} TO "n${step}"`,
      `ALTER TABLE t ADD COLUMN "${['a', 'b', 'c'][pick(3)]}" text`,
      `ALTER TABLE t ADD COLUMN "n${step}" text DEFAULT 'd'`,
      names.length > 2 ? `ALTER TABLE t DROP COLUMN ${one}` : 'SELECT',
      one === other
        ? 'SELECT'
        : `ALTER TABLE t RENAME ${one} TO x; ALTER TABLE t RENAME ${other} TO ${one}; ALTER TABLE t RENAME x TO ${other}`,
    ][pick(5)]!;
    if (pick(2) === 0) await node.source.query(ddl).catch(() => {}); // a name that is taken
    const { rows: now } = await node.source.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> 'id'`,
    );
    const column = `"${now[pick(now.length)]!.name}"`;
    const values = [`'s${step}'`, 'NULL', `E'\\x01\\\\ "s"'`];
    await node.source.query(
      `UPDATE t SET ${column} = ${values[pick(3)]} WHERE id % ${1 + pick(7)} = 0; DELETE FROM t WHERE id = ${1 + pick(KEYS)};
       INSERT INTO t (id, ${column}) VALUES (${1 + pick(KEYS)}, 'i${step}') ON CONFLICT DO NOTHING`,
    );
  }

  test(`are those that each row has by itself (seed ${SEED})`, async () => {
    const { rows: facts } = await node.source.query<{ relid: string; columns: string }>(
      `SELECT 't'::regclass::oid::text AS relid, json_object_agg(attnum, attname)::text AS columns
         FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped`,
    );
    // a row keeps members of removed columns, which the source does not look at
    const present = new Set(Object.values(JSON.parse(facts[0]!.columns) as Record<string, string>));
    const ofColumns = ({ pk, row }: { pk: string; row: string }): object => ({
      pk,
      values: Object.fromEntries(
        Object.entries(JSON.parse(row) as object).filter(([name]) => present.has(name)),
      ),
    });
    const question = `{"relid": "${facts[0]!.relid}", "skip": true, "columns": ${facts[0]!.columns}}`;
    let named = 0;
    for (const lsn of positions) {
      const { rows: expected } = await node.store.query(EACH, [node.node, lsn, question]);
      const { rows: answered } = await node.store.query(ANSWERED, [node.node, lsn, question]);
      expect(answered.map(ofColumns), lsn).toEqual(expected.map(ofColumns));
      named += expected.length;
    }
    expect(named).toBeGreaterThan(STEPS);
  });

  test('ask with_names() once for each kind of row', async () => {
    const { source, store } = node;
    await source.query(
      'CREATE TABLE many (id int PRIMARY KEY, a text, b text); INSERT INTO many SELECT g FROM generate_series(1, 500) AS g',
    );
    await node.track('many');
    await node.catchUp();
    await source.query(
      `UPDATE many SET a = id::text WHERE id > 250; ALTER TABLE many RENAME a TO a2; UPDATE many SET b = 'b' WHERE id > 400`,
    );
    const { rows: facts } = await source.query<{ relid: string; lsn: string }>(
      `SELECT 'many'::regclass::oid::text AS relid, pg_current_wal_insert_lsn()::text AS lsn`,
    );
    await node.catchUp();
    await store.query(`BEGIN; SET LOCAL track_functions = 'all'`);
    const { rows } = await store.query<{ row: string }>(ANSWERED.replace("'t'", "'many'"), [
      ...[node.node, facts[0]!.lsn],
      `{"relid": "${facts[0]!.relid}", "columns": {"1": "id", "2": "a2", "3": "b"}}`,
    ]);
    const { rows: calls } = await store.query<{ calls: string }>(
      `SELECT calls::text FROM pg_stat_xact_user_functions WHERE funcname = 'with_names'`,
    );
    await store.query('ROLLBACK');
    expect(rows).toHaveLength(500);
    expect(rows.every(({ row }) => /"a2":/.test(row))).toBe(true);
    expect(Number.parseInt(calls[0]!.calls, 10)).toBeLessThanOrEqual(3);
  });
});

/**
 * A column that has another type now than at the instant: a typed row has the value exactly as it was, or the statement fails (TW024, TW023),
 * or the row is left out where the caller asked for that. What the session of the caller sets does not matter.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeNeeding } from '../../support/needs.ts';
import { differences, type PastSource, pastSource } from '../../support/past-source.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { failure } from '../../support/sql-source.ts';
import { TYPE_SETUP, TYPE_VALUES } from '../../support/type-values.ts';

interface Change {
  readonly was: string;
  /** The input text of the value of that time. */
  readonly value: string;
  readonly now: string;
  /** How the value becomes one of the type; by default a cast, which converts without a word. */
  readonly using?: string;
  /** The typed value as text; null: TW024, `TW023`: it does not become a value of the type at all. */
  readonly typed: string | null | 'TW023';
}

const TYPES = `
  CREATE EXTENSION IF NOT EXISTS citext;
  CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE fewer AS ENUM ('ok');
  CREATE DOMAIN cents AS numeric(10, 2); CREATE DOMAIN tenths AS numeric(10, 1); CREATE DOMAIN more_tenths AS tenths;
  CREATE TYPE fine AS (a numeric(10, 2)); CREATE TYPE coarse AS (a numeric(10, 1));`;

const CHANGES: readonly Change[] = [
  { was: 'numeric(10,3)', value: '12.345', now: 'numeric(10,2)', typed: null },
  { was: 'numeric', value: '1.50', now: 'numeric(10,1)', typed: null }, // a digit is lost
  { was: 'numeric(10,2)', value: '1.50', now: 'numeric(10,4)', typed: '1.5000' },
  { was: 'int', value: '5', now: 'numeric(10,2)', typed: '5.00' },
  { was: 'int', value: '5', now: 'bigint', typed: '5' },
  { was: 'int', value: '5', now: 'text', typed: '5' },
  { was: 'text', value: '5', now: 'int', typed: '5' },
  { was: 'text', value: '05', now: 'int', typed: null },
  { was: 'text', value: 'x', now: 'int', using: '1', typed: 'TW023' },
  { was: 'double precision', value: '0.1234567890123', now: 'real', typed: null },
  { was: 'double precision', value: '0.5', now: 'real', typed: '0.5' },
  { was: 'timestamp', value: '2026-01-31 09:41:00', now: 'date', typed: null },
  { was: 'timestamp', value: '2026-01-31 09:41:00.123456', now: 'timestamp(3)', typed: null },
  { was: 'timestamp', value: '2026-01-31 09:41:00', now: 'timestamptz', typed: null },
  { was: 'timestamptz', value: '2026-01-31 09:41:00+00', now: 'timestamp', typed: null },
  { was: 'interval', value: '1 day 02:03:04.567', now: 'interval(1)', typed: null },
  { was: 'varchar(5)', value: 'ab   ', now: 'varchar(3)', typed: null },
  { was: 'varchar(5)', value: 'ab   ', now: 'char(3)', typed: null },
  { was: 'char(3)', value: 'ab', now: 'char(5)', typed: 'ab   ' },
  { was: 'text', value: 'Ab', now: 'citext', typed: 'Ab' },
  { was: 'json', value: '{"b": 1, "a": 1, "a": 2}', now: 'jsonb', typed: null },
  { was: 'json', value: '{"b": 1}', now: 'text', typed: '{"b": 1}' },
  { was: 'mood', value: 'sad', now: 'fewer', using: `'ok'::fewer`, typed: 'TW023' },
  { was: 'mood', value: 'ok', now: 'fewer', using: 'v::text::fewer', typed: 'ok' },
  { was: 'cents', value: '1.25', now: 'more_tenths', typed: null },
  { was: 'numeric(10,2)[]', value: '{1.25,NULL}', now: 'numeric(10,1)[]', typed: null },
  { was: 'fine', value: '(1.25)', now: 'coarse', using: 'ROW(1.3)::coarse', typed: null },
  { was: 'fine[]', value: '{(1.25)}', now: 'coarse[]', using: `'{(1.3)}'::coarse[]`, typed: null },
  { was: 'bit(3)', value: '101', now: 'bit(2)', using: 'v::bit(2)', typed: 'TW023' },
  { was: 'int', value: '5', now: 'int[]', using: 'ARRAY[v]', typed: 'TW023' },
  { was: 'text[]', value: '{"a b",NULL}', now: 'varchar(9)[]', typed: '{"a b",NULL}' },
  { was: 'numeric(5,2)', value: '1.25', now: 'money', using: 'v::money', typed: null },
];

/** Settings of sessions that ask: all get the same. */
const SESSIONS: readonly string[] = [
  'RESET ALL',
  `SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'Asia/Kathmandu'; SET extra_float_digits = -10;
   SET bytea_output = 'escape'; SET xmloption = 'document'; SET array_nulls = off`,
];

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `columns with another type now, through ${plugin}`, () => {
    let past: PastSource;
    let at: string;
    const name = (index: number) => `c${index}`;

    beforeAll(async () => {
      const tables = CHANGES.map(
        ({ was, value }, i) =>
          `CREATE TABLE ${name(i)} (id int PRIMARY KEY, v ${was}); INSERT INTO ${name(i)} VALUES (1, '${value}'), (2, NULL);`,
      );
      past = await pastSource({
        plugin,
        tables: TYPES + tables.join('\n'),
        track: CHANGES.map((_, i) => name(i)),
      });
      at = await past.mark();
      for (const [i, { now, using = `v::text::${now}` }] of CHANGES.entries())
        await past.node.source.query(
          `ALTER TABLE ${name(i)} ALTER v TYPE ${now} USING ${using.startsWith('v::text') ? cast(CHANGES[i]!) : using}`,
        );
      for (let runs = 0; runs < 4; runs++) await past.node.poll(); // repairs
      await past.views(...CHANGES.map((_, i) => name(i)));
    }, 120_000);
    afterAll(async () => {
      await past?.[Symbol.asyncDispose]();
    });

    /** What the three ways say of the value: its text, or the SQLSTATE. */
    async function said(query: string): Promise<unknown> {
      const { source } = past.node;
      await source.query(`SELECT set_config('pgtimewarp.as_of', $1, false)`, [at]);
      return past.whileRunning(() =>
        source.query(query).then(
          ({ rows }) => rows[0]?.v,
          ({ code }: { code: string }) => code,
        ),
      );
    }

    test.each(SESSIONS)(
      'are exact or an error: %s',
      async (settings) => {
        const { source } = past.node;
        await source.query(settings);
        for (const [i, { was, value, now, typed }] of CHANGES.entries()) {
          const what = `${was} ${value} as ${now}`;
          const expected = typed === null ? 'TW024' : typed;
          const view = `SELECT format('%s', v) AS v FROM asof.${name(i)} WHERE id = 1`;
          expect(await said(view), `${what}, view`).toBe(expected);
          const table = `SELECT format('%s', v) AS v FROM pgtimewarp_asof_lsn_table(NULL::${name(i)}, '${at}') WHERE id = 1`;
          expect(await said(table), `${what}, table`).toBe(expected);
        }
        await source.query('RESET ALL');
      },
      120_000,
    );
  });
}

/** A conversion on the source, which is what people write. */
function cast({ now }: Change): string {
  return now.startsWith('char') || now.startsWith('varchar(3)') || now === 'date'
    ? `v::${now}`
    : `v::text::${now}`;
}

describe('one row, and rows that are left out', () => {
  test('pgtimewarp_asof_row fails with a remedy, also before a run has seen the change; skip leaves rows out', async () => {
    const tables =
      'CREATE TABLE t (id int PRIMARY KEY, v numeric); INSERT INTO t VALUES (1, 12.345), (2, 1.25), (3, 2)';
    await using past = await pastSource({ plugin: 'pgoutput', tables, track: ['t'] });
    const { source } = past.node;
    const at = await past.mark();
    const { rows } = await source.query<{ ts: string }>(
      `SELECT to_json((pgtimewarp_horizon()).ts) #>> '{}' AS ts`,
    );
    await source.query('ALTER TABLE t ALTER v TYPE numeric(10, 2)');
    const row = (id: number) =>
      `SELECT r.v::text AS v FROM pgtimewarp_asof_row(NULL::t, '${id}', '${rows[0]!.ts}') AS r`;
    const refused =
      /^TW024: the column v of public\.t cannot .* 12\.345 would become 12\.35 \(pgtimewarp_asof_pk/;
    expect(await failure(source, row(1))).toMatch(refused);
    expect((await source.query(row(2))).rows).toEqual([{ v: '1.25' }]);
    await past.views('t');
    await source.query(`SET pgtimewarp.asof_from = store; SET pgtimewarp.as_of = '${at}'`);
    expect(await failure(source, 'SELECT FROM asof.t')).toMatch(refused);
    await source.query('RESET pgtimewarp.asof_from');
    for (let runs = 0; runs < 4; runs++) await past.node.poll(); // repairs
    expect(await failure(source, row(1))).toMatch(refused);
    past.sql.warnings();
    await source.query('SET pgtimewarp.unknown = skip');
    expect(await past.asOf(at, 'SELECT id, v::text FROM asof.t ORDER BY id')).toEqual([
      { id: 2, v: '1.25' },
      { id: 3, v: '2.00' },
    ]);
    expect(past.sql.warnings()).toEqual([
      {
        code: '01T05',
        message: expect.stringMatching(/^rows that do not fit are left out, for example: .* 12\.345 /),
      },
    ]);
    await source.query('RESET pgtimewarp.unknown; UPDATE t SET v = 7');
    const later = await past.mark();
    await source.query('UPDATE t SET v = 8 WHERE id = 1');
    expect(await past.asOf(later, 'SELECT v::text FROM asof.t WHERE id = 1')).toEqual([{ v: '7.00' }]);
  });

  test('a key that would be cut does not hide the live row with the shorter key', async () => {
    const tables = `CREATE DOMAIN code AS varchar(9); CREATE DOMAIN short AS varchar(3); CREATE DOMAIN shorter AS short;
      CREATE TABLE t (id code PRIMARY KEY, v int); INSERT INTO t VALUES ('abcde', 1), ('abc', 2)`;
    await using past = await pastSource({ plugin: 'pgoutput', tables, track: ['t'] });
    const { source } = past.node;
    const at = await past.mark();
    await source.query(`DELETE FROM t WHERE id = 'abcde'; ALTER TABLE t ALTER id TYPE shorter`);
    for (let runs = 0; runs < 4; runs++) await past.node.poll(); // repairs
    await past.views('t');
    past.alone();
    expect(await past.asOf(at, `SELECT id FROM asof.t`).catch(({ code }) => code)).toBe('TW023');
    await source.query('SET pgtimewarp.unknown = skip');
    expect(await past.asOf(at, 'SELECT id, v FROM asof.t')).toEqual([{ id: 'abc', v: 2 }]);
    expect(past.alone(), 'with live rows').toEqual([]);
  });

  test('money is read as the history writes it, and xml and arrays too, whatever the session sets', async () => {
    const tables = `CREATE TABLE t (id int PRIMARY KEY, m money, x xml, a text[][]);
      INSERT INTO t VALUES (1, 1234.56, 'content only', '[0:1]={a,NULL}')`;
    await using past = await pastSource({ plugin: 'pgoutput', tables, track: ['t'] });
    const { source } = past.node;
    const { rows: then } = await source.query('SELECT m::numeric, x::text, a::text FROM t');
    const at = await past.mark();
    await source.query('DELETE FROM t');
    await source.query(`SET xmloption = document; SET array_nulls = off; SET lc_monetary = 'C.UTF-8'`);
    const values = 'm::numeric, x::text, a::text';
    expect(await past.asOf(at, `SELECT ${values} FROM asof.t`)).toEqual(then);
    const typed = `SELECT ${values} FROM pgtimewarp_asof_lsn_table(NULL::t, '${at}')`;
    expect(await past.asOf('', typed)).toEqual(then);
  });
});

describe('columns whose types are the same', () => {
  test('every value of every type comes back, also where rows are compared with the history', async () => {
    const columns = TYPE_VALUES.map(({ type }, i) => `c${i} ${type}`).join(', ');
    const tables = `${TYPE_SETUP} CREATE TABLE t (id int PRIMARY KEY, ${columns})`;
    await using past = await pastSource({ plugin: 'pgoutput', tables, track: ['t'] });
    const { source } = past.node;
    const values = TYPE_VALUES.map(({ type }, i) => `$${i + 2}::text::${type}`).join(', ');
    for (let id = 0; id < Math.max(...TYPE_VALUES.map((each) => each.values.length)); id++)
      await source.query(`INSERT INTO t VALUES ($1, ${values})`, [
        id,
        ...TYPE_VALUES.map((each) => each.values[id] ?? null),
      ]);
    // PostgreSQL's JSON functions drop white space of json (docs/types.md)
    const shown = TYPE_VALUES.flatMap(({ type }, i) =>
      type.startsWith('json') && !type.startsWith('jsonb') ? [] : [`c${i}`],
    ).join(', ');
    await source.query(`CREATE TABLE t_then AS SELECT id, ROW(${shown})::text AS row FROM t`);
    const at = await past.mark();
    await source.query('DELETE FROM t');
    const typed = `SELECT id, ROW(${shown})::text AS row FROM pgtimewarp_asof_lsn_table(NULL::t, '${at}')`;
    const view = `SELECT id, ROW(${shown})::text AS row FROM asof.t`;
    for (const query of [typed, view])
      expect(await past.asOf(at, differences(query, 'TABLE t_then'))).toEqual([]);
  }, 60_000);
});

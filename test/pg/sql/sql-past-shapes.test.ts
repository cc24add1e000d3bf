/**
 * Tables of every shape: partitions, odd names, domains, enums, generated columns, and columns that were added, dropped or
 * renamed.
 */

import { describe, expect, test } from 'vitest';
import { findEmbeddedBinaries } from '../../../cli/servers/find-binaries.ts';
import { startServer } from '../../../cli/servers/start-server.ts';
import { describeNeeding } from '../../support/needs.ts';
import { differences, type PastSource, pastSource } from '../../support/past-source.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { failure } from '../../support/sql-source.ts';

const TABLES = `
  CREATE EXTENSION citext;
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
  CREATE DOMAIN positive AS int CHECK (VALUE > 0);
  CREATE SCHEMA "Odd one";
  CREATE TABLE "Odd one"."T ""1""" ("k 1" citext COLLATE "C", "K2" positive, "select" mood, b bytea, ts timestamptz, f float8,
    d text COLLATE "POSIX", PRIMARY KEY ("K2", "k 1"));
  INSERT INTO "Odd one"."T ""1""" SELECT 'Key ' || g, g, (ARRAY['sad','ok','happy'])[1 + g % 3]::mood, decode(lpad(to_hex(g), 4, '0'), 'hex'),
    timestamptz '2026-01-01Z' + g * interval '1.000001 s', g / 7.0, 'd\\' || g FROM generate_series(1, 30) g;
  CREATE TABLE computed (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, label text);
  INSERT INTO computed (id, a, label) SELECT g, g, 'l' FROM generate_series(1, 30) g;
  CREATE TABLE parted (region text, id bigint, v text, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
  CREATE TABLE "Eu 1" PARTITION OF parted FOR VALUES IN ('eu');
  CREATE TABLE us PARTITION OF parted FOR VALUES IN ('us') PARTITION BY RANGE (id);
  CREATE TABLE us1 PARTITION OF us FOR VALUES FROM (0) TO (1000);
  CREATE TABLE us2 PARTITION OF us DEFAULT;
  INSERT INTO parted SELECT (ARRAY['eu','us'])[1 + g % 2], g * 100, 'v' FROM generate_series(1, 30) g;
  CREATE TABLE parent (id int PRIMARY KEY, v text); INSERT INTO parent VALUES (1, 'p');
  CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (2, 'c')`;
const NAMES = ['"Odd one"."T ""1"""', 'computed', 'parted', 'parent'];
const VIEWS = ['asof."T ""1"""', 'asof.computed', 'asof.parted', 'asof.parent'];
const ROWS = (name: string) => (name === 'parent' ? 'SELECT * FROM ONLY parent' : `TABLE ${name}`);

const CHANGES = `
  UPDATE "Odd one"."T ""1""" SET "select" = 'happy', f = 'NaN' WHERE "K2" < 5;
  UPDATE "Odd one"."T ""1""" SET "k 1" = upper("k 1"::text) WHERE "K2" = 6;
  DELETE FROM "Odd one"."T ""1""" WHERE "K2" = 7; UPDATE "Odd one"."T ""1""" SET "K2" = 100 WHERE "K2" = 8;
  UPDATE computed SET a = 1000 WHERE id < 5; DELETE FROM computed WHERE id = 6; INSERT INTO computed (id, a) VALUES (31, 1);
  UPDATE parted SET region = 'us' WHERE region = 'eu' AND id < 500; DELETE FROM parted WHERE id = 1000; UPDATE parted SET v = 'w' WHERE id > 2800;
  UPDATE parent SET v = 'changed'`;

async function wrong(past: PastSource, at: string): Promise<unknown[]> {
  const all = [];
  for (const [i, view] of VIEWS.entries())
    all.push(...(await past.asOf(at, differences(`TABLE ${view}`, `TABLE then_${i}`))));
  return all;
}

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `tables of every shape through ${plugin}`, () => {
    test('show their past rows, with live rows and from the store alone', async () => {
      await using past = await pastSource({ plugin, tables: TABLES, track: NAMES });
      const { source } = past.node;
      for (const [i, name] of NAMES.entries()) await source.query(`CREATE TABLE then_${i} AS ${ROWS(name)}`);
      const at = await past.mark();
      await source.query(CHANGES);
      expect(await wrong(past, at)).toEqual([]);
      expect(past.alone()).toEqual([]);
      for (const [i, name] of NAMES.entries()) {
        const typed = `SELECT * FROM pgtimewarp_asof_lsn_table(NULL::${name}, '${at}')`;
        expect(await past.asOf('', differences(typed, `TABLE then_${i}`)), name).toEqual([]);
      }
      await source.query('SET pgtimewarp.asof_from = store');
      expect(await wrong(past, at)).toEqual([]);
      expect(past.sql.warnings()).toEqual([]);
    });
  });
}

const COLUMNS =
  'CREATE TABLE t (id int PRIMARY KEY, a text, b text); INSERT INTO t SELECT g, g::text, g::text FROM generate_series(1, 5) g';

describe('columns that change', () => {
  test('added ones are NULL, dropped ones are left out, renamed ones keep their values; notices name them', async () => {
    await using past = await pastSource({ plugin: 'pgoutput', tables: COLUMNS, track: ['t'] });
    const { source } = past.node;
    const said: string[] = [];
    source.on('notice', ({ message }) => said.push(message ?? ''));
    const at = await past.mark();
    await source.query(
      'ALTER TABLE t ADD c int; ALTER TABLE t RENAME a TO renamed; UPDATE t SET c = 1 WHERE id = 1',
    );
    expect(
      await past
        .asOf(at, 'SELECT id, a, b FROM asof.t WHERE id < 3 ORDER BY id')
        .catch(({ message }) => message),
    ).toMatch(/column l\.a does not exist/);
    await past.views('t');
    const whole = 'SELECT id, renamed, b, c FROM asof.t WHERE id < 3 ORDER BY id';
    expect(await past.asOf(at, whole)).toEqual([
      { id: 1, renamed: '1', b: '1', c: null },
      { id: 2, renamed: '2', b: '2', c: null },
    ]);
    expect(said).toContain('columns that public.t did not have then are NULL: c');
    await source.query(`ALTER TABLE t DROP b; UPDATE t SET renamed = 'new' WHERE id = 2`);
    await past.views('t');
    expect(await past.asOf(at, 'SELECT id, renamed, c FROM asof.t WHERE id = 2')).toEqual([
      { id: 2, renamed: '2', c: null },
    ]);
    await past.node.catchUp();
    await past.asOf(at, 'SELECT FROM asof.t');
    expect(said).toContain('columns that public.t does not have any more are left out: b');
    await source.query('ALTER TABLE t ADD b int');
    for (let runs = 0; runs < 4; runs++) await past.node.poll(); // repairs
    await past.views('t');
    const unknown = await past.whileRunning(() => failure(source, 'SELECT * FROM asof.t'));
    expect(unknown, 'the value may belong to the column that had the name before').toMatch(
      /^TW015: values in rows of public\.t are not known: b/,
    );
  });

  test('the view does not prevent changes of its table, and reports that it is out of date', async () => {
    await using past = await pastSource({ plugin: 'pgoutput', tables: COLUMNS, track: ['t'] });
    const { source } = past.node;
    const at = await past.mark();
    await source.query('ALTER TABLE t ADD c int');
    past.sql.warnings();
    expect(await past.asOf(at, 'SELECT * FROM asof.t WHERE id = 1')).toEqual([{ id: 1, a: '1', b: '1' }]);
    expect(past.sql.warnings()).toEqual([
      { code: '01T06', message: 'the view of public.t is out of date, it lacks the columns c' },
    ]);
    await source.query('ALTER TABLE t DROP a, ALTER b TYPE varchar(100)');
    expect(await failure(source, 'SELECT * FROM asof.t')).toMatch(/^42703: column l\.a does not exist/);
    await past.views('t');
    expect(await past.asOf(at, 'SELECT * FROM asof.t WHERE id = 1')).toEqual([{ id: 1, b: '1', c: null }]);
    await source.query('DROP TABLE t');
    expect(await failure(source, 'SELECT * FROM asof.t')).toMatch(/^42P01/);
  });

  test('excluded ones are left out of the view, and NULL in the function', async () => {
    await using past = await pastSource({ plugin: 'pgoutput', tables: COLUMNS });
    const { source } = past.node;
    await past.node.track('t', { exclude: ['b'] });
    const [view] = await past.views('t');
    expect(view).toMatchObject({ view: 't', leftOut: ['b'] });
    const at = await past.mark();
    await source.query(`UPDATE t SET b = 'x' WHERE id = 1; UPDATE t SET a = 'y' WHERE id = 2`);
    past.sql.warnings();
    expect(await past.asOf(at, 'SELECT * FROM asof.t WHERE id < 4 ORDER BY id')).toEqual(
      [1, 2, 3].map((id) => ({ id, a: `${id}` })),
    );
    const typed = `SELECT * FROM pgtimewarp_asof_lsn_table(NULL::t, '${at}') WHERE id < 4 ORDER BY id`;
    expect(await past.asOf('', typed)).toEqual([1, 2, 3].map((id) => ({ id, a: `${id}`, b: null })));
    expect(past.sql.warnings().map(({ code, message }) => `${code}: ${message}`)).toEqual([
      '01T02: excluded columns of public.t are NULL: b',
    ]);
  });

  test('json values that PostgreSQL refuses to read, and the JSON value null', async () => {
    const tables = `CREATE TABLE j (id int PRIMARY KEY, raw json, v jsonb, note text);
      INSERT INTO j VALUES (1, '{"a": "\\u0000"}', 'null', 'n'), (2, 'null', NULL, ''), (3, NULL, '{"b": "\\u00e9\\n"}', E'\\x13'),
        (4, '[1]', '[1.10]', E'\\x01')`;
    for (const plugin of PLUGINS.filter((each) => needOf(each).met)) {
      await using past = await pastSource({ plugin, tables, track: ['j'] });
      const { source } = past.node;
      const columns = 'SELECT id, raw::text AS raw, v::text AS v, note FROM';
      await source.query(`CREATE TABLE j_then AS ${columns} j`);
      const at = await past.mark();
      await source.query('DELETE FROM j');
      expect(await past.asOf(at, differences(`${columns} asof.j`, 'TABLE j_then'))).toEqual([]);
    }
  });
});

const [newest] = await findEmbeddedBinaries();
const VIRTUAL = {
  what: 'embedded PostgreSQL 18',
  met: newest !== undefined,
  remedy: 'npm ci on Linux, macOS or Windows',
};
describeNeeding(VIRTUAL, 'virtual generated columns', () => {
  test('are left out of the view, and an error in the function', async () => {
    const tables =
      'CREATE TABLE t (id int PRIMARY KEY, a int, v int GENERATED ALWAYS AS (a * 2)); INSERT INTO t VALUES (1, 1), (2, 2)';
    await using server = await startServer({ binaries: newest! });
    const place = { adminUrl: server.url(), store: 'empty' } as const;
    await using past = await pastSource({ plugin: 'pgoutput', tables, ...place });
    await past.node.track('t');
    const [view] = await past.views('t');
    expect(view).toMatchObject({ leftOut: ['v'] });
    const at = await past.mark();
    await past.node.source.query('UPDATE t SET a = 10 WHERE id = 1');
    expect(await past.asOf(at, 'SELECT * FROM asof.t ORDER BY id')).toEqual([
      { id: 1, a: 1 },
      { id: 2, a: 2 },
    ]);
    const typed = `SELECT FROM pgtimewarp_asof_lsn_table(NULL::t, '${at}')`;
    expect(await past.whileRunning(() => failure(past.node.source, typed))).toMatch(
      /^TW015: values of virtual columns are not in the history: v/,
    );
    expect(past.sql.warnings()).toEqual([]);
  });
});

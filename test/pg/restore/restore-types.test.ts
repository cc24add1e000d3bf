/** Values of types with a text of their own come back exactly, and the comparison with the history takes them for the same. */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../../core/pg/connection.ts';
import { isSameJson } from '../../../core/types/same-json.ts';
import { runCommand } from '../../support/command.ts';
import { PLUGINS } from '../../support/plugins.ts';
import { restoreInBulk } from '../../support/restore-in-bulk.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';

/** Types that hold json: PostgreSQL may write the spaces and strings in them anew. */
const JSON_COLUMNS: readonly (readonly [type: string, value: string])[] = [
  ['json', `' {"a" :  "\\u0041", "b": [1.0 , null ]} '`],
  ['json', `' "\\u0041\\/" '`],
  ['json[]', `ARRAY[' {"a" :  1} ', '"\\u0041"', NULL]::json[]`],
  ['docs', `' {"a" :  1, "a": 2} '`],
  ['docs_again', `' "\\u0041" '`],
  ['docs[]', `ARRAY[' {"a" :  1} ', ' 1e2 ']::docs[]`],
  ['pair', `ROW(1, ' {"a" :  "\\u0041"} ', '{x,"y z"}')::pair`],
  ['pair[]', `ARRAY[ROW(1, ' "\\u0041" ', NULL)::pair, NULL, ROW(NULL, NULL, '{}')::pair]`],
  ['nest', `ROW(ROW(1, ' [ "\\u0041" ] ', '{}')::pair, ARRAY[ROW(2, ' true ', NULL)::pair])::nest`],
  ['pair_domain', `ROW(2, ' {"a" : {"b" : "\\t"}} ', NULL)::pair`],
];

const COLUMNS: readonly (readonly [type: string, value: string])[] = [
  ['xml', `'<a b="c">&lt; \n </a>'`],
  ['point', `'(1.5,-0)'`],
  ['box', `'(3,4),(1,2)'`],
  ['line', `'{1,2,3}'`],
  ['lseg', `'[(1,2),(3,4)]'`],
  ['path', `'[(1,2),(3,4)]'`],
  ['polygon', `'((1,2),(3,4),(5,6))'`],
  ['circle', `'<(1,2),3>'`],
  ['point[]', `ARRAY['(1,2)', NULL]::point[]`],
  ['box[]', `ARRAY['(3,4),(1,2)', '(1,1),(0,0)']::box[]`],
  ['tsvector', `'a:1 ''b c'':2A'`],
  ['tsquery', `'a & !''b c'''`],
  ['jsonpath', `'$."a"[*] ? (@ > 1)'`],
  ['jsonb', `'{"a" :  "\\u0041", "n": 1.10}'`],
  ['jsonb[]', `ARRAY['{"a" : 1}', '[]']::jsonb[]`],
  ['numrange', `'[1.10,2.0)'`],
  ['tstzrange', `'["2026-01-01 00:00:00.000001+00",infinity]'`],
  ['words', `'["a b","c,d")'`],
  ['nummultirange', `'{[1.0,2.0),(3,4]}'`],
  ['int4range[]', `ARRAY['[1,5)', 'empty']::int4range[]`],
  ['ci', `'MiXed'`],
  ['money[]', `ARRAY['1234.50'::money]`],
  ['inet', `'10.0.0.1/8'`],
  ['cidr', `'10.0.0.0/8'`],
  ['macaddr8', `'08:00:2b:01:02:03:04:05'`],
  ['interval', `'1 year -2 mons +3 days -04:05:06.7'`],
  ['timetz', `'04:05:06.7-08:30'`],
  ['bit varying(9)', `'101'`],
  ['"char"', `'x'`],
  ['name', `'a "b"'`],
  ['oid', `'4294967295'`],
  ['regclass', `'pg_catalog.pg_class'`],
  ['int2vector', `'1 2 3'`],
  ['oidvector', `'1 2'`],
  ['pg_lsn', `'16/B374D848'`],
  ['pg_snapshot', `'10:20:10,14,15'`],
  ['xid8', `'18446744073709551615'`],
  ['uuid[]', `ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid]`],
  ['mood[]', `ARRAY['so so', 'it''s']::mood[]`],
  ['ints', `'{1,NULL,3}'`],
  ['bytea[]', `ARRAY['\\x00ff'::bytea, ''::bytea]`],
  ['float4', `'-0'`],
  ['float8[]', `ARRAY[1e300, -0.0, 0.1]::float8[]`],
  ['text[][]', `'{{a,"b \\"c"},{NULL,""}}'`],
];

const ALL = [...JSON_COLUMNS, ...COLUMNS];
const PLAIN = ALL.filter(([type]) => !/\[\]|vector$|^(docs|pair|nest|ints|point|box|line|lseg)/.test(type));
const nameOf = (index: number): string => `c${index}`;
const TABLES = `
CREATE TYPE mood AS ENUM ('so so', 'it''s');
CREATE DOMAIN docs AS json; CREATE DOMAIN docs_again AS docs CHECK (VALUE IS NOT NULL OR true);
CREATE DOMAIN ints AS int[];
CREATE DOMAIN ci AS text COLLATE "C" CHECK (length(VALUE) < 10);
CREATE TYPE words AS RANGE (SUBTYPE = text);
CREATE TYPE pair AS (n int, j json, t text[]);
CREATE TYPE nest AS (p pair, ps pair[]);
CREATE DOMAIN pair_domain AS pair;
CREATE TABLE typed (id int PRIMARY KEY, ${ALL.map(([type], index) => `${nameOf(index)} ${type}`).join(', ')});
INSERT INTO typed VALUES (1, ${ALL.map(([, value]) => value).join(', ')}), (3, ${ALL.map(([, value]) => value).join(', ')});
INSERT INTO typed VALUES (2);
CREATE TABLE plain (id int PRIMARY KEY, ${PLAIN.map(([type], index) => `${nameOf(index)} ${type}`).join(', ')});
INSERT INTO plain VALUES (1, ${PLAIN.map(([, value]) => value).join(', ')});
INSERT INTO plain VALUES (2);`;

describe.each(PLUGINS)('values of many types (%s)', (plugin) => {
  let node: TrackedNode;
  let session: pg.Client;
  beforeAll(async () => {
    node = await trackedNode({ plugin, tables: TABLES, track: ['typed', 'plain'] });
    await node.catchUp();
    session = await connect(node.sourceUrl, { side: 'source', node: node.node });
  });
  afterAll(async () => {
    await session?.end();
    await node?.[Symbol.asyncDispose]();
  });

  /** The text of a row without the columns that hold json, and the JSON of these. */
  async function rows(table: string, columns: typeof ALL): Promise<{ text: string; json: string[] }[]> {
    const holdsJson = (_: unknown, index: number): boolean => JSON_COLUMNS.includes(columns[index]!);
    const names = columns.map((_, index) => nameOf(index));
    const { rows: found } = await session.query<{ text: string; json: string[] }>(
      `SELECT ROW(t.id, ${names.filter((name, index) => !holdsJson(name, index)).map((name) => `t.${name}`)})::text AS text,
              ARRAY[${names.filter(holdsJson).map((name) => `coalesce(to_json(t.${name})::text, 'null')`)}] AS json
         FROM public.${table} AS t ORDER BY t.id`,
    );
    return found;
  }

  function expectSame(found: { text: string; json: string[] }[], expected: typeof found): void {
    expect(found.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    for (const [index, { json }] of expected.entries())
      for (const [column, value] of json.entries())
        expect(
          isSameJson(found[index]!.json[column]!, value),
          `${nameOf(column)}: ${found[index]!.json[column]} and ${value}`,
        ).toBe(true);
  }

  async function commit(statement: string): Promise<string> {
    await session.query('BEGIN');
    const { rows: found } = await session.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid');
    await session.query(statement);
    await session.query('COMMIT');
    await node.catchUp();
    return found[0]!.xid;
  }

  test('an update of every column, a deletion and an insertion are undone', async () => {
    const before = await rows('typed', ALL);
    const xid = await commit(
      `UPDATE public.typed SET ${ALL.map((_, index) => `${nameOf(index)} = NULL`)} WHERE id = 1;
       DELETE FROM public.typed WHERE id = 3; INSERT INTO public.typed SELECT 4`,
    );
    const { code } = await runCommand(['restore', '--transaction', xid, '--apply'], node);
    expect(code).toBe(0);
    expectSame(await rows('typed', ALL), before);
  });

  test('a TRUNCATE is undone in bulk', async () => {
    const before = await rows('typed', ALL);
    const xid = await commit('TRUNCATE public.typed');
    const plan = await restoreInBulk(node, { transactions: [xid] }, { apply: false });
    expect(plan.bulk).not.toBeNull();
    await restoreInBulk(node, { transactions: [xid] });
    expectSame(await rows('typed', ALL), before);
  });

  /** Without arrays and rows the values are copied straight into the table. */
  test('a TRUNCATE of a table without arrays and rows is undone', async () => {
    const before = await rows('plain', PLAIN);
    const xid = await commit('TRUNCATE public.plain');
    const steps: string[] = [];
    await restoreInBulk(node, { transactions: [xid] }, { report: (what) => steps.push(what) });
    expect(steps, 'the straight way').not.toContain('comparing the rows');
    expectSame(await rows('plain', PLAIN), before);
  });
});

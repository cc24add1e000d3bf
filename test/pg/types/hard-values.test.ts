/**
 * Values that PostgreSQL stores but that its own JSON functions refuse, or nearly refuse: every question about such a row is
 * answered with the unchanged value. In every way to ask, for a caller who sees all columns and for one who does not.
 */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jsonMembers } from '../../../core/types/json-text.ts';
import { describeNeeding } from '../../support/needs.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { runCli } from '../../support/run-cli.ts';
import { type ServeProcess, startServe } from '../../support/serve.ts';
import { failure, type SqlSource, sqlSource } from '../../support/sql-source.ts';
import { type TrackedNode, trackedNode } from '../../support/tracked-node.ts';
import { TYPE_SETUP, TYPE_VALUES } from '../../support/type-values.ts';

const CONTROLS = Array.from({ length: 32 }, (_, code) => `\\u${code.toString(16).padStart(4, '0')}`).join('');
const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const nestedObjects = (depth: number): string => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

/** JSON texts for a column of type json, which keeps them unchanged. */
const JSON_TEXTS: Readonly<Record<string, string>> = {
  'a character 0': '"\\u0000"',
  'a key with a character 0': '{"\\u0000":1,"a":"\\u0000"}',
  'every control character': `"${CONTROLS}"`,
  'half a character': '"\\ud800"',
  'the other half': '"x\\udc00y"',
  'halves in the wrong order': '["\\udc00\\ud800", "\\ud800\\u0000", "\\ud83d\\ude00"]',
  'half a character as a key': '{"\\ud800":"\\udfff"}',
  'escapes of escapes': '"\\\\u0000 \\\\\\\\u0000 \\\\\\u0000 \\\\\\" \\\\ud800"',
  'what stands for something elsewhere': '"~0~1~2~3~ \\u0000 ~\\\\ ~\\" \\/"',
  'members twice': '{"a":1,"a":2,"a":{"a":"\\u0000"}}',
  'members of every object': '{"__proto__":1,"constructor":2,"toString":3,"hasOwnProperty":4}',
  'a number beyond every float': '[1e400,-1e-400,1E+5000,0.0000000000000000000000000000000000001]',
  'deep lists': nested(3_000),
  'deep objects': nestedObjects(3_000),
};

const TEXTS: Readonly<Record<string, string>> = {
  'every plane': String.fromCodePoint(
    0x1,
    0x7f,
    0x80,
    0xd7ff,
    0xe000,
    0xfffe,
    0xffff,
    0x10000,
    0x1f600,
    0x2fa1d,
    0xe0001,
    0x10ffff,
  ),
  'what looks like JSON': '\\u0000 \\ud800 {"a":"~1~2~3"} \\" \\\\',
  'line ends of every kind': 'a\r\nb\u0085c\u2028d\u2029e\vf\fg',
  empty: '',
};

const NUMBERS: Readonly<Record<string, string>> = {
  'as many digits as there can be': `${'9'.repeat(131_072)}.${'1'.repeat(16_383)}`,
  'the smallest': `-0.${'0'.repeat(16_382)}1`,
  'not a number': 'NaN',
};

const CASES = [
  ...Object.entries(JSON_TEXTS).map(([name, text]) => ({ name: `json: ${name}`, column: 'j', text })),
  ...Object.entries(TEXTS).map(([name, text]) => ({ name: `text: ${name}`, column: 't', text })),
  ...Object.entries(NUMBERS).map(([name, text]) => ({ name: `numeric: ${name}`, column: 'n', text })),
].map((each, place) => ({ ...each, id: place + 1 }));

const COLUMNS = 'id int PRIMARY KEY, secret int, changing int, j json, t text, n numeric NOT NULL DEFAULT 0';

/** Names of columns that mean something in JSON, in SQL, in JavaScript, or as a placeholder of escapes. */
const NAMES = [
  '__proto__',
  'constructor',
  'to"json',
  "it's",
  'back\\slash',
  '\\u0000',
  '\\ud800',
  '~0~1~2~3',
  'line\nend\ttab\u0001\u007f',
  '🦄',
  'é'.repeat(31),
  '%s $1 {"a":1}',
];
const EVERY_TYPE_ROWS = Math.max(...TYPE_VALUES.map(({ values }) => values.length));
const quoted = (name: string): string => pg.escapeIdentifier(name);

for (const plugin of PLUGINS) {
  describeNeeding(needOf(plugin), `hard values through ${plugin}`, () => {
    let node: TrackedNode;
    let sql: SqlSource;
    let server: ServeProcess;
    let limited: string;
    const stored = new Map<string, string>();

    beforeAll(async () => {
      const named = NAMES.map((name) => `${quoted(name)} json`).join(', ');
      const types = TYPE_VALUES.map(({ type }, index) => `c${index} ${type}`).join(', ');
      node = await trackedNode({
        plugin,
        tables: `${TYPE_SETUP} CREATE TABLE hard (${COLUMNS}); CREATE TABLE named (id int PRIMARY KEY, changing int, ${named});
                 CREATE TABLE every_type (id int PRIMARY KEY, ${types})`,
        track: ['hard', 'named', 'every_type'],
      });
      await node.source.query(
        `INSERT INTO named VALUES (1, 0, ${NAMES.map((_, index) => `$${index + 1}`).join(', ')})`,
        NAMES.map((_, index) => (index % 2 === 0 ? '"\\u0000"' : '{"a": "~3"}')),
      );
      await node.source.query('UPDATE named SET changing = 1');
      for (let id = 0; id < EVERY_TYPE_ROWS; id++) {
        const given = TYPE_VALUES.flatMap(({ values, generated }, index) =>
          generated === undefined && values[id] !== undefined
            ? [{ name: `c${index}`, value: values[id] }]
            : [],
        );
        await node.source.query(
          `INSERT INTO every_type (id, ${given.map(({ name }) => name).join(', ')})
           VALUES (${id}, ${given.map((_, index) => `$${index + 1}`).join(', ')})`,
          given.map(({ value }) => value),
        );
      }
      for (const { id, column, text } of CASES)
        await node.source.query(`INSERT INTO hard (id, secret, changing, ${column}) VALUES ($1, 7, 0, $2)`, [
          id,
          text,
        ]);
      await node.source.query('UPDATE hard SET changing = 1');
      await node.catchUp();
      const { rows } = await node.store.query<{ id: string; op: string; row: string }>(
        `SELECT c.pk::json ->> 0 AS id, c.op, c.row_data::text AS row
           FROM pgtimewarp.row_changes AS c JOIN pgtimewarp.tracked_relations AS r USING (relation_id) WHERE r.table_name = 'hard'`,
      );
      for (const { id, op, row } of rows) stored.set(`${op}${id}`, row);
      sql = await sqlSource(node);
      limited = `${sql.reader}_limited`;
      await node.source.query(
        `CREATE ROLE ${limited}; GRANT SELECT (id, changing, j, t, n) ON hard TO ${limited};
         GRANT EXECUTE ON FUNCTION pgtimewarp_asof_pk, pgtimewarp_asof_answer_pk, pgtimewarp_diff_pk, pgtimewarp_asof_row TO ${limited}`,
      );
      server = await startServe(['--every', '1h'], node.env);
    });
    afterAll(async () => {
      await node?.source.query(`RESET ROLE; DROP OWNED BY ${limited}; DROP ROLE ${limited}`);
      await server?.[Symbol.asyncDispose]();
      await node?.[Symbol.asyncDispose]();
      await sql?.[Symbol.asyncDispose]();
    });

    const rowOf = (answer: string): string => jsonMembers(answer, 0).members.get('row')!;
    const now = "now() + interval '1 day'";

    describe.each(CASES)('$name', ({ id, column, text }) => {
      const row = (op: 'I' | 'U'): string => stored.get(`${op}${id}`)!;
      const lost = plugin === 'wal2json' && text === 'NaN';

      test('is stored unchanged', () => {
        expect(stored.get(`I${id}`)).toBeDefined();
        expect(stored.get(`U${id}`)).toBeDefined();
        if (lost) return;
        const value = jsonMembers(row('U'), 0).members.get(column)!;
        expect(column === 't' || text === 'NaN' ? JSON.parse(value) : value).toBe(text);
      });

      test('over HTTP', async () => {
        const target = `${server.url}/v1/nodes/${node.node}/tables/public.hard`;
        const ask = async (rest: string, options: RequestInit = {}): Promise<string> => {
          const response = await fetch(target + rest, options);
          const body = await response.text();
          expect([response.status, body.slice(0, 300)]).toEqual([200, expect.any(String)]);
          return body;
        };
        expect(rowOf(await ask(`/asof?pk=${id}`))).toBe(row('U'));
        const body = JSON.stringify({ keys: [id, 1_000_000] });
        const headers = { 'content-type': 'application/json' };
        expect(await ask('/asof:batch', { method: 'POST', body, headers })).toContain(row('U'));
        const diff = await ask(`/diff?pk=${id}`);
        expect(diff).toContain(row('I'));
        expect(diff).toContain('"changed":{"changing":{"from":0,"to":1}}');
      });

      test('in the store', async () => {
        const { rows } = await node.store.query<{ row: string }>(
          `SELECT v.row_data::text AS row FROM pgtimewarp.row_versions AS v WHERE v.table_name = 'hard' AND v.pk = $1 ORDER BY v.valid_from_lsn`,
          [`["${id}"]`],
        );
        expect(rows.map((each) => each.row)).toEqual([row('I'), row('U')]);
        const answer = await node.store.query<{ answer: string }>(
          `SELECT a.answer::text FROM pgtimewarp.asof_answer($1, 'public', 'hard', $2, NULL, NULL, NULL) AS a`,
          [node.node, String(id)],
        );
        expect(rowOf(answer.rows[0]!.answer)).toBe(row('U'));
      });

      test('in SQL on the source', async () => {
        const ask = async (expression: string): Promise<string> =>
          (await node.source.query<{ value: string }>(`SELECT (${expression})::text AS value`)).rows[0]!
            .value;
        expect(await ask(`pgtimewarp_asof_pk('hard', '${id}', ${now})`)).toBe(row('U'));
        expect(rowOf(await ask(`pgtimewarp_asof_answer_pk('hard', '${id}', ${now})`))).toBe(row('U'));
        const { rows } = await node.source.query<{ row: string; changed: string | null }>(
          `SELECT d.row_data::text AS row, d.changed::text FROM pgtimewarp_diff_pk('hard', '${id}', NULL, NULL) AS d`,
        );
        expect(rows).toEqual([
          { row: row('I'), changed: null },
          { row: row('U'), changed: '{"changing":{"from":0,"to":1}}' },
        ]);
      });

      test('as a typed row', async () => {
        const typed = `SELECT FROM hard AS h, pgtimewarp_asof_row(NULL::hard, '${id}', ${now}) AS r
                        WHERE h.id = ${id} AND r::text = h::text`;
        if (lost) expect(await failure(node.source, typed)).toMatch(/^TW015/);
        else expect((await node.source.query(typed)).rowCount).toBe(1);
      });

      test('for a caller who may not see every column', async () => {
        const visible = `{${[...jsonMembers(row('U'), 0).members]
          .filter(([name]) => name !== 'secret')
          .map(([name, value]) => `"${name}":${value}`)
          .join(',')}}`;
        await node.source.query(`BEGIN; SET LOCAL ROLE ${limited}; SET LOCAL pgtimewarp.columns = visible`);
        try {
          const { rows } = await node.source.query<{ row: string; answer: string }>(
            `SELECT pgtimewarp_asof_pk('hard', '${id}', ${now})::text AS row, pgtimewarp_asof_answer_pk('hard', '${id}', ${now})::text AS answer`,
          );
          expect(rows[0]!.row).toBe(visible);
          expect(rowOf(rows[0]!.answer)).toBe(visible);
          const diff = await node.source.query<{ row: string }>(
            `SELECT d.row_data::text AS row FROM pgtimewarp_diff_pk('hard', '${id}', NULL, NULL) AS d`,
          );
          expect(diff.rows[1]!.row).toBe(visible);
        } finally {
          await node.source.query('ROLLBACK');
        }
      });
    });

    test('names of columns', async () => {
      const asked = await node.source.query<{ row: string; changed: string }>(
        `SELECT pgtimewarp_asof_pk('named', '1', ${now})::text AS row, d.changed::text AS changed
           FROM pgtimewarp_diff_pk('named', '1', NULL, NULL) AS d WHERE d.op = 'U'`,
      );
      expect(Object.keys(Object.fromEntries(jsonMembers(asked.rows[0]!.row, 0).members))).toEqual([
        'id',
        'changing',
        ...NAMES,
      ]);
      expect(asked.rows[0]!.changed).toBe('{"changing":{"from":0,"to":1}}');
      const typed = await node.source.query(
        `SELECT FROM named AS n, pgtimewarp_asof_row(NULL::named, '1', ${now}) AS r WHERE r::text = n::text`,
      );
      expect(typed.rowCount).toBe(1);
      await node.source.query(
        `BEGIN; GRANT SELECT (id, ${NAMES.slice(1).map(quoted).join(', ')}) ON named TO ${limited}; SET LOCAL ROLE ${limited}`,
      );
      try {
        const ask = `SELECT pgtimewarp_asof_pk('named', '1', ${now})::text AS row`;
        await node.source.query('SAVEPOINT asked');
        expect(await failure(node.source, ask)).toMatch(/^42501: .*\.named: changing, __proto__ \(/);
        await node.source.query('ROLLBACK TO asked; SET LOCAL pgtimewarp.columns = visible');
        const { rows } = await node.source.query<{ row: string }>(ask);
        expect([...jsonMembers(rows[0]!.row, 0).members.keys()]).toEqual(['id', ...NAMES.slice(1)]);
      } finally {
        await node.source.query('ROLLBACK');
      }
    });

    test('every type, as a typed row', async () => {
      const lossy = plugin === 'wal2json' ? /^(numeric|real|double precision)[^[]*$/ : null;
      for (let id = 0; id < EVERY_TYPE_ROWS; id++) {
        const typed = `pgtimewarp_asof_row(NULL::every_type, '${id}', ${now})`;
        if (
          lossy !== null &&
          TYPE_VALUES.some(({ type, values }) => lossy.test(type) && /NaN|Inf/.test(values[id] ?? ''))
        ) {
          expect(await failure(node.source, `SELECT FROM ${typed}`)).toMatch(/^TW015/);
          continue;
        }
        const same = TYPE_VALUES.map((_, index) =>
          // JSON null is NULL in a typed row, and white space around a value is dropped
          ['r', 't']
            .map((row) => `${row}.c${index}`)
            .map(
              (value) =>
                `CASE num_nulls(${value}) WHEN 1 THEN 'null' ELSE btrim(format('%s', ${value}), E' \\n\\t') END`,
            )
            .join(' = '),
        );
        const { rows } = await node.source.query<boolean[]>({
          text: `SELECT ${same.join(', ')} FROM every_type AS t, ${typed} AS r WHERE t.id = ${id}`,
          rowMode: 'array',
        });
        const wrong = rows[0]!.flatMap((isSame, index) => (isSame ? [] : [TYPE_VALUES[index]!.type]));
        expect(wrong, `row ${id}`).toEqual([]);
      }
    });

    // both plugins store the same, and starting a program takes a second
    test.runIf(plugin === 'pgoutput')('on the command line', { timeout: 300_000 }, async () => {
      const ask = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await runCli(args, { env: node.env });
        expect([args, code, stderr]).toEqual([args, 0, '']);
        return stdout;
      };
      for (const { id, text } of CASES) {
        const current = stored.get(`U${id}`)!;
        expect(rowOf((await ask('asof', 'hard', `--pk=${id}`, '--json')).trim())).toBe(current);
        expect(await ask('diff', 'hard', `--pk=${id}`, '--json')).toContain(current);
        if (text.length > 10_000) continue; // a table of it would be as long, and slow
        await ask('asof', 'hard', `--pk=${id}`);
        await ask('diff', 'hard', `--pk=${id}`);
      }
    });
  });
}

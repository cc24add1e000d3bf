/**
 * Every type, every edge value: the stored text makes the identical value on the source, through both plugins, from the log and
 * from the baseline, with any settings of source and session. docs/types.md is the resulting table: UPDATE_DOCS=1 writes it,
 * and a difference fails.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { poll } from '../../../core/poll.ts';
import { init } from '../../../core/setup/init.ts';
import { track } from '../../../core/track.ts';
import { jsonMembers } from '../../../core/types/json-text.ts';
import type { Plugin } from '../../../core/types/plugin.ts';
import { needOf, PLUGINS } from '../../support/plugins.ts';
import { serverInfo } from '../../support/server-info.ts';
import { type TestDatabases, testDatabases } from '../../support/test-databases.ts';
import { TYPE_SETUP, TYPE_VALUES, type TypeValues } from '../../support/type-values.ts';

const DOC = new URL('../../../docs/types.md', import.meta.url);
/** A row of the table has the n-th value of every type, or NULL if the type has fewer. */
const ROWS = Math.max(...TYPE_VALUES.map((each) => each.values.length));
/** Rows of the baseline have ids from here on. */
const BASELINE_FROM = 1000;
/** Sessions on the source that read the history back: each must get the same value. */
const HOSTILE: Readonly<Record<string, string>> = {
  'the settings of the server': '',
  'German dates, octal bytea': `SET datestyle = 'German, YMD'; SET timezone = 'Asia/Kathmandu'; SET bytea_output = 'escape'; SET extra_float_digits = -15`,
  'ISO intervals, other escapes': `SET intervalstyle = 'iso_8601'; SET datestyle = 'Postgres, MDY'; SET timezone = 'Pacific/Chatham'; SET standard_conforming_strings = off`,
  'SQL intervals': `SET intervalstyle = 'sql_standard'; SET timezone = '+15:59'`,
};

/** PostgreSQL's JSON functions refuse a row with this text; the history keeps it. */
const isBeyondJsonFunctions = (index: number, place: number): boolean =>
  TYPE_VALUES[index]?.type === 'json' && TYPE_VALUES[index].values[place]?.includes('\\u0000') === true;

const column = (index: number): string => `c${index}`;

interface Stored {
  readonly fragments: ReadonlyMap<string, string>;
  readonly row: string;
  readonly incomplete: readonly string[];
  readonly jsonNulls: readonly string[];
}

describe('types', () => {
  let databases: TestDatabases;
  /** By `plugin/id`. */
  const stored = new Map<string, Stored>();
  const plugins = (): readonly Plugin[] => PLUGINS.filter((plugin) => needOf(plugin).met);

  beforeAll(async () => {
    const columns = TYPE_VALUES.map(({ type }, index) => `${column(index)} ${type}`).join(', ');
    databases = await testDatabases({
      tables: `${TYPE_SETUP} CREATE TABLE every_type (id int PRIMARY KEY, ${columns});`,
    });
    await insertAll(databases, BASELINE_FROM);
    const nodes = plugins().map((plugin) => ({ plugin, node: `${databases.node}_${plugin}` }));
    const { sourceUrl, storeUrl } = databases;
    for (const { plugin, node } of nodes) {
      await init({ sourceUrl, storeUrl, node, plugin, slotName: null, version: 'test' });
      const table = { schema: 'public', name: 'every_type' };
      await track({
        sourceUrl,
        storeUrl,
        node,
        table,
        baseline: true,
        exclude: [],
        retention: null,
        shared: true,
      });
    }
    await insertAll(databases, 0);
    for (const { plugin, node } of nodes) {
      expect((await poll({ sourceUrl, storeUrl, node })).outcome).toBe('done');
      const { rows } = await databases.store.query<{
        pk: string;
        row_data: string;
        incomplete: string[] | null;
        json_nulls: string[] | null;
      }>(
        `SELECT c.pk, c.row_data, c.incomplete, c.json_nulls
           FROM pgtimewarp.row_changes AS c JOIN pgtimewarp.tracked_relations AS t USING (relation_id)
          WHERE t.node_id = $1::text`,
        [node],
      );
      expect(rows).toHaveLength(2 * ROWS);
      for (const { pk, row_data, incomplete, json_nulls } of rows) {
        stored.set(`${plugin}/${pk.slice(2, -2)}`, {
          fragments: jsonMembers(row_data, 0).members,
          row: row_data,
          incomplete: incomplete ?? [],
          jsonNulls: json_nulls ?? [],
        });
      }
    }
  }, 120_000);

  afterAll(async () => {
    await databases?.[Symbol.asyncDispose]();
  });

  /** Where a value may have been lost: numbers that JSON lacks, through wal2json. */
  const isLost = (plugin: Plugin, index: number, place: number): boolean =>
    plugin === 'wal2json' &&
    /^(numeric|real|double)/.test(TYPE_VALUES[index]!.type) &&
    !TYPE_VALUES[index]!.type.endsWith('[]') &&
    /^(NaN|-?Infinity)$/.test(TYPE_VALUES[index]!.values[place]!);

  test('log and baseline, wal2json and pgoutput: the same text', () => {
    forEachValue((index, place) => {
      const what = `${TYPE_VALUES[index]!.type} ${TYPE_VALUES[index]!.values[place]}`;
      const reference = stored.get(`${plugins().at(-1)}/${BASELINE_FROM + place}`)!;
      const expected = reference.fragments.get(column(index));
      expect(expected, what).toBeDefined();
      for (const plugin of plugins()) {
        for (const id of [place, BASELINE_FROM + place]) {
          const found = stored.get(`${plugin}/${id}`)!;
          if (id < BASELINE_FROM && isLost(plugin, index, place)) {
            expect(found.incomplete, `${what} through ${plugin}`).toContain(column(index));
            expect(found.fragments.has(column(index)), `${what} through ${plugin}`).toBe(false);
            continue;
          }
          expect(found.fragments.get(column(index)), `${what} through ${plugin}, row ${id}`).toBe(expected);
          expect(found.incomplete, what).not.toContain(column(index));
          expect(found.jsonNulls.includes(column(index)), what).toBe(
            reference.jsonNulls.includes(column(index)),
          );
        }
      }
    });
  });

  test('a NULL is null', () => {
    for (const plugin of plugins()) {
      for (const [index, { values }] of TYPE_VALUES.entries()) {
        if (values.length === ROWS) continue;
        const found = stored.get(`${plugin}/${BASELINE_FROM + ROWS - 1}`)!;
        expect(found.fragments.get(column(index)), TYPE_VALUES[index]!.type).toBe('null');
        expect(found.jsonNulls).not.toContain(column(index));
      }
    }
  });

  test.each(Object.entries(HOSTILE))(
    'read back on the source, the value is the identical one: %s',
    async (_name, settings) => {
      const session = await databases.connect('source');
      // the connection fixes its output settings; these are the settings of the session that reads the history back
      await session.query(`RESET ALL; ${settings}`);
      for (const plugin of plugins()) {
        for (let id = 0; id < 2 * ROWS; id++) {
          const place = id % ROWS;
          const key = id < ROWS ? id : BASELINE_FROM + place;
          const { fragments, jsonNulls } = stored.get(`${plugin}/${key}`)!;
          const row = `{${[...fragments]
            .filter(([name]) => !isBeyondJsonFunctions(Number.parseInt(name.slice(1), 10), place))
            .map(([name, fragment]) => `"${name}":${fragment}`)
            .join(',')}}`;
          const checks = TYPE_VALUES.flatMap((each, index) => {
            if (place >= each.values.length || (key < BASELINE_FROM && isLost(plugin, index, place)))
              return [];
            if (isBeyondJsonFunctions(index, place)) return [];
            const [history, source] = [`h.${column(index)}`, `s.${column(index)}`];
            const trimmed = each.type === 'json' ? `E' \\n\\t\\r'` : `''`;
            const sameText = `format('%s', ${history}) = btrim(format('%s', ${source}), ${trimmed}) AND num_nulls(${history}) = 0`;
            const isJsonString = each.type === 'json' && each.values[place]!.startsWith('"');
            const identical = isJsonString
              ? `${history}::jsonb = ${source}::jsonb`
              : each.comparable === false
                ? sameText
                : `${sameText} AND ${history} IS NOT DISTINCT FROM ${source}`;
            const sql = jsonNulls.includes(column(index))
              ? `${history} IS NULL AND ${source}::text LIKE '%null%'`
              : identical;
            return [{ sql, what: `${plugin}, row ${key}: ${each.type} ${each.values[place]}` }];
          });
          const { rows } = await session.query<boolean[]>({
            text: `SELECT ${checks.map(({ sql }) => sql).join(', ')} FROM every_type AS s, json_populate_record(NULL::every_type, $2::json) AS h WHERE s.id = $1::int`,
            values: [key, row],
            rowMode: 'array',
          });
          rows[0]!.forEach((same, at) => {
            expect(same, checks[at]!.what).toBe(true);
          });
        }
      }
    },
  );

  test('numbers, booleans, texts, json, instants and arrays of them look as to_json() prints them', async () => {
    const reference = plugins().at(-1)!;
    const { rows } = await databases.source.query<{ id: number; row: string }>(
      'SELECT id, to_json(t)::text AS row FROM every_type AS t WHERE id < $1::int ORDER BY id',
      [BASELINE_FROM],
    );
    for (const { id, row } of rows) {
      const { members } = jsonMembers(row.replaceAll('\n', '\\n'), 0);
      forEachValue((index, place) => {
        const { type, values, asToJson } = TYPE_VALUES[index]!;
        if (place !== id || !asToJson || type === 'json') return;
        expect(
          stored.get(`${reference}/${id}`)!.fragments.get(column(index)),
          `${type} ${values[place]}`,
        ).toBe(members.get(column(index)));
      });
    }
  });

  test('a json value is kept unchanged, also parts that JSON functions refuse or drop', () => {
    forEachValue((index, place) => {
      if (TYPE_VALUES[index]!.type !== 'json') return;
      for (const plugin of plugins()) {
        const text = TYPE_VALUES[index]!.values[place];
        expect(stored.get(`${plugin}/${place}`)!.fragments.get(column(index))).toBe(text);
      }
    });
  });

  test('docs/types.md equals the table of this run', async () => {
    const { rows } = await databases.source.query<(string | null)[]>({
      text: `SELECT ${TYPE_VALUES.map((_, index) => `format('%s', ${column(index)})`).join(', ')} FROM every_type WHERE id < $1::int ORDER BY id`,
      values: [BASELINE_FROM],
      rowMode: 'array',
    });
    const lines: string[] = [];
    forEachValue((index, place) => {
      const each = TYPE_VALUES[index]!;
      const fragment = stored.get(`pgoutput/${place}`)!.fragments.get(column(index))!;
      const jsonNull = stored.get(`pgoutput/${place}`)!.jsonNulls.includes(column(index));
      lines.push(
        `| ${cell(each.type)} | ${cell(rows[place]![index]!)} | ${cell(fragment)}${jsonNull ? ' (JSON null)' : ''} | ${isLost('wal2json', index, place) ? '`incomplete`' : 'same'} |`,
      );
    });
    const page = `${HEAD}${lines.join('\n')}\n`;
    if (process.env.UPDATE_DOCS === '1') writeFileSync(DOC, page);
    if (serverInfo().hasWal2json) expect(readFileSync(DOC, 'utf8')).toBe(page);
  });

  function forEachValue(body: (index: number, place: number) => void): void {
    for (const [index, { values }] of TYPE_VALUES.entries())
      for (let place = 0; place < values.length; place++) body(index, place);
  }
});

const HEAD = `# Types

\`test/pg/types/types.test.ts\` writes this page and proves every line of it: \`UPDATE_DOCS=1 npx vitest run test/pg/types/types.test.ts\`.

Each value was inserted into a tracked table twice: before tracking (read by the baseline) and after it (read from the
log). Both plugins followed the table. The text in \`row\` is always the same, and \`json_populate_record(NULL::t, row)\` on the
source makes exactly the same value of it. Settings of dates, intervals, floats, bytea and strings, of server or session, do not
matter. (Two settings do: with \`array_nulls = off\`, or with \`xmloption = document\` for content, a session cannot read the text
form of these values at all.) Of a \`json\` value the history keeps \`\\u0000\` and white space. PostgreSQL's own JSON functions refuse a row
with \`\\u0000\`, drop white space, and write a value that is a JSON string with other escapes. "(JSON null)" means that
\`json_nulls\` marks the value as JSON null, not SQL NULL. The last column shows the result with wal2json 2.5.

| type | value, as PostgreSQL prints it | in \`row\` | wal2json 2.5 |
|---|---|---|---|
`;

/** The text in a table cell: control characters are made visible, bars escaped. */
function cell(text: string): string {
  const visible = text
    .replace(
      /[\p{Cc}\u2028\u2029\ufeff]/gu,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    )
    .replaceAll('|', '\\|');
  return visible === '' ? '(empty)' : `\`\` ${visible} \`\``;
}

async function insertAll({ source }: TestDatabases, from: number): Promise<void> {
  for (let place = 0; place < ROWS; place++) {
    const values = TYPE_VALUES.map((each: TypeValues) => each.values[place] ?? null);
    await source.query(
      `INSERT INTO every_type VALUES ($1::int, ${TYPE_VALUES.map(({ type }, index) => `$${index + 2}::text::${type}`).join(', ')})`,
      [from + place, ...values],
    );
  }
}
